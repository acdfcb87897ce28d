//! Bytes in, bytes out, to another process or this one: TCP, bare or encrypted, Unix sockets, memory.
//!
//! This folder finds the other end and nothing more. It must never look into the bytes, know a frame or a session,
//! wait for a peer while accepting, or keep a connection to itself.

mod address;
mod error;
mod listener;
mod memory;
mod shared;
mod stream;
mod tcp;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(unix)]
mod unix;

pub use crate::transport::address::{Address, AddressError, IntoAddress};
pub use crate::transport::listener::{Listener, Peer};
pub(crate) use crate::transport::stream::DirectWrite;
pub use crate::transport::stream::{ReadHalf, Stream, WriteHalf};

#[cfg(test)]
mod tests;
