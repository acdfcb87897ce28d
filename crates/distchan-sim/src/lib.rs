//! Whole clusters around the real machines, in one thread and under virtual time: a seed chooses the cluster, the schedule and the
//! faults, an oracle knows what must come of it. The same seed gives the same run, byte for byte.
//!
//! A run is a [`plan`] (what there is, and how rough it gets), carried out by a [`cluster`] of hosts on a [`network`], judged by the
//! [`faults`] on the way and by the [`oracle`] all the time, and noted in a [`trace`].

pub mod cluster;
pub mod faults;
pub mod network;
pub mod oracle;
pub mod plan;
pub mod server;
pub mod trace;
pub mod worker;
