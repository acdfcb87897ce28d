//! Real worker processes against one server: the end of the work reaches all of them, and a SIGKILL loses nothing.
//!
//! The workers are this same program, started again with an address in its environment.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod children;
mod close;
#[cfg(unix)]
mod python;
