//! Why there is no ticket.

use std::error::Error;
use std::{fmt, io};

use crate::transport::AddressError;

/// There is no ticket. The text never shows what was given: it may be most of one.
#[derive(Debug)]
#[non_exhaustive]
pub enum TicketError {
    /// The text is none; why.
    Malformed(&'static str),
    /// The address is none.
    Address(AddressError),
    /// The system's error; the text names the file.
    Io(io::Error),
    /// The server has no tickets: it was bound without [`ServerBuilder::secure`](crate::ServerBuilder::secure).
    NoTickets,
    /// The server has as many tickets as it can have: 4,096 that are neither revoked nor expired.
    TooMany,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "this is not a ticket, distchan://host:port/#…: {why}"),
            Self::Address(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::NoTickets => f.write_str(
                "this server has no tickets: Server::builder().secure().bind(…) makes one that has",
            ),
            Self::TooMany => f.write_str("this server has 4096 tickets, and no place for another"),
        }
    }
}

impl Error for TicketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Address(_) | Self::Malformed(_) | Self::NoTickets | Self::TooMany => None,
        }
    }
}

impl From<io::Error> for TicketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<AddressError> for TicketError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}
