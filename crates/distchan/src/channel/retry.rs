//! Why failed jobs were not all sent again: their error gives back those that were not.

use std::error::Error;
use std::fmt;

use crate::channel::error::SendErrorKind;
use crate::channel::failed::JobFailed;

/// Failed jobs were not all sent again.
#[derive(Clone, Debug)]
pub struct RetryError {
    sent: usize,
    rest: Vec<JobFailed>,
    kind: RetryErrorKind,
}

/// Why a failed job was not sent again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RetryErrorKind {
    /// It failed on another channel than this.
    OtherChannel,
    /// It could not be sent; see [`SendErrorKind`].
    Send(SendErrorKind),
}

impl RetryError {
    pub(crate) const fn new(sent: usize, rest: Vec<JobFailed>, kind: RetryErrorKind) -> Self {
        Self { sent, rest, kind }
    }

    /// How many were sent again before.
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// Those that were not: the one that could not be sent, and all behind it.
    pub fn into_rest(self) -> Vec<JobFailed> {
        self.rest
    }

    /// Why.
    pub const fn kind(&self) -> &RetryErrorKind {
        &self.kind
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, rest, kind } = self;
        write!(f, "{sent} jobs were sent again, {} were not: ", rest.len())?;
        match kind {
            RetryErrorKind::OtherChannel => f.write_str("the next failed on another channel"),
            RetryErrorKind::Send(kind) => kind.fmt(f),
        }
    }
}

impl Error for RetryError {}
