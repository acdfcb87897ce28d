//! What can go wrong between a worker and its server.

use std::io;

use distchan_proto::error::Code;

use crate::channel::RecvError;
use crate::security::TargetError;
#[cfg(feature = "tls")]
use crate::security::{SecurityError, TicketError};
use crate::transport::AddressError;

/// A worker could not connect, or its connection is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The text is meant to be a ticket, and is none.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The system refused, or nobody listens; the text names the address.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The worker does not trust the server, or the server does not trust the worker. Trying again does not help.
    #[cfg(feature = "tls")]
    #[error("{address} and this worker do not trust each other: {error}")]
    Security {
        /// Where it connected to.
        address: String,
        /// Why.
        #[source]
        error: SecurityError,
    },
    /// The server turned this worker away, or is none. Trying again does not help.
    #[error("{address} turned this worker away: {reason}")]
    Refused {
        /// Where it connected to.
        address: String,
        /// Why, as a number.
        code: Code,
        /// Why, in words.
        reason: String,
    },
    /// The connection is over.
    #[error("the connection to the server is over: {reason}")]
    Lost {
        /// Why, as a number.
        code: Code,
        /// Why, in words.
        reason: String,
    },
}

impl From<TargetError> for ConnectError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Address(error) => Self::Address(error),
            #[cfg(feature = "tls")]
            TargetError::Ticket(error) => Self::Ticket(error),
            #[cfg(feature = "tls")]
            TargetError::Security { address, error } => {
                Self::Security { address: address.to_string(), error }
            }
        }
    }
}

/// A channel was not opened. Nothing else on the connection is disturbed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot open the channel {name:?}: {reason}")]
#[non_exhaustive]
pub struct OpenError {
    /// The name.
    pub name: String,
    /// Why, as a number.
    pub code: Code,
    /// Why, in words: for other types, the first difference.
    pub reason: String,
}

/// Serving ended before the work was done.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The channel was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection is lost.
    #[error(transparent)]
    Recv(#[from] RecvError),
}
