//! The writing half of an encrypted connection: what is written at once becomes as few records as it fits in, however it lies in memory.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{self, Arc};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::Connection;
use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use crate::transport::tls::Now;

/// The half. Dropping it ends the direction, as with a bare socket.
#[derive(Debug)]
pub(crate) struct Sealing {
    tcp: OwnedWriteHalf,
    tls: Arc<Mutex<Connection>>,
}

/// The half, with somebody who does not keep it open.
pub(crate) type WeakSealing = sync::Weak<Sealing>;

impl Sealing {
    pub(super) const fn new(tcp: OwnedWriteHalf, tls: Arc<Mutex<Connection>>) -> Self {
        Self { tcp, tls }
    }

    fn stream(&self) -> &TcpStream {
        self.tcp.as_ref()
    }

    /// Writes without waiting. What was encrypted and not taken by the system is the owner's to [flush](AsyncWrite::poll_flush): then the
    /// second value is false.
    pub(in crate::transport) fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
        let mut tls = self.tls.lock();
        if !push(self.stream(), &mut tls)? {
            return Ok((0, false));
        }
        let written = tls.writer().write_vectored(bufs)?;
        Ok((written, push(self.stream(), &mut tls)?))
    }
}

/// Gives the system what waits; whether it has taken all of it.
fn push(tcp: &TcpStream, tls: &mut Connection) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut Now(tcp)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Waits until the system has taken what waits.
pub(super) fn poll_push(
    tcp: &TcpStream,
    tls: &Mutex<Connection>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !push(tcp, &mut tls.lock())? {
        ready!(tcp.poll_write_ready(cx))?;
    }
    Poll::Ready(Ok(()))
}

/// Encrypts, where nothing waits, and gives the system what it takes.
pub(super) fn seal(tcp: &TcpStream, tls: &Mutex<Connection>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut tls = tls.lock();
    let written = tls.writer().write_vectored(bufs)?;
    // What it does not take, the next call waits for.
    push(tcp, &mut tls)?;
    Ok(written)
}

/// Says that nothing more comes.
pub(super) fn close(tls: &Mutex<Connection>) {
    tls.lock().send_close_notify();
}

/// The owner's hold of the half.
#[derive(Debug)]
pub(crate) struct TlsWriteHalf(Arc<Sealing>);

impl TlsWriteHalf {
    pub(super) fn new(sealing: Sealing) -> Self {
        Self(Arc::new(sealing))
    }

    pub(in crate::transport) fn stream(&self) -> &TcpStream {
        self.0.stream()
    }

    pub(in crate::transport) fn downgrade(&self) -> WeakSealing {
        Arc::downgrade(&self.0)
    }
}

impl AsyncWrite for TlsWriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Sealing { tls, .. } = &*self.0;
        ready!(poll_push(self.0.stream(), tls, cx))?;
        Poll::Ready(seal(self.0.stream(), tls, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_push(self.0.stream(), &self.0.tls, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(&self.0.tls);
        ready!(poll_push(self.0.stream(), &self.0.tls, cx))?;
        Poll::Ready(SockRef::from(self.0.stream()).shutdown(Shutdown::Write))
    }
}
