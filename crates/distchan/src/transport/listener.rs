//! Where connections come in. Accepting takes a connection off the system's queue and nothing else: it must never wait
//! for a peer's bytes.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::transport::address::Address;
use crate::transport::error;
use crate::transport::memory::MemoryListener;
use crate::transport::stream::Stream;
use crate::transport::tcp;
#[cfg(unix)]
use crate::transport::unix::SocketListener;

/// Listens at one address until it is dropped, which frees the address: the port, the socket's file, the name.
/// Connections that were accepted live on.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    local: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(SocketListener),
    Memory(MemoryListener),
}

impl Listener {
    /// Listens at `address`.
    ///
    /// - TCP: at the first of the host's addresses that this machine has.
    /// - Unix: the file gets mode 0600, with no moment in which it has another. The file of a server that is gone is
    ///   replaced; anything that is no socket is left alone. For a moment a directory `.dc…` stands beside it, so the
    ///   directory must be writable, and the path may be a little shorter than the system's limit for sockets.
    /// - Memory: under a name of this process.
    ///
    /// Anyone who reaches the address can connect: ask [`Address::is_local`] first where that matters.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there, `AlreadyExists` when a file that is no socket stands in the place, or
    /// whatever the system or the resolver says. The text names the address.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        let bound = match address {
            Address::Tcp { host, port } => match tcp::bind(host, *port).await {
                Ok(socket) => Self::on_tcp(socket),
                Err(error) => Err(error),
            },
            #[cfg(unix)]
            Address::Unix(path) => SocketListener::bind(path).await.map(|socket| Self {
                socket: Socket::Unix(socket),
                address: address.clone(),
                local: true,
            }),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(error::no_unix_sockets()),
            Address::Memory(name) => MemoryListener::bind(name).map(|socket| Self {
                socket: Socket::Memory(socket),
                address: address.clone(),
                local: true,
            }),
        };
        bound.map_err(|error| error::at("listen at", address, &error))
    }

    fn on_tcp(socket: TcpListener) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        Ok(Self { socket: Socket::Tcp(socket), address: bound.into(), local: tcp::is_loopback(&bound) })
    }

    /// Where it listens: on TCP the IP address and port that were bound, otherwise the address as given.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.address
    }

    /// Whether only this machine can connect. Unlike [`Address::is_local`] it asks no resolver: it looks at what was
    /// bound.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Takes the next connection, and who is at its other end. Connections that broke off while they waited are passed
    /// over. TCP sends without Nagle's delay.
    ///
    /// # Errors
    /// When the process or the system is short of something, nearly always of file descriptors. The listener goes on
    /// listening; the next call may fail at once again, so wait a little before it.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        let accepted = match &mut self.socket {
            Socket::Tcp(socket) => {
                tcp::accept(socket).await.map(|(stream, peer)| (Stream::from_tcp(stream), Peer::Tcp(peer)))
            }
            #[cfg(unix)]
            Socket::Unix(socket) => {
                socket.accept().await.map(|(stream, pid)| (Stream::from_unix(stream), Peer::Unix { pid }))
            }
            Socket::Memory(socket) => {
                let accepted = socket.accept().await;
                accepted.map(|stream| (Stream::from_memory(stream), Peer::Memory(socket.name().to_owned())))
            }
        };
        accepted.map_err(|error| error::at("accept at", &self.address, &error))
    }
}

/// Who is at the other end of an accepted connection: for logs and for people, not for telling workers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP peer. Prints as `192.0.2.1:50312`.
    Tcp(SocketAddr),
    /// A process on this machine. Prints as `unix (pid 7)`.
    Unix {
        /// Its process id, where the system tells it.
        pid: Option<i32>,
    },
    /// This process, through the listener of that name. Prints as `memory:name`.
    Memory(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { pid: Some(pid) } => write!(f, "unix (pid {pid})"),
            Self::Unix { pid: None } => f.write_str("unix"),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}
