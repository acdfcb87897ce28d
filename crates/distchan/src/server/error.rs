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
        "{address} can be reached from other machines, and this server has no encryption and lets everybody in; \
         bind 127.0.0.1, unix:/path or memory:name instead, or, in a network where you trust every machine, \
         say so: Server::builder().danger_allow_unencrypted().bind(\"{address}\")"
    )]
    Open {
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
