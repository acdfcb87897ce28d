//! What the machines promise, held over joined machines in memory, under virtual time, in one thread.
//!
//! A test here never reads a clock and never depends on one order of events: whoever reads or writes next, and how many
//! bytes arrive at once, is chosen by a seed, and most tests run under many.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod cancelling;
mod channels;
mod closing;
mod compressing;
mod conversation;
mod cuts;
mod damaged;
mod delivery;
mod epochs;
mod farewell;
mod few;
mod grace;
mod guarded;
mod handshake;
mod harness;
mod hostile;
mod hostile_resume;
mod large;
mod leaving;
mod lies;
mod links;
mod liveness;
mod lying_server;
mod node;
mod policies;
mod pump;
mod reader;
mod recording;
mod redelivery;
mod returning;
mod stranger;
mod superseded;
mod too_much;
mod unacknowledged;
mod unasked;
mod wire;
