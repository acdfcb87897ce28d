//! The typed ends: values become bytes in a batch, bytes of a batch become values. The only generic code of the library.
//! It knows no socket, no frame and no task: what it needs of the driver it asks through a [`port::Port`].

mod aside;
pub(crate) mod delivery;
pub(crate) mod direct;
mod error;
pub(crate) mod failed;
pub(crate) mod inbox;
pub(crate) mod intake;
pub(crate) mod job;
mod job_handle;
mod job_receiver;
pub(crate) mod job_sender;
pub(crate) mod keying;
mod map;
pub(crate) mod outgoing;
pub(crate) mod panics;
pub(crate) mod port;
mod receiver;
mod retry;
pub(crate) mod sender;
pub(crate) mod signal;
pub(crate) mod sinks;
pub(crate) mod stopper;
mod waiters;

#[cfg(test)]
mod tests;

pub use crate::channel::aside::FailedJobs;
pub use crate::channel::error::{CallError, RecvError, SendError, SendErrorKind, TryRecvError, TrySendError};
pub use crate::channel::failed::{AttemptInfo, JobFailed, Outcome, ValueError};
pub use crate::channel::job::Job;
pub use crate::channel::job_handle::JobHandle;
pub use crate::channel::job_receiver::JobReceiver;
pub use crate::channel::job_sender::JobSender;
pub use crate::channel::map::Map;
pub use crate::channel::receiver::Receiver;
pub use crate::channel::retry::{RetryError, RetryErrorKind};
pub use crate::channel::sender::{Permit, Sender};
