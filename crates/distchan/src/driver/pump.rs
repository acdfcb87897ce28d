//! Moves bytes between a socket and a machine: one loop that reads, one that writes what has gathered. The writer is double-buffered
//! by nature: while it writes, the machine's next bytes gather in batches, so a lone message leaves at once and a flood in large writes.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::driver::clock::LINGER;
use crate::transport::{ReadHalf, WriteHalf};

/// What is read at once, at most; received values share this memory until they are decoded.
const READ_BUFFER: usize = 256 * 1024;

/// Below so much free room a new buffer is begun.
const SMALLEST_READ: usize = 16 * 1024;

/// Reads until the peer closes, or something breaks; returns why in words.
pub(crate) async fn read(mut socket: ReadHalf, mut take: impl FnMut(&mut BytesMut)) -> String {
    let mut input = BytesMut::new();
    loop {
        if input.capacity() - input.len() < SMALLEST_READ {
            input.reserve(READ_BUFFER);
        }
        match socket.read_buf(&mut input).await {
            Ok(0) => return "the connection was closed".to_owned(),
            Ok(_) => take(&mut input),
            Err(error) => return format!("the connection broke: {error}"),
        }
    }
}

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Something was put into the buffer.
    Write,
    /// Nothing now.
    Sleep,
    /// Nothing ever again.
    Close,
}

/// Wakes a connection's writer.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// There may be something to write.
    pub(crate) output: Notify,
    /// The connection is to end: the peer has [`LINGER`] to take what is being written.
    pub(crate) closing: Notify,
}

/// Writes what `fill` puts into the buffer, until it says that this was all.
pub(crate) async fn write(
    mut socket: WriteHalf,
    wake: &Wake,
    mut fill: impl FnMut(&mut Vec<u8>) -> Next,
) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        match fill(&mut out) {
            Next::Write => {
                tokio::select! {
                    biased;
                    wrote = socket.write_all(&out) => wrote?,
                    () = out_of_patience(wake) => return Err(io::ErrorKind::TimedOut.into()),
                }
                out.clear();
            }
            Next::Sleep => wake.output.notified().await,
            Next::Close => return socket.shutdown().await,
        }
    }
}

async fn out_of_patience(wake: &Wake) {
    wake.closing.notified().await;
    tokio::time::sleep(LINGER).await;
    // Whoever asks again is out of patience at once.
    wake.closing.notify_one();
}
