//! The reading half of an encrypted connection: a few records are read at once, and all of them decrypted under one lock.

use std::io::{self, BufRead};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use parking_lot::Mutex;
use rustls::Connection;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::transport::tls::{Now, broken};

/// Read of the socket at once, at least and at most: each time costs the system an acknowledgement, and it is still in a near cache when it is decrypted.
const READ: (usize, usize) = (4 * 1024, 128 * 1024);

/// Decrypts what comes.
#[derive(Debug)]
pub(crate) struct Opening {
    tls: Arc<Mutex<Connection>>,
    /// What was read of the socket, and how much of it TLS has taken.
    input: Vec<u8>,
    taken: usize,
    /// How much may come at once.
    size: usize,
    /// Decrypted, and not taken by the caller.
    ready: usize,
    /// Nothing more comes, as the peer has said, or the socket.
    is_over: bool,
}

impl Opening {
    /// `ready` bytes were decrypted already; `input` is what came behind them.
    pub(super) const fn new(tls: Arc<Mutex<Connection>>, ready: usize, input: Vec<u8>) -> Self {
        Self { tls, input, taken: 0, size: READ.0, ready, is_over: false }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        tcp: &TcpStream,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.open(tcp, buf)? || self.is_over || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(tcp.poll_read_ready(cx))?;
            match self.fill(tcp, buf.remaining()) {
                Ok(0) => self.is_over = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Decrypts all that is here, as far as `buf` has room; whether anything came of it.
    fn open(&mut self, tcp: &TcpStream, buf: &mut ReadBuf<'_>) -> io::Result<bool> {
        let before = buf.filled().len();
        let mut tls = self.tls.lock();
        while buf.remaining() > 0 {
            if self.ready > 0 {
                let mut reader = tls.reader();
                let chunk = reader.fill_buf()?;
                let read = chunk.len().min(buf.remaining());
                buf.put_slice(chunk.get(..read).unwrap_or_default());
                reader.consume(read);
                self.ready -= read;
                continue;
            }
            let mut rest = self.input.get(self.taken..).unwrap_or_default();
            if rest.is_empty() || self.is_over {
                self.input.clear();
                self.taken = 0;
                break;
            }
            let had = rest.len();
            tls.read_tls(&mut rest)?;
            self.taken += had - rest.len();
            match tls.process_new_packets() {
                Ok(state) => {
                    self.ready = state.plaintext_bytes_to_read();
                    self.is_over = state.peer_has_closed();
                }
                Err(error) => {
                    // The peer is told, if the system takes it at once.
                    let _ = tls.write_tls(&mut Now(tcp));
                    return Err(broken(error));
                }
            }
        }
        Ok(buf.filled().len() > before)
    }

    /// Reads as much of the socket as the caller would, or as what came before lets expect: the end of what it waits for makes no trickle of a
    /// flood.
    fn fill(&mut self, tcp: &TcpStream, wanted: usize) -> io::Result<usize> {
        let size = wanted.max(self.size).clamp(READ.0, READ.1);
        if self.input.capacity() > 2 * size {
            self.input = Vec::new();
        }
        // Nothing of the last read is left here.
        self.input.reserve(size);
        let read = tcp.try_read_buf(&mut (&mut self.input).limit(size))?;
        self.size = if read == size { 2 * size } else { size - size / 8 };
        Ok(read)
    }
}

/// The half.
#[derive(Debug)]
pub(crate) struct TlsReadHalf {
    tcp: OwnedReadHalf,
    opening: Opening,
}

impl TlsReadHalf {
    pub(super) const fn new(tcp: OwnedReadHalf, opening: Opening) -> Self {
        Self { tcp, opening }
    }
}

impl AsyncRead for TlsReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, opening } = self.get_mut();
        opening.poll_read(cx, tcp.as_ref(), buf)
    }
}
