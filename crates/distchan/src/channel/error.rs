//! One error per operation; a send gives the value back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::channel::failed::JobFailed;
use crate::codec::CodecError;

/// Why a value was not sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// This side has closed the channel, or shut down.
    Closed,
    /// The other side is gone; the text says why.
    Disconnected(Arc<str>),
    /// The value cannot be encoded.
    Encode(CodecError),
    /// The value is larger than the channel allows; see `max_value` of the channel's builder.
    TooLarge {
        /// The encoded value's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A result belongs to a job: take one with `recv` first, or use the handles of `next_job`.
    NoJob,
    /// The job has its outcome already.
    Answered,
    /// The job went to another worker: this one's session with the server was lost.
    Reassigned,
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the channel is closed"),
            Self::Disconnected(why) => write!(f, "the other side is gone: {why}"),
            Self::Encode(error) => error.fmt(f),
            Self::TooLarge { size, limit } => {
                write!(
                    f,
                    "the value has {size} bytes, the channel's limit is {limit}; raise it with `max_value` on both sides"
                )
            }
            Self::NoJob => {
                f.write_str("a result belongs to a job, and this loop has none in hand: `recv` one first")
            }
            Self::Answered => f.write_str("the job has its outcome already"),
            Self::Reassigned => {
                f.write_str("the job went to another worker: this one's session with the server was lost")
            }
        }
    }
}

impl Error for SendErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Encode(error) = self { error.source() } else { None }
    }
}

/// A value was not sent. It comes back with [`SendError::into_inner`].
#[derive(Clone)]
pub struct SendError<T> {
    value: T,
    kind: SendErrorKind,
}

impl<T> SendError<T> {
    pub(crate) const fn new(value: T, kind: SendErrorKind) -> Self {
        Self { value, kind }
    }

    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Why.
    pub const fn kind(&self) -> &SendErrorKind {
        &self.kind
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<T> Error for SendError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let SendErrorKind::Encode(error) = &self.kind { error.source() } else { None }
    }
}

/// A value was not sent at once. It comes back with [`TrySendError::into_inner`].
#[derive(Clone)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room now: workers, or whoever reads on the other side, are behind.
    Full(T),
    /// It can never be sent.
    Failed(SendError<T>),
}

impl<T> TrySendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) => value,
            Self::Failed(error) => error.into_inner(),
        }
    }

    /// Whether trying again later can help.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("there is no room in the channel now"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<T> Error for TrySendError<T> {}

/// Why there is no value. After [`RecvError::Failed`] and [`RecvError::Decode`] the next call goes on; the others are final.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// On the server: a job was not completed: it failed, is dead, or was cancelled. Its results are not visible.
    Failed(JobFailed),
    /// A value does not decode, although the types agree: a `Deserialize` that refuses what the other side's `Serialize` wrote.
    Decode(CodecError),
    /// The other side is lost. That is not the end of the work.
    Disconnected(Arc<str>),
    /// This worker drains: it asked for no further work.
    Draining,
    /// This server was shut down before every job had its outcome.
    Shutdown,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failed) => failed.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::Disconnected(why) => write!(f, "the other side is gone: {why}"),
            Self::Draining => f.write_str("this worker drains and takes no further jobs"),
            Self::Shutdown => f.write_str("the server was shut down before the work was done"),
        }
    }
}

impl Error for RecvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Decode(error) = self { error.source() } else { None }
    }
}

/// Why there is no value now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TryRecvError {
    /// None has come yet.
    Empty,
    /// The channel is closed and drained: none will come.
    Closed,
    /// Something else; see [`RecvError`].
    Failed(RecvError),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no value has come yet"),
            Self::Closed => f.write_str("the channel is closed and drained"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for TryRecvError {}

/// Why a call has no answer.
#[derive(Clone)]
#[non_exhaustive]
pub enum CallError<J> {
    /// The job was not sent; it is in here.
    Send(SendError<J>),
    /// The job was not completed: it failed, is dead, or was cancelled; [`JobFailed::outcome`] says which.
    Failed(JobFailed),
    /// The job was completed without a result.
    NoResult,
    /// The result does not decode, although the types agree.
    Decode(CodecError),
    /// The server was shut down before the job had its outcome.
    Shutdown,
}

impl<J> CallError<J> {
    /// The same error for another kind of job value, where none is inside.
    pub(crate) fn from_recv(error: RecvError) -> Self {
        match error {
            RecvError::Failed(failed) => Self::Failed(failed),
            RecvError::Decode(error) => Self::Decode(error),
            RecvError::Disconnected(_) | RecvError::Draining | RecvError::Shutdown => Self::Shutdown,
        }
    }
}

impl<J> fmt::Debug for CallError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => f.debug_tuple("Send").field(error).finish(),
            Self::Failed(failed) => f.debug_tuple("Failed").field(failed).finish(),
            Self::NoResult => f.write_str("NoResult"),
            Self::Decode(error) => f.debug_tuple("Decode").field(error).finish(),
            Self::Shutdown => f.write_str("Shutdown"),
        }
    }
}

impl<J> fmt::Display for CallError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => error.fmt(f),
            Self::Failed(failed) => failed.fmt(f),
            Self::NoResult => f.write_str("the job was completed without a result"),
            Self::Decode(error) => error.fmt(f),
            Self::Shutdown => f.write_str("the server was shut down before the job had its outcome"),
        }
    }
}

impl<J> Error for CallError<J> {}
