//! Where a worker connects to, and what it has to show there.

#[cfg(feature = "tls")]
use std::io;
use std::net::SocketAddr;

#[cfg(feature = "tls")]
use distchan_proto::limits;

#[cfg(feature = "tls")]
use crate::security::error::SecurityError;
use crate::security::failed::ConnectFailed;
#[cfg(feature = "tls")]
use crate::security::mutual::MutualTls;
#[cfg(feature = "tls")]
use crate::security::ticket::{Ticket, TicketError};
#[cfg(feature = "tls")]
use crate::security::trust::Trust;
use crate::transport::{Address, AddressError, IntoAddress, Stream};

/// A server, as a worker looks for it.
#[derive(Clone, Debug)]
pub struct Target {
    address: Address,
    #[cfg(feature = "tls")]
    trust: Option<Trust>,
}

/// A text that names no server.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetError {
    /// It is no address.
    Address(AddressError),
    /// It is meant to be a ticket, and is none.
    #[cfg(feature = "tls")]
    Ticket(TicketError),
    /// TLS cannot be spoken with it.
    #[cfg(feature = "tls")]
    Security {
        /// Where the server is.
        address: Address,
        /// Why.
        error: SecurityError,
    },
}

impl From<AddressError> for TargetError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

#[cfg(feature = "tls")]
impl From<TicketError> for TargetError {
    fn from(error: TicketError) -> Self {
        Self::Ticket(error)
    }
}

impl Target {
    const fn open(address: Address) -> Self {
        Self {
            address,
            #[cfg(feature = "tls")]
            trust: None,
        }
    }

    #[cfg(feature = "tls")]
    fn of_ticket(ticket: &Ticket) -> Result<Self, TargetError> {
        let address = ticket.address().clone();
        match Trust::of_ticket(ticket) {
            Ok(trust) => Ok(Self { address, trust: Some(trust) }),
            Err(error) => Err(TargetError::Security { address, error }),
        }
    }

    /// The same with a certificate to show; a ticket is not needed then.
    #[cfg(feature = "tls")]
    pub(crate) fn with_certificate(self, mutual: &MutualTls) -> Result<Self, TargetError> {
        let Self { address, .. } = self;
        match Trust::of_certificate(mutual, &address) {
            Ok(trust) => Ok(Self { address, trust: Some(trust) }),
            Err(error) => Err(TargetError::Security { address, error }),
        }
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// Makes a connection over which the protocol can be spoken.
    pub(crate) async fn connect(&self) -> Result<Stream, ConnectFailed> {
        let stream = Stream::connect(&self.address).await?;
        #[cfg(feature = "tls")]
        if let Some(trust) = &self.trust {
            let greeting = tokio::time::timeout(limits::HANDSHAKE_BUDGET, trust.greet(stream));
            return match greeting.await {
                Ok(Err(ConnectFailed::Io(error))) => {
                    let text = format!("cannot connect to {}: {error}", self.address);
                    Err(io::Error::new(error.kind(), text).into())
                }
                Ok(greeted) => greeted,
                Err(_) => {
                    let text = format!(
                        "{} did not finish the handshake within {:?}",
                        self.address,
                        limits::HANDSHAKE_BUDGET
                    );
                    Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
                }
            };
        }
        Ok(stream)
    }
}

/// Whatever a worker can connect to: an address in any of its forms, a [`Ticket`], or a ticket's text.
pub trait IntoTarget {
    /// The target.
    ///
    /// # Errors
    /// The text is no address and no ticket.
    fn into_target(self) -> Result<Target, TargetError>;
}

fn parse(text: &str) -> Result<Target, TargetError> {
    #[cfg(feature = "tls")]
    if Ticket::is_meant(text) {
        return Target::of_ticket(&text.parse()?);
    }
    Ok(Target::open(text.into_address()?))
}

impl IntoTarget for &str {
    fn into_target(self) -> Result<Target, TargetError> {
        parse(self)
    }
}

impl IntoTarget for &String {
    fn into_target(self) -> Result<Target, TargetError> {
        parse(self)
    }
}

impl IntoTarget for String {
    fn into_target(self) -> Result<Target, TargetError> {
        parse(&self)
    }
}

impl IntoTarget for SocketAddr {
    fn into_target(self) -> Result<Target, TargetError> {
        Ok(Target::open(self.into()))
    }
}

impl IntoTarget for Address {
    fn into_target(self) -> Result<Target, TargetError> {
        Ok(Target::open(self))
    }
}

impl IntoTarget for &Address {
    fn into_target(self) -> Result<Target, TargetError> {
        Ok(Target::open(self.clone()))
    }
}

#[cfg(feature = "tls")]
impl IntoTarget for Ticket {
    fn into_target(self) -> Result<Target, TargetError> {
        Target::of_ticket(&self)
    }
}

#[cfg(feature = "tls")]
impl IntoTarget for &Ticket {
    fn into_target(self) -> Result<Target, TargetError> {
        Target::of_ticket(self)
    }
}
