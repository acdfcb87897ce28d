//! Carries one connection's bytes, both ways, as the rules say. It ends with the connection, or with a cut.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::rules::{Control, Cut, Fault, Way};

/// What is read at once.
const PIECE: usize = 16 * 1024;

/// Pieces that may be on their way where bytes are delayed: beyond that nothing is read.
const ON_THE_WAY: usize = 8;

/// How often in a second something is written where bytes trickle.
const DROPS: u32 = 20;

/// Bytes, and when they may be written.
type Piece = (Instant, Vec<u8>);

/// Carries a connection that was made when there had been `born` cuts.
pub(super) async fn carry(control: Arc<Control>, mut worker: TcpStream, mut server: TcpStream, born: u64) {
    let cut = {
        let (from_worker, to_worker) = worker.split();
        let (from_server, to_server) = server.split();
        let up = Link { control: &control, way: Way::ToServer };
        let down = Link { control: &control, way: Way::ToWorker };
        tokio::select! {
            // Whoever broke: the other end is told by being closed.
            _ = async { tokio::try_join!(up.run(from_worker, to_server), down.run(from_server, to_worker)) } => Cut::Both,
            cut = next_cut(&control, born) => cut,
        }
    };
    match cut {
        Cut::Both => {}
        Cut::WorkersEnd => {
            drop(worker);
            hold_until_closed(server).await;
        }
        Cut::ServersEnd => {
            drop(server);
            hold_until_closed(worker).await;
        }
    }
}

async fn next_cut(control: &Control, born: u64) -> Cut {
    let mut rules = control.rules.subscribe();
    match rules.wait_for(|rules| rules.cuts > born).await {
        Ok(rules) => rules.cut,
        // The proxy is gone, and with it whatever it carries.
        Err(_) => Cut::Both,
    }
}

/// Half of a connection that is no more: swallows what comes and says nothing, until its peer gives up.
async fn hold_until_closed(mut half: TcpStream) {
    let mut buffer = vec![0; PIECE];
    while matches!(half.read(&mut buffer).await, Ok(1..)) {}
}

/// One direction of a connection.
#[derive(Clone, Copy)]
struct Link<'a> {
    control: &'a Control,
    way: Way,
}

impl Link<'_> {
    async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let (line, pieces) = mpsc::channel(ON_THE_WAY);
        tokio::try_join!(self.read(from, line), self.write(pieces, to))?;
        Ok(())
    }

    /// Returns at the end of what comes; the writer then passes the end on.
    async fn read(self, mut from: ReadHalf<'_>, line: mpsc::Sender<Piece>) -> io::Result<()> {
        let mut has_lost = false;
        let mut buffer = vec![0; PIECE];
        loop {
            self.wait_while_stalled().await;
            let read = from.read(&mut buffer).await?;
            let fault = self.fault();
            has_lost |= fault == Fault::Blackhole;
            match (has_lost, read) {
                (true, 0) => pending().await,
                (true, _) => continue,
                (false, 0) => return Ok(()),
                (false, _) => {}
            }
            let mut piece = buffer[..read].to_vec();
            self.control.flip(self.way, &mut piece);
            let delay = if let Fault::Delay(delay) = fault { delay } else { Duration::ZERO };
            // The writer only goes where the whole connection does.
            let _ = line.send((Instant::now() + delay, piece)).await;
        }
    }

    async fn write(self, mut pieces: mpsc::Receiver<Piece>, mut to: WriteHalf<'_>) -> io::Result<()> {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                self.wait_while_stalled().await;
                let Fault::Trickle(rate) = self.fault() else {
                    to.write_all(rest).await?;
                    break;
                };
                let (drop, later) = rest.split_at(rest.len().min((rate / DROPS as usize).max(1)));
                to.write_all(drop).await?;
                rest = later;
                sleep(Duration::from_secs(1) / DROPS).await;
            }
        }
        to.shutdown().await
    }

    fn fault(self) -> Fault {
        self.control.rules.borrow().fault(self.way)
    }

    async fn wait_while_stalled(self) {
        let mut rules = self.control.rules.subscribe();
        // The sender lives as long as `control`.
        let _ = rules.wait_for(|rules| rules.fault(self.way) != Fault::Stall).await;
    }
}
