//! The typed ends: values become bytes in a batch, bytes of a batch become values. The only generic code of the library.
//! It knows no socket, no frame and no task: what it needs of the driver it asks through a [`port::Port`].

mod call;
pub(crate) mod direct;
mod error;
pub(crate) mod inbox;
pub(crate) mod intake;
pub(crate) mod job;
mod job_receiver;
pub(crate) mod job_sender;
mod map;
pub(crate) mod outgoing;
pub(crate) mod panics;
pub(crate) mod port;
mod receiver;
pub(crate) mod sender;
pub(crate) mod sinks;
mod waiters;

pub use crate::channel::error::{
    CallError, JobFailed, RecvError, SendError, SendErrorKind, TryRecvError, TrySendError,
};
pub(crate) use crate::channel::intake::give_back;
pub use crate::channel::job::Job;
pub use crate::channel::job_receiver::JobReceiver;
pub use crate::channel::job_sender::JobSender;
pub use crate::channel::map::Map;
pub use crate::channel::receiver::Receiver;
pub use crate::channel::sender::{Permit, Sender};
