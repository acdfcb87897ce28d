//! The tickets of a server, for its user: giving and revoking them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::security::{Door, Guard, Ticket, TicketError};
use crate::server::Server;
use crate::transport::Address;

impl Server {
    /// The line with which workers connect: see [`Ticket`]. It is the same at each call, and, with
    /// [`Security::tickets_kept_in`](crate::Security::tickets_kept_in), after a restart; where it was revoked, a new one.
    ///
    /// It holds the address that was bound. Where that is every interface (`0.0.0.0`), it holds the one over which this machine reaches others:
    /// [`Ticket::with_address`] puts another in its place.
    ///
    /// # Errors
    /// The server has no tickets, or a new one cannot be kept.
    pub fn ticket(&self) -> Result<Ticket, TicketError> {
        self.guard()?.ticket(reachable(self.local_addr()))
    }

    /// A further ticket, which can be revoked by itself, and can expire. Give each group of workers its own.
    pub const fn new_ticket(&self) -> NewTicket<'_> {
        NewTicket { server: self, lifetime: None }
    }

    /// Turns out the workers that came with a ticket, now, and lets nobody in with it any more; what they had goes to others. False where it is
    /// no ticket of this server.
    ///
    /// # Errors
    /// The server has no tickets, or the revocation cannot be kept: then it holds until the server ends.
    pub fn revoke(&self, ticket: &Ticket) -> Result<bool, TicketError> {
        self.guard()?.revoke(ticket)
    }

    fn guard(&self) -> Result<&Guard, TicketError> {
        match &self.shared().door {
            Door::Guarded(guard) => Ok(guard),
            Door::Open => Err(TicketError::NoTickets),
        }
    }
}

/// A ticket, until it is [issued](NewTicket::issue).
#[derive(Debug)]
#[must_use = "a ticket counts once it is issued"]
pub struct NewTicket<'a> {
    server: &'a Server,
    lifetime: Option<Duration>,
}

impl NewTicket<'_> {
    /// Lets nobody in with it after so long, by this machine's clock. Workers that are in then stay, as long as their connection does.
    pub const fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// The server has no tickets, or too many, or this one cannot be kept.
    pub fn issue(self) -> Result<Ticket, TicketError> {
        self.server.guard()?.issue(reachable(self.server.local_addr()), self.lifetime)
    }
}

/// Where others reach what is bound: for every interface, the one that this machine would use itself.
fn reachable(bound: &Address) -> Address {
    let Address::Tcp { host, port } = bound else { return bound.clone() };
    // Addresses of the documentation: nothing is sent by connecting a datagram socket.
    let (any, there): (SocketAddr, SocketAddr) = match host.as_str() {
        "0.0.0.0" => ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        "::" => {
            let there = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            ((Ipv6Addr::UNSPECIFIED, 0).into(), (there, 9).into())
        }
        _ => return bound.clone(),
    };
    let found = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(there)?;
        socket.local_addr()
    });
    let ip = match (found, there) {
        (Ok(local), _) => local.ip(),
        // A machine without a network is reached by itself.
        (Err(_), SocketAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
        (Err(_), SocketAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, *port).into()
}
