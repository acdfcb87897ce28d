//! What the machines promise, held over joined machines in memory, under virtual time, in one thread.
//!
//! A test here never reads a clock and never depends on one order of events: whoever reads or writes next, and how many
//! bytes arrive at once, is chosen by a seed, and most tests run under many.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod channels;
mod closing;
mod delivery;
mod handshake;
mod harness;
mod hostile;
mod large;
mod leaving;
mod lies;
mod lying_server;
mod node;
mod pump;
mod recording;
mod redelivery;
mod stranger;
mod wire;
