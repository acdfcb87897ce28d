//! A socket's writing half that others can write to as well, as long as its owner has it. It never waits for anybody: whose turn it is to
//! write is decided elsewhere.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

/// What a socket's writing half can do without being borrowed mutably.
pub(super) trait Socket {
    type Stream;

    fn stream(&self) -> &Self::Stream;
    fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn shutdown(&self) -> io::Result<()>;
}

/// The half, with its owner.
#[derive(Debug)]
pub(super) struct Shared<S>(Arc<S>);

/// The half, with somebody else.
#[derive(Debug)]
pub(super) struct Weak<S>(sync::Weak<S>);

impl<S> Clone for Weak<S> {
    fn clone(&self) -> Self {
        Self(sync::Weak::clone(&self.0))
    }
}

impl<S: Socket> Shared<S> {
    pub(super) fn new(half: S) -> Self {
        Self(Arc::new(half))
    }

    pub(super) fn downgrade(&self) -> Weak<S> {
        Weak(Arc::downgrade(&self.0))
    }

    pub(super) fn stream(&self) -> &S::Stream {
        self.0.stream()
    }
}

impl<S: Socket> Weak<S> {
    pub(super) fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let half = self.0.upgrade().ok_or(io::ErrorKind::BrokenPipe)?;
        half.try_write(bufs)
    }
}

impl<S: Socket> AsyncWrite for Shared<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.try_write(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.poll_write_ready(cx))?;
                }
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown())
    }
}

macro_rules! socket {
    ($half:ty, $stream:ty) => {
        impl Socket for $half {
            type Stream = $stream;

            fn stream(&self) -> &$stream {
                self.as_ref()
            }

            // A scattered write of one piece costs the system a tenth more than a plain one.
            fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                match bufs {
                    [piece] => <$half>::try_write(self, piece),
                    pieces => <$half>::try_write_vectored(self, pieces),
                }
            }

            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.stream().poll_write_ready(cx)
            }

            fn shutdown(&self) -> io::Result<()> {
                SockRef::from(self.stream()).shutdown(Shutdown::Write)
            }
        }
    };
}

socket!(tcp::OwnedWriteHalf, TcpStream);
#[cfg(unix)]
socket!(unix::OwnedWriteHalf, UnixStream);
