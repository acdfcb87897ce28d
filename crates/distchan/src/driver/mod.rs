//! The only place where sockets meet the state machines: tasks that gather input, hand it to a machine, and carry out what the
//! machine decides. Nothing here knows a value's type or a frame's bytes.

mod buffers;
pub(crate) mod clock;
mod gaps;
pub(crate) mod pen;
pub(crate) mod pump;
pub(crate) mod server;
mod threads;
mod wakes;
pub(crate) mod worker;
