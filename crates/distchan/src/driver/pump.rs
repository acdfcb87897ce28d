//! Moves bytes between a socket and a machine: one loop that reads, one that writes what has gathered. The writer is double-buffered
//! by nature: while it writes, the machine's next bytes gather in batches, so a lone message leaves at once and a flood in large writes.

use std::io;

use bytes::BytesMut;
use distchan_proto::Landing;
use distchan_proto::server::Loss;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::driver::buffers::{Growth, ReadBuffers};
use crate::driver::clock::LINGER;
use crate::driver::gaps::Gaps;
use crate::driver::pen::Unwritten;
use crate::transport::{ReadHalf, WriteHalf};

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) loss: Loss,
    pub(crate) reason: String,
}

impl Ended {
    /// The peer has closed its end.
    pub(crate) fn closed() -> Self {
        Self { loss: Loss::Closed, reason: "the connection was closed".to_owned() }
    }

    /// This side's task could not go on.
    pub(crate) fn fault(reason: &str) -> Self {
        Self { loss: Loss::Fault, reason: reason.to_owned() }
    }

    /// The system says so.
    pub(crate) fn by(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let is_closed = matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof);
        let loss = if is_closed { Loss::Closed } else { Loss::Broken };
        Self { loss, reason: format!("the connection broke: {error}") }
    }
}

/// What has arrived.
#[derive(Debug)]
pub(crate) enum Arrived<'a> {
    /// Bytes like any others.
    Bytes(&'a mut BytesMut),
    /// The rest of a large value's frame, and the first bytes behind it are to be put to an empty input.
    Landed(Landing, &'a mut BytesMut),
}

/// What follows from that.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Whether the peer's handshake was done before.
    pub(crate) is_known: bool,
    /// Where the next bytes go.
    pub(crate) landing: Option<Landing>,
}

/// Reads until the peer closes, or something breaks. `take` says whether the peer is known; a stranger gets little memory.
pub(crate) async fn read(mut socket: ReadHalf, mut take: impl FnMut(Arrived<'_>) -> Taken) -> Ended {
    let mut buffers = ReadBuffers::new();
    let mut landing: Option<Landing> = None;
    let mut gaps = Gaps::default();
    loop {
        let read = match &mut landing {
            Some(landing) => gaps.wait(socket.read_buf(&mut landing.room())).await,
            None => socket.read_buf(buffers.room()).await,
        };
        match (read, landing.take()) {
            (Ok(0), _) => return Ended::closed(),
            (Ok(read), Some(begun)) => {
                gaps.has_read(read);
                landing = if begun.is_whole() {
                    take(Arrived::Landed(begun, buffers.input())).landing
                } else {
                    Some(begun)
                };
            }
            (Ok(read), None) => {
                let taken = take(Arrived::Bytes(buffers.input()));
                let growth = match (taken.is_known, &taken.landing) {
                    (false, _) => Growth::Stranger,
                    (true, Some(_)) => Growth::Stopped,
                    (true, None) => Growth::Free,
                };
                buffers.has_read(read, growth);
                landing = taken.landing;
            }
            (Err(error), _) => return Ended::by(&error),
        }
        // A flood must not keep its thread.
        tokio::task::consume_budget().await;
    }
}

/// What the writer does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These are to be written.
    Write(Unwritten),
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

/// Writes what `next` says, until it says that this was all.
pub(crate) async fn write(
    mut socket: WriteHalf,
    wake: &Wake,
    mut next: impl FnMut(&WriteHalf) -> Next,
) -> io::Result<()> {
    loop {
        match next(&socket) {
            Next::Write(mut bytes) => {
                tokio::select! {
                    biased;
                    wrote = write_all(&mut socket, &mut bytes) => wrote?,
                    () = out_of_patience(wake) => return Err(io::ErrorKind::TimedOut.into()),
                }
            }
            Next::Sleep => wake.output.notified().await,
            Next::Close => return socket.shutdown().await,
        }
    }
}

async fn write_all(socket: &mut WriteHalf, bytes: &mut Unwritten) -> io::Result<()> {
    while !bytes.is_taken() {
        let written = socket.write_vectored(&bytes.slices()).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes.advance(written);
    }
    // Nothing to do on a bare socket.
    socket.flush().await?;
    // A flood must not keep its thread.
    tokio::task::consume_budget().await;
    Ok(())
}

async fn out_of_patience(wake: &Wake) {
    wake.closing.notified().await;
    tokio::time::sleep(LINGER).await;
    // Whoever asks again is out of patience at once.
    wake.closing.notify_one();
}
