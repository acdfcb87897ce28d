//! The ceiling: blocking std sockets, large batches, a length before each value, and nothing else: no channel between the
//! loop and the socket, no acknowledgement, no second worker. It must stay too simple to lose time anywhere.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::System;
use crate::payload::{Item, MAX_ENCODED, Tally};
use crate::process::{Shift, WorkerProcess};
use crate::report::Measured;
use crate::scenarios::{Order, PATIENCE, Scenario, Transport};

/// The bytes gathered before a write, and the most taken by a read.
const BATCH: usize = 256 * 1024;

/// The bytes of the length before each value.
const PREFIX: usize = size_of::<u32>();

#[derive(Debug)]
pub(crate) struct Raw;

impl System for Raw {
    fn serve(&self, order: &Order) -> Result<Measured> {
        let listener = Listener::bind(order.transport)?;
        let worker = WorkerProcess::start(order, &listener.address()?)?;
        let (mut incoming, mut outgoing) = listener.accept()?.split()?;
        let clock = worker.start_clock()?;
        let n = order.n;
        match order.scenario {
            Scenario::W1 => {
                outgoing.send_all(n)?;
                clock.stop_on_report()
            }
            Scenario::W2 => {
                let sender = thread::spawn(move || outgoing.send_all(n));
                let mut tally = Tally::default();
                while incoming.fill()? {
                    while let Some(item) = incoming.decode()? {
                        tally.add_result(&item);
                    }
                }
                sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
                clock.stop(tally, Vec::new())
            }
            Scenario::W4 => {
                let mut tally = Tally::default();
                let mut round_trips = Vec::new();
                for id in 0..n {
                    let start = Instant::now();
                    outgoing.encode(&Item::job(id))?;
                    outgoing.flush()?;
                    tally.add_result(&incoming.wait_for_one()?);
                    round_trips.push(start.elapsed());
                }
                outgoing.end()?;
                clock.stop(tally, round_trips)
            }
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        let (mut incoming, mut outgoing) = Link::connect(order.transport, address)?.split()?;
        let shift = Shift::start()?;
        let mut tally = Tally::default();
        while incoming.fill()? {
            while let Some(item) = incoming.decode()? {
                tally.add_job(&item);
                if order.scenario != Scenario::W1 {
                    outgoing.encode(&item.worked())?;
                }
            }
            outgoing.flush()?;
        }
        outgoing.end()?;
        shift.end(tally)
    }
}

/// Gathers values and writes them in batches.
struct Outgoing {
    link: Link,
    batch: Box<[u8]>,
    len: usize,
}

impl Outgoing {
    fn send_all(&mut self, n: u64) -> Result<()> {
        for id in 0..n {
            self.encode(&Item::job(id))?;
        }
        self.end()
    }

    fn encode(&mut self, item: &Item) -> Result<()> {
        if self.batch.len() - self.len < PREFIX + MAX_ENCODED {
            self.flush()?;
        }
        let (prefix, body) = self.batch[self.len..].split_at_mut(PREFIX);
        let len = postcard::to_slice(item, body)?.len();
        prefix.copy_from_slice(&u32::try_from(len)?.to_le_bytes());
        self.len += PREFIX + len;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.link.write_all(&self.batch[..self.len]).context("write to the other side")?;
        self.len = 0;
        Ok(())
    }

    /// Writes what is left and tells the other side that nothing follows.
    fn end(&mut self) -> Result<()> {
        self.flush()?;
        Ok(self.link.shutdown_write()?)
    }
}

/// Reads batches and decodes values from them.
struct Incoming {
    link: Link,
    batch: Box<[u8]>,
    /// What was read and not yet decoded.
    unread: std::ops::Range<usize>,
}

impl Incoming {
    /// Reads once, behind what is left of the batch before; false at the end of the stream.
    fn fill(&mut self) -> Result<bool> {
        self.batch.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let read = self.link.read(&mut self.batch[self.unread.end..]).context("read from the other side")?;
        ensure!(read > 0 || self.unread.is_empty(), "the stream ended inside a value");
        self.unread.end += read;
        Ok(read > 0)
    }

    /// Decodes the next value of the batch; none if what is left is not a whole one.
    fn decode(&mut self) -> Result<Option<Item>> {
        let unread = &self.batch[self.unread.clone()];
        let Some((prefix, rest)) = unread.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_le_bytes(*prefix))?;
        ensure!(len <= MAX_ENCODED, "a value of {len} bytes was announced");
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        self.unread.start += PREFIX + len;
        Ok(Some(postcard::from_bytes(body)?))
    }

    fn wait_for_one(&mut self) -> Result<Item> {
        loop {
            if let Some(item) = self.decode()? {
                return Ok(item);
            }
            ensure!(self.fill()?, "the worker ended before its time");
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Listener {
    fn bind(transport: Transport) -> Result<Self> {
        match transport {
            Transport::Tcp => Ok(Self::Tcp(TcpListener::bind("127.0.0.1:0")?)),
            #[cfg(unix)]
            Transport::Unix => {
                let path =
                    std::env::temp_dir().join(format!("distchan-bench-raw-{}.sock", std::process::id()));
                Ok(Self::Unix(UnixListener::bind(&path)?, path))
            }
            #[cfg(not(unix))]
            Transport::Unix => anyhow::bail!("this system has no Unix sockets"),
        }
    }

    fn address(&self) -> Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            #[cfg(unix)]
            Self::Unix(_, path) => Ok(path.display().to_string()),
        }
    }

    fn accept(&self) -> Result<Link> {
        match self {
            Self::Tcp(listener) => Ok(Link::Tcp(listener.accept()?.0)),
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok(Link::Unix(listener.accept()?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection, whatever carries it.
enum Link {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Link {
    fn connect(transport: Transport, address: &str) -> Result<Self> {
        match transport {
            Transport::Tcp => Ok(Self::Tcp(TcpStream::connect(address)?)),
            #[cfg(unix)]
            Transport::Unix => Ok(Self::Unix(UnixStream::connect(address)?)),
            #[cfg(not(unix))]
            Transport::Unix => anyhow::bail!("this system has no Unix sockets"),
        }
    }

    fn split(self) -> Result<(Incoming, Outgoing)> {
        let second = match &self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Self::Tcp(stream.try_clone()?)
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                Self::Unix(stream.try_clone()?)
            }
        };
        let batch = || vec![0; BATCH].into_boxed_slice();
        let incoming = Incoming { link: self, batch: batch(), unread: 0..0 };
        Ok((incoming, Outgoing { link: second, batch: batch(), len: 0 }))
    }

    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}
