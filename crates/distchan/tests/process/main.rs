//! Real processes: the end of the work reaches all workers, and SIGKILL, SIGSTOP, spinning handlers, poison, a server's death, a bad
//! network and a want of file descriptors lose nothing; strangers cost little.
//!
//! The workers are this same program, started again with an address in its environment.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]
#![expect(clippy::print_stdout, reason = "figures, and what roles say")]

mod children;
mod close;
#[cfg(unix)]
#[path = "../faults/proxy/dice.rs"]
mod dice;
#[cfg(unix)]
mod exhausted;
#[cfg(unix)]
mod killed;
#[cfg(target_os = "linux")]
mod lossy;
#[path = "../it/place.rs"]
mod place;
#[cfg(unix)]
mod poison;
#[cfg(unix)]
mod program;
#[cfg(unix)]
mod python;
#[cfg(unix)]
mod restarted;
#[cfg(unix)]
mod role;
#[cfg(unix)]
mod stopped;
#[cfg(all(target_os = "linux", feature = "tls"))]
mod strangers;
#[cfg(unix)]
mod tally;
#[cfg(unix)]
mod task;
#[cfg(unix)]
mod warnings;
