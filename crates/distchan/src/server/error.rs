//! What can go wrong before a server serves.

use std::io;

use crate::transport::{Address, AddressError};

/// A server could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system refused; the text names the address.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others than this machine could reach the address, and nothing would keep strangers out.
    #[error(
        "{address} can be reached from other machines, and this server would let everybody in, unencrypted; write \
         Server::builder().secure().bind(\"{address}\") instead, and give your workers server.ticket(); or bind 127.0.0.1, unix:/path or \
         memory:name; or, in a network where you trust every machine, say so: \
         Server::builder().danger_allow_unencrypted().bind(\"{address}\")"
    )]
    Open {
        /// The address.
        address: Address,
    },
    /// What the security needs cannot be had: a file, or what should be in it.
    #[cfg(feature = "tls")]
    #[error("the server's security cannot be set up: {0}")]
    Security(#[source] io::Error),
    /// Only TCP is encrypted. Others than this machine's own processes cannot reach the rest.
    #[cfg(feature = "tls")]
    #[error(
        "{address} is not a TCP address: what stays on this machine is not encrypted; leave `secure` and `security` out"
    )]
    NotTcp {
        /// The address.
        address: Address,
    },
}

/// A server's channel could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The name is taken: each is opened once.
    #[error("the channel {name:?} is open already on this server")]
    Exists {
        /// The name.
        name: String,
    },
    /// The server was shut down.
    #[error("this server is shut down")]
    Shutdown,
}
