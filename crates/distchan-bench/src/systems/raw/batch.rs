//! Values gathered into large writes, and decoded from large reads: a length of four bytes, then the value. It must allocate nothing
//! once it runs, beside what a value owns.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::link::Link;

/// The bytes gathered before a write, and the most taken by a read, unless one value takes more.
const BATCH: usize = 256 * 1024;

/// The bytes of the length before each value.
const PREFIX: usize = size_of::<u32>();

/// Gathers values and writes them in batches.
pub(super) struct Outgoing {
    link: Link,
    /// Held while a batch is written.
    turn: Arc<Mutex<()>>,
    batch: Box<[u8]>,
    len: usize,
    max_encoded: usize,
}

impl Outgoing {
    pub(super) fn new(link: Link, max_encoded: usize) -> Self {
        Self { link, turn: Arc::default(), batch: buffer(max_encoded), len: 0, max_encoded }
    }

    /// The same connection for another thread, with a batch of its own.
    pub(super) fn share(&self) -> Result<Self> {
        let (link, turn) = (self.link.share()?, Arc::clone(&self.turn));
        Ok(Self { link, turn, batch: buffer(self.max_encoded), len: 0, max_encoded: self.max_encoded })
    }

    /// Whether the next value would not fit any more.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() - self.len < PREFIX + self.max_encoded
    }

    pub(super) fn encode(&mut self, value: &impl Serialize) -> Result<()> {
        if self.is_full() {
            self.flush()?;
        }
        let (prefix, body) = self.batch[self.len..].split_at_mut(PREFIX);
        let len = postcard::to_slice(value, body)?.len();
        prefix.copy_from_slice(&u32::try_from(len)?.to_le_bytes());
        self.len += PREFIX + len;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let _turn = self.turn.lock().map_err(|_| anyhow!("another sender panicked"))?;
        self.link.write_all(&self.batch[..self.len]).context("write to the other side")?;
        self.len = 0;
        Ok(())
    }

    /// Writes what is left and tells the other side that nothing follows.
    pub(super) fn end(&mut self) -> Result<()> {
        self.flush()?;
        Ok(self.link.shutdown_write()?)
    }
}

/// Reads batches and decodes values from them.
pub(super) struct Incoming {
    link: Link,
    batch: Box<[u8]>,
    /// What was read and not yet decoded.
    unread: Range<usize>,
    max_encoded: usize,
}

impl Incoming {
    pub(super) fn new(link: Link, max_encoded: usize) -> Self {
        Self { link, batch: buffer(max_encoded), unread: 0..0, max_encoded }
    }

    /// Reads once, behind what is left of the batch before; false at the end of the stream.
    pub(super) fn fill(&mut self) -> Result<bool> {
        self.batch.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let read = self.link.read(&mut self.batch[self.unread.end..]).context("read from the other side")?;
        ensure!(read > 0 || self.unread.is_empty(), "the stream ended inside a value");
        self.unread.end += read;
        Ok(read > 0)
    }

    /// Decodes the next value of the batch; none if what is left is not a whole one.
    pub(super) fn decode<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let unread = &self.batch[self.unread.clone()];
        let Some((prefix, rest)) = unread.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_le_bytes(*prefix))?;
        ensure!(len <= self.max_encoded, "a value of {len} bytes was announced");
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        self.unread.start += PREFIX + len;
        Ok(Some(postcard::from_bytes(body)?))
    }

    pub(super) fn wait_for_one<T: DeserializeOwned>(&mut self) -> Result<T> {
        loop {
            if let Some(value) = self.decode()? {
                return Ok(value);
            }
            ensure!(self.fill()?, "the worker ended before its time");
        }
    }
}

fn buffer(max_encoded: usize) -> Box<[u8]> {
    vec![0; BATCH.max(PREFIX + max_encoded)].into_boxed_slice()
}
