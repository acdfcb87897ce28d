//! A channel's incoming body, as far as it is here: pieces are put behind one another. It knows nothing of what they say.

use bytes::{Bytes, BytesMut};

use crate::frame::header;

/// How many times what has arrived of a body room is made for at most; no more of it is touched than is filled.
const MOST_AHEAD: usize = 16;

/// Bodies up to this size are put together in memory that is used again when its last reader has let go of it: fresh memory costs as much
/// as the copy.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;

/// So many pieces of memory are kept for that.
const SPENT: usize = 3;

/// A body that comes in pieces.
#[derive(Debug)]
pub(crate) struct Assembly {
    limit: usize,
    body: BytesMut,
    /// How long the last body was that came in pieces: the next one often is.
    last: usize,
    /// Memory of earlier bodies, perhaps still in use.
    spent: Vec<BytesMut>,
}

impl Assembly {
    /// For bodies of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, body: BytesMut::new(), last: 0, spent: Vec::new() }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Appends a piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let arrived = self.body.len() + piece.len();
        self.grow(arrived, arrived);
        self.body.extend_from_slice(piece);
    }

    /// Lends the memory behind what is there, for a piece of `size` bytes that begins with `begun`, and another frame's header. If it does not
    /// come back nothing is lost but what is in it.
    pub(crate) fn lend(&mut self, begun: &[u8], size: usize) -> BytesMut {
        let before = self.body.len();
        self.grow(before + begun.len(), before + size + header::LENGTH);
        let mut piece = self.body.split_off(before);
        piece.extend_from_slice(begun);
        piece
    }

    /// Appends a piece that was put into memory that was lent for it: without a copy, as it stands there already.
    pub(crate) fn take_back(&mut self, piece: BytesMut) {
        self.body.unsplit(piece);
    }

    /// Makes room for `needed` bytes at least, of which `arrived` are there.
    fn grow(&mut self, arrived: usize, needed: usize) {
        if needed > self.body.capacity() {
            // To grow by doubling would be another copy of nearly all.
            let wanted = self.last.max(4 * arrived).min(MOST_AHEAD * arrived).min(self.limit).max(needed);
            if self.body.len() > LARGEST_KEPT {
                // Of what is so large the system moves pages, and no bytes.
                self.body.reserve(wanted - self.body.len());
                return;
            }
            let mut larger = self.room(wanted);
            larger.extend_from_slice(&self.body);
            self.body = larger;
        }
    }

    /// The body is whole.
    pub(crate) fn take(&mut self) -> Bytes {
        self.last = self.body.len();
        let mut memory = std::mem::take(&mut self.body);
        let body = memory.split().freeze();
        if self.last <= LARGEST_KEPT {
            self.spent.truncate(SPENT - 1);
            self.spent.insert(0, memory);
        } else {
            self.spent.clear();
        }
        body
    }

    /// Empty memory of at least this size; of what is there already, rather for a whole body.
    fn room(&mut self, size: usize) -> BytesMut {
        let whole = size.max(self.last + header::LENGTH);
        let free = self.spent.iter_mut().position(|spent| spent.try_reclaim(whole));
        free.map_or_else(|| BytesMut::with_capacity(size), |index| self.spent.remove(index))
    }
}
