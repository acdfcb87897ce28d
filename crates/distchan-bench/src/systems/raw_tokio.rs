//! A ping-pong on a tokio socket, as a user would write it: the default runtime and `block_on`, no Nagle, a length before each
//! value, a buffered reader. It must not be more clever than that: it is what latency costs with async, and without a channel.

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::System;
use super::loops::time_round_trips;
use crate::payload::{Item, MAX_ENCODED, Payload, Tally};
use crate::process::{Crew, Shift};
use crate::report::Measured;
use crate::scenarios::{Order, PATIENCE, Transport, Work};

#[derive(Debug)]
pub(crate) struct RawTokio;

impl System for RawTokio {
    fn why_not(&self, order: &Order) -> Option<String> {
        match (order.scenario.work(), order.transport) {
            (Work::OneInFlight, Transport::Tcp) => None,
            (Work::OneInFlight, Transport::Unix) => Some("is here for TCP only".to_owned()),
            _ => Some("is here for latency only".to_owned()),
        }
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        Runtime::new()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let crew = Crew::start(order, &listener.local_addr()?.to_string())?;
            let mut peer = Peer::new(listener.accept().await?.0)?;
            let clock = crew.start_clock()?;
            let timed = time_round_trips(order, async |job| {
                peer.send(&job).await?;
                peer.recv().await?.context("the worker ended before its time")
            });
            let stopped = clock.stop_timed(timed.await?);
            peer.writing.shutdown().await?;
            stopped.wait()
        })
    }

    fn work(&self, _order: &Order, address: &str) -> Result<()> {
        Runtime::new()?.block_on(async {
            let mut peer = Peer::new(TcpStream::connect(address).await?)?;
            let shift = Shift::start()?;
            let mut tally = Tally::default();
            let waited_too_long = || anyhow!("no job for {} s", PATIENCE.as_secs());
            while let Some(job) = timeout(PATIENCE, peer.recv()).await.map_err(|_| waited_too_long())?? {
                tally.add_job(&job);
                peer.send(&job.worked()).await?;
            }
            shift.end(tally)
        })
    }
}

struct Peer {
    reading: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    buffer: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (reading, writing) = stream.into_split();
        Ok(Self { reading: BufReader::new(reading), writing, buffer: Vec::new() })
    }

    async fn send(&mut self, value: &Item) -> Result<()> {
        let mut encoded = [0; 4 + MAX_ENCODED];
        let (prefix, body) = encoded.split_at_mut(4);
        let len = postcard::to_slice(value, body)?.len();
        prefix.copy_from_slice(&u32::try_from(len)?.to_le_bytes());
        Ok(self.writing.write_all(&encoded[..4 + len]).await?)
    }

    /// The next value; none at the end of the stream.
    async fn recv(&mut self) -> Result<Option<Item>> {
        let len = match self.reading.read_u32_le().await {
            Ok(len) => usize::try_from(len)?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.buffer.resize(len, 0);
        self.reading.read_exact(&mut self.buffer).await?;
        Ok(Some(postcard::from_bytes(&self.buffer)?))
    }
}
