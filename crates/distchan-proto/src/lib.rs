//! The core of distchan: the wire format and the state machines, without I/O, clocks or threads.
//!
//! Whoever drives a machine hands it what has happened (`handle_*`, with the time as an argument) and then takes what is to be done
//! (`poll_*`). The same calls give the same bytes, always: so whole clusters can be run in one thread under virtual time.
//!
//! Data flows one way: [`batch`] → [`server`] / [`worker`] → `dispatch` / `session` → `frame`. What comes up is a returned event.
//! The bytes are described in `PROTOCOL.md` at the root of the repository.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod batch;
pub mod carrier;
pub mod compression;
mod dispatch;
pub mod error;
pub mod failure;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod limits;
pub mod proof;
#[cfg(feature = "sabotage")]
pub mod sabotage;
#[cfg(not(feature = "sabotage"))]
#[expect(unreachable_pub, reason = "it is public with the feature")]
mod sabotage;
pub mod scattered;
pub mod schema;
pub mod server;
mod session;
pub mod spec;
pub mod time;
pub mod transform;
pub mod transmit;
mod varint;
pub mod worker;

pub use crate::dispatch::policy::Policy;
pub use crate::dispatch::standing::Distribution;
pub use crate::dispatch::stats::ChannelStats;
pub use crate::frame::control::Direction;
pub use crate::session::landing::Landing;
