//! How a server and its workers meet with remoc, and what a worker is given.

use anyhow::{Context, Result};
use remoc::codec::Postcard;
use remoc::rch::{base, mpsc};
use remoc::{Cfg, Connect, RemoteSend};
use serde::{Deserialize, Serialize};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::payload::Payload;

/// What a value may take; a sender's default is 16 MiB.
const MAX_ITEM: usize = 2 << 30;

pub(super) type Jobs<P, const N: usize> = mpsc::Receiver<P, Postcard, N, MAX_ITEM>;
pub(super) type Results<P, const N: usize> = mpsc::Sender<P, Postcard, N>;

/// A worker's ends of the two channels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Offer<P: Payload, const N: usize> {
    pub(super) jobs: Jobs<P, N>,
    pub(super) results: Results<P, N>,
}

/// The server's ends of the channels.
pub(super) struct Ours<P: Payload, const N: usize> {
    /// One for each worker. The library's own `Distributor` was tried: it polls every worker for each value.
    pub(super) jobs: Vec<mpsc::Sender<P, Postcard, N>>,
    /// From all of them.
    pub(super) results: Jobs<P, N>,
}

/// The server's ends, and an offer for each worker.
pub(super) fn offer<P: Payload, const N: usize>(workers: usize) -> (Ours<P, N>, Vec<Offer<P, N>>) {
    let (their_results, results) = channel();
    let (jobs, offers) = (0..workers)
        .map(|_| {
            let (jobs, theirs) = channel();
            (jobs, Offer { jobs: theirs, results: their_results.clone() })
        })
        .unzip();
    (Ours { jobs, results }, offers)
}

fn channel<P: Payload, const N: usize>() -> (Results<P, N>, Jobs<P, N>) {
    let (sender, receiver) = mpsc::with_local_buffer::<P, Postcard>(N);
    let mut sender = sender.set_buffer::<N>();
    sender.set_max_item_size(MAX_ITEM);
    (sender, receiver.set_buffer::<N>().set_max_item_size::<MAX_ITEM>())
}

/// Where workers connect.
pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) async fn bind() -> Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0").await?))
    }

    pub(super) fn address(&self) -> Result<String> {
        Ok(self.0.local_addr()?.to_string())
    }

    /// Gives each worker that connects its offer. The connections live as long as what is returned.
    pub(super) async fn hand_out<T: RemoteSend>(
        &self,
        offers: impl IntoIterator<Item = T>,
    ) -> Result<Vec<base::Sender<T, Postcard>>> {
        let mut connections = Vec::new();
        for offer in offers {
            let (reading, writing) = split(self.0.accept().await?.0)?;
            let (connection, mut sender, _) =
                Connect::io::<_, _, T, (), Postcard>(cfg(), reading, writing).await?;
            tokio::spawn(connection);
            sender.send(offer).await.map_err(|error| anyhow::anyhow!("{error}"))?;
            connections.push(sender);
        }
        Ok(connections)
    }
}

/// Connects a worker, and takes its offer.
pub(super) async fn connect<T: RemoteSend>(address: &str) -> Result<T> {
    let (reading, writing) = split(TcpStream::connect(address).await?)?;
    let (connection, _, mut receiver) = Connect::io::<_, _, (), T, Postcard>(cfg(), reading, writing).await?;
    tokio::spawn(connection);
    receiver.recv().await?.context("there is no offer")
}

/// Its documentation says to raise the receive buffers first where throughput is low. That gives a tenth with large values, and little with
/// small ones; longer queues of the transport, larger buffers of the socket's, `mpsc_parallel` and its default codec gave nothing more.
fn cfg() -> Cfg {
    Cfg { port_receive_buffer: 2 << 20, port_receive_throttle: 2 << 20, ..Cfg::default() }
}

fn split(stream: TcpStream) -> Result<(OwnedReadHalf, OwnedWriteHalf)> {
    stream.set_nodelay(true)?;
    Ok(stream.into_split())
}
