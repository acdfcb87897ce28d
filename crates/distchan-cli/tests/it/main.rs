//! The command as a user has it: what it prints, how it exits, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod bad_input;
mod command_line;
mod conformance;
mod documents;
mod exits;
mod halting;
mod inputs;
mod order;
mod output;
mod persistent;
mod pipe;
mod program;
mod quoting;
mod serving;
mod settings;
mod signals;
mod state;
mod watching;
