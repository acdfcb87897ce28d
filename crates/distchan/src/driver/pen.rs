//! Whose turn it is to write to a connection: its writer's, or somebody's who has something short to say while the writer sleeps, and writes
//! that itself. To wake the writer for a lone message would cost more than the message. It holds no lock and waits for nothing.

use std::io::{self, IoSlice};

use distchan_proto::transmit::Transmit;

use crate::transport::DirectWrite;

/// Bytes that are being written, and how far that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwritten {
    transmit: Transmit,
    written: usize,
    /// Some of what counts as written waits in the transport.
    is_stuck: bool,
}

impl Unwritten {
    pub(crate) const fn new(transmit: Transmit) -> Self {
        Self { transmit, written: 0, is_stuck: false }
    }

    /// What is left.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices: Vec<IoSlice<'_>> = self.transmit.chunks().map(IoSlice::new).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, self.written);
        let left = rest.len();
        slices.split_off(slices.len() - left)
    }

    /// What is left, where it lies in one piece.
    fn only_chunk(&self) -> Option<&[u8]> {
        self.transmit.only_chunk()?.get(self.written..)
    }

    /// So much more has been written.
    pub(crate) const fn advance(&mut self, written: usize) {
        self.written += written;
    }

    /// Whether the transport has taken all of it.
    pub(crate) const fn is_taken(&self) -> bool {
        self.written >= self.transmit.len()
    }

    /// Whether there is nothing left to do with it: neither to write, nor to flush.
    pub(crate) const fn is_done(&self) -> bool {
        self.is_taken() && !self.is_stuck
    }
}

/// Who writes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody: the writer sleeps, and nothing is half written.
    Nobody,
    /// The writer, which is awake or was woken.
    Writer,
    /// Somebody else, for a moment.
    Other,
}

/// A connection's pen: who has it writes.
#[derive(Debug)]
pub(crate) struct Pen {
    holder: Holder,
    /// What somebody else has begun, for the writer.
    unwritten: Option<Unwritten>,
    socket: Option<DirectWrite>,
    /// The writer was woken in vain.
    is_wanted: bool,
}

/// What the writer may do.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Write this.
    GoOn(Unwritten),
    /// Ask what is next.
    Begin,
    /// Sleep: somebody else writes, and wakes it.
    Wait,
}

impl Pen {
    /// The writer's; `socket` is for others, where the connection has such a thing.
    pub(crate) const fn new(socket: Option<DirectWrite>) -> Self {
        Self { holder: Holder::Writer, unwritten: None, socket, is_wanted: false }
    }

    /// The writer is awake.
    pub(crate) fn take_for_writer(&mut self) -> Turn {
        if self.holder == Holder::Other {
            self.is_wanted = true;
            return Turn::Wait;
        }
        self.holder = Holder::Writer;
        self.unwritten.take().map_or(Turn::Begin, Turn::GoOn)
    }

    /// Takes the pen from a writer that sleeps.
    pub(crate) fn take(&mut self) -> Option<DirectWrite> {
        let socket = self.socket.clone().filter(|_| self.holder == Holder::Nobody)?;
        self.holder = Holder::Other;
        Some(socket)
    }

    /// There is nothing to write: the next one can take it. Whether the writer is to be woken all the same.
    pub(crate) const fn put_down(&mut self) -> bool {
        self.holder = Holder::Nobody;
        std::mem::replace(&mut self.is_wanted, false)
    }

    /// The writer, which is to be woken, goes on with this.
    pub(crate) fn pass_on(&mut self, unwritten: Unwritten) {
        self.holder = Holder::Writer;
        self.is_wanted = false;
        self.unwritten = Some(unwritten);
    }
}

impl DirectWrite {
    /// Writes as much as can be written now. An error is the writer's to meet.
    pub(crate) fn write(&self, unwritten: &mut Unwritten) -> io::Result<()> {
        let (written, is_flushed) = match unwritten.only_chunk() {
            Some(chunk) => self.try_write(&[IoSlice::new(chunk)])?,
            None => self.try_write(&unwritten.slices())?,
        };
        unwritten.advance(written);
        unwritten.is_stuck = !is_flushed;
        Ok(())
    }
}
