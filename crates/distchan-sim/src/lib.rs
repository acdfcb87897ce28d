//! Whole clusters around the real machines, in one thread and under virtual time: a seed chooses the cluster, the network, the work and
//! the weather; an oracle knows what must come of it. The same seed gives the same run, byte for byte.
//!
//! A run is a [`plan`], carried out by [`cluster`]: hosts drive the machines of `distchan-proto` over a simulated network, faults strike as
//! planned, then all is healed and everything must come to its end. [`sweep`] runs many seeds, [`shrink`] makes a failing one smaller.
//!
//! [`pacing`] is another question to the same machines: how long some work takes, and how many jobs a worker should have in hand for that.

pub mod cluster;
mod dice;
mod job;
mod network;
mod oracle;
pub mod pacing;
pub mod plan;
mod queue;
mod server;
pub mod shrink;
pub mod sweep;
pub mod trace;
mod worker;
mod world;
