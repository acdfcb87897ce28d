//! Connections inside one process: for tests, and for a worker that lives beside its server. Names are the process's
//! own; it must never be reachable from another.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// The bytes that may be under way in one direction: about what a TCP socket holds, so that backpressure shows in
/// memory as it does on a network.
const BUFFER_BYTES: usize = 256 * 1024;

/// Connections that may wait to be accepted; further ones wait in `connect`. As many as a TCP listener of tokio's.
const BACKLOG: usize = 1024;

type Listening = BTreeMap<String, mpsc::Sender<MemoryStream>>;

static LISTENING: Mutex<Listening> = Mutex::new(BTreeMap::new());

/// The table is whole after every statement, so that another thread's panic has not spoilt it.
fn listening() -> MutexGuard<'static, Listening> {
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds a name until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryListener {
    name: String,
    incoming: mpsc::Receiver<MemoryStream>,
}

impl MemoryListener {
    pub(crate) fn bind(name: &str) -> io::Result<Self> {
        let mut listening = listening();
        let Entry::Vacant(place) = listening.entry(name.to_owned()) else {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "the name is taken in this process"));
        };
        let (sender, incoming) = mpsc::channel(BACKLOG);
        place.insert(sender);
        Ok(Self { name: name.to_owned(), incoming })
    }

    /// The next connection. Cancel safe: a connection is taken from the queue or left in it.
    pub(crate) async fn accept(&mut self) -> io::Result<MemoryStream> {
        // The registry holds a sender as long as this listener lives.
        self.incoming.recv().await.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        listening().remove(&self.name);
    }
}

/// Connects to the listener of that name. Returns before it accepts, as TCP does, unless its backlog is full.
pub(crate) async fn connect(name: &str) -> io::Result<MemoryStream> {
    let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens by this name");
    let listener = listening().get(name).cloned().ok_or_else(refused)?;
    let (near, far) = pair();
    listener.send(far).await.map_err(|_| refused())?;
    Ok(near)
}

/// Two ends of one connection.
fn pair() -> (MemoryStream, MemoryStream) {
    let (near_write, far_read) = tokio::io::duplex(BUFFER_BYTES);
    let (far_write, near_read) = tokio::io::duplex(BUFFER_BYTES);
    (MemoryStream { read: near_read, write: near_write }, MemoryStream { read: far_read, write: far_write })
}

/// One end of a connection: two pipes, each used in one direction. Thus the halves share no lock, and dropping one ends
/// its direction, as with a socket (`tokio::io::split` would end it only when both are dropped).
#[derive(Debug)]
pub(crate) struct MemoryStream {
    read: DuplexStream,
    write: DuplexStream,
}

impl MemoryStream {
    pub(crate) fn into_split(self) -> (DuplexStream, DuplexStream) {
        (self.read, self.write)
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.write.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}
