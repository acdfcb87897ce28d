//! One connection, whatever carries it: a reader and a writer of bytes, as one or as two halves. It only passes calls
//! on; it must never buffer (records that TLS has sealed wait for the system).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, tcp as tokio_tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix as tokio_unix};

use crate::transport::address::Address;
use crate::transport::error;
use crate::transport::memory::{self, MemoryStream};
use crate::transport::shared::{Shared, Weak};
use crate::transport::tcp;
#[cfg(feature = "tls")]
use crate::transport::tls::{TlsReadHalf, TlsStream, TlsWriteHalf, WeakSealing};
#[cfg(unix)]
use crate::transport::unix;

/// A connection to another process, or within this one. Reads and writes bytes; scattered buffers are written in one
/// call (`poll_write_vectored`).
#[derive(Debug)]
pub struct Stream(Carrier);

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    #[cfg(unix)]
    Unix(UnixStream),
    Memory(MemoryStream),
}

impl Stream {
    /// Connects to a listener at `address`. A TCP name that has several addresses is tried at each in turn; TCP sends
    /// without Nagle's delay.
    ///
    /// There is no time limit here: a TCP address that swallows everything takes as long as the system lets it, which
    /// is minutes. Wrap the call in `tokio::time::timeout`.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens, or whatever the system or the resolver says. The text names the address.
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        let connected = match address {
            Address::Tcp { host, port } => tcp::connect(host, *port).await.map(Self::from_tcp),
            #[cfg(unix)]
            Address::Unix(path) => unix::connect(path).await.map(Self::from_unix),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(error::no_unix_sockets()),
            Address::Memory(name) => memory::connect(name).await.map(Self::from_memory),
        };
        connected.map_err(|error| error::at("connect to", address, &error))
    }

    /// What this end, of a worker, sees of the connection's two ends: `worker>server`. The server sees the same where nobody stands between
    /// them: no proxy, no address translation. Empty where the carrier has no addresses and cannot be cut.
    pub(crate) fn route_of_worker(&self) -> String {
        match &self.0 {
            Carrier::Tcp(stream) => tcp::route(stream.local_addr(), stream.peer_addr()),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => tcp::route(stream.tcp().local_addr(), stream.tcp().peer_addr()),
            #[cfg(unix)]
            Carrier::Unix(_) => UNIX_ROUTE.to_owned(),
            Carrier::Memory(_) => String::new(),
        }
    }

    /// The same, seen by a server.
    pub(crate) fn route_of_server(&self) -> String {
        match &self.0 {
            Carrier::Tcp(stream) => tcp::route(stream.peer_addr(), stream.local_addr()),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => tcp::route(stream.tcp().peer_addr(), stream.tcp().local_addr()),
            #[cfg(unix)]
            Carrier::Unix(_) => UNIX_ROUTE.to_owned(),
            Carrier::Memory(_) => String::new(),
        }
    }

    /// Whether a byte that was changed on the way is noticed here.
    pub(crate) const fn guards_bytes(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "tls")]
            Carrier::Tls(_) => true,
            #[cfg(unix)]
            Carrier::Unix(_) => false,
            Carrier::Tcp(_) | Carrier::Memory(_) => false,
        }
    }

    /// Splits the connection into its two directions, which share no lock. Dropping the [`WriteHalf`] tells the other
    /// side that nothing more comes; the connection is gone when both halves are.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.0 {
            Carrier::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf(ReadCarrier::Tcp(read)), WriteHalf(WriteCarrier::Tcp(Shared::new(write))))
            }
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf(ReadCarrier::Tls(read)), WriteHalf(WriteCarrier::Tls(write)))
            }
            #[cfg(unix)]
            Carrier::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf(ReadCarrier::Unix(read)), WriteHalf(WriteCarrier::Unix(Shared::new(write))))
            }
            Carrier::Memory(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf(ReadCarrier::Memory(read)), WriteHalf(WriteCarrier::Memory(write)))
            }
        }
    }

    pub(crate) fn from_tcp(stream: TcpStream) -> Self {
        Self(Carrier::Tcp(stream))
    }

    /// The bare TCP connection; what is none comes back.
    #[cfg(feature = "tls")]
    pub(crate) fn into_tcp(self) -> Result<TcpStream, Self> {
        match self.0 {
            Carrier::Tcp(stream) => Ok(stream),
            other => Err(Self(other)),
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn from_tls(stream: TlsStream) -> Self {
        Self(Carrier::Tls(Box::new(stream)))
    }

    #[cfg(unix)]
    pub(crate) fn from_unix(stream: UnixStream) -> Self {
        Self(Carrier::Unix(stream))
    }

    pub(crate) fn from_memory(stream: MemoryStream) -> Self {
        Self(Carrier::Memory(stream))
    }
}

/// What both ends see of a Unix socket: the other process is on this machine.
#[cfg(unix)]
const UNIX_ROUTE: &str = "unix";

impl WriteHalf {
    /// A way to write that waits for nothing, for whoever does not own this half; `None` where the carrier has none.
    pub(crate) fn direct(&self) -> Option<DirectWrite> {
        match &self.0 {
            WriteCarrier::Tcp(half) => Some(DirectWrite(DirectCarrier::Tcp(half.downgrade()))),
            #[cfg(feature = "tls")]
            WriteCarrier::Tls(half) => Some(DirectWrite(DirectCarrier::Tls(half.downgrade()))),
            #[cfg(unix)]
            WriteCarrier::Unix(half) => Some(DirectWrite(DirectCarrier::Unix(half.downgrade()))),
            WriteCarrier::Memory(_) => None,
        }
    }

    /// Lets the system, too, give the connection up when the other machine has been silent for so long, as far as it can.
    pub(crate) fn give_up_after(&self, silence: Duration) -> io::Result<()> {
        match &self.0 {
            WriteCarrier::Tcp(half) => tcp::give_up_after(half.stream(), silence),
            #[cfg(feature = "tls")]
            WriteCarrier::Tls(half) => tcp::give_up_after(half.stream(), silence),
            #[cfg(unix)]
            WriteCarrier::Unix(_) => Ok(()),
            WriteCarrier::Memory(_) => Ok(()),
        }
    }
}

/// The reading direction of a [`Stream`].
#[derive(Debug)]
pub struct ReadHalf(ReadCarrier);

#[derive(Debug)]
enum ReadCarrier {
    Tcp(tokio_tcp::OwnedReadHalf),
    #[cfg(feature = "tls")]
    Tls(TlsReadHalf),
    #[cfg(unix)]
    Unix(tokio_unix::OwnedReadHalf),
    Memory(DuplexStream),
}

/// The writing direction of a [`Stream`]. Dropping it ends that direction, as `shutdown` does.
#[derive(Debug)]
pub struct WriteHalf(WriteCarrier);

#[derive(Debug)]
enum WriteCarrier {
    Tcp(Shared<tokio_tcp::OwnedWriteHalf>),
    #[cfg(feature = "tls")]
    Tls(TlsWriteHalf),
    #[cfg(unix)]
    Unix(Shared<tokio_unix::OwnedWriteHalf>),
    Memory(DuplexStream),
}

/// Writes to a connection without waiting; beside the [`WriteHalf`], whose owner sees to it that only one of them writes at a time. It
/// does not keep the connection open.
#[derive(Clone, Debug)]
pub(crate) struct DirectWrite(DirectCarrier);

#[derive(Clone, Debug)]
enum DirectCarrier {
    Tcp(Weak<tokio_tcp::OwnedWriteHalf>),
    #[cfg(feature = "tls")]
    Tls(WeakSealing),
    #[cfg(unix)]
    Unix(Weak<tokio_unix::OwnedWriteHalf>),
}

impl DirectWrite {
    /// Writes what the system takes at once, perhaps nothing. Where the second value is false, bytes that count as written wait in the
    /// [`WriteHalf`], whose owner has to flush it.
    pub(crate) fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
        let written = match &self.0 {
            DirectCarrier::Tcp(half) => half.try_write(bytes),
            #[cfg(feature = "tls")]
            DirectCarrier::Tls(half) => {
                return half.upgrade().ok_or(io::ErrorKind::BrokenPipe)?.try_write(bytes);
            }
            #[cfg(unix)]
            DirectCarrier::Unix(half) => half.try_write(bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((0, true)),
            other => other.map(|written| (written, true)),
        }
    }
}

/// Passes a call on to whichever carrier there is.
macro_rules! pass {
    ($carrier:ident: $this:expr, $inner:ident => $call:expr) => {
        match $this {
            $carrier::Tcp($inner) => $call,
            #[cfg(feature = "tls")]
            $carrier::Tls($inner) => $call,
            #[cfg(unix)]
            $carrier::Unix($inner) => $call,
            $carrier::Memory($inner) => $call,
        }
    };
}

macro_rules! reads {
    ($stream:ident by $carrier:ident) => {
        impl AsyncRead for $stream {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                pass!($carrier: &mut self.0, inner => Pin::new(inner).poll_read(cx, buf))
            }
        }
    };
}

macro_rules! writes {
    ($stream:ident by $carrier:ident) => {
        impl AsyncWrite for $stream {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                pass!($carrier: &mut self.0, inner => Pin::new(inner).poll_write(cx, buf))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                pass!($carrier: &mut self.0, inner => Pin::new(inner).poll_write_vectored(cx, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                pass!($carrier: &self.0, inner => inner.is_write_vectored())
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass!($carrier: &mut self.0, inner => Pin::new(inner).poll_flush(cx))
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass!($carrier: &mut self.0, inner => Pin::new(inner).poll_shutdown(cx))
            }
        }
    };
}

reads!(Stream by Carrier);
writes!(Stream by Carrier);
reads!(ReadHalf by ReadCarrier);
writes!(WriteHalf by WriteCarrier);
