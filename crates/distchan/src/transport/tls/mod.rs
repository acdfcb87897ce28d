//! TLS over TCP: the same bytes, in records. Who the other side is, is decided elsewhere, in the configuration that a handshake is given;
//! here nothing may know a key, a ticket or a certificate.
//!
//! Both halves share one TLS machine under a lock, which is held to encrypt, to decrypt, and while the system takes what was encrypted, and
//! never while one waits.

mod handshake;
mod read;
mod write;

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "fuzzing")]
pub(crate) use crate::transport::tls::handshake::exchange;
pub(crate) use crate::transport::tls::handshake::{HandshakeError, handshake};
use crate::transport::tls::read::Opening;
pub(super) use crate::transport::tls::read::TlsReadHalf;
use crate::transport::tls::write::Sealing;
pub(super) use crate::transport::tls::write::{TlsWriteHalf, WeakSealing};

/// Encrypted bytes that may wait for the system, before no more are encrypted: six records. More of them would not stay in the caches, and are so much
/// memory that an allocator gives it back to the system each time.
const MAX_SEALED: usize = 96 * 1024;

/// An encrypted connection, whose handshake is done.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    tls: Arc<Mutex<Connection>>,
    opening: Opening,
}

impl TlsStream {
    /// `ready` bytes were decrypted already; `input` is what has come behind them.
    fn new(tcp: TcpStream, mut tls: Connection, ready: usize, input: Vec<u8>) -> Self {
        tls.set_buffer_limit(Some(MAX_SEALED));
        let tls = Arc::new(Mutex::new(tls));
        Self { tcp, opening: Opening::new(Arc::clone(&tls), ready, input), tls }
    }

    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Looks at how the TLS session stands.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.tls.lock())
    }

    pub(super) fn into_split(self) -> (TlsReadHalf, TlsWriteHalf) {
        let (read, write) = self.tcp.into_split();
        (TlsReadHalf::new(read, self.opening), TlsWriteHalf::new(Sealing::new(write, self.tls)))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Self { tcp, opening, .. } = this;
        opening.poll_read(cx, tcp, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(write::poll_push(&self.tcp, &self.tls, cx))?;
        Poll::Ready(write::seal(&self.tcp, &self.tls, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        write::poll_push(&self.tcp, &self.tls, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        write::close(&this.tls);
        ready!(write::poll_push(&this.tcp, &this.tls, cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

/// What the system takes of a connection at once.
struct Now<'a>(&'a TcpStream);

impl Write for Now<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of TLS itself, once the handshake is done.
fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
