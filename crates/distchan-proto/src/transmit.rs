//! What is written to a connection at once: small bytes copied behind one another, and large pieces that stay where they are, shared with
//! whoever keeps them. It knows frames only as stretches of bytes.

use bytes::{Bytes, BytesMut};

use crate::frame::header;

/// From this size on a piece is passed on by reference: to copy it would cost more than one more entry of a scattered write.
const SMALLEST_SHARED: usize = 4 * 1024;

/// Bytes to be written to a connection, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transmit {
    /// What is small, one behind the other.
    own: Bytes,
    /// What is large, each at its place in `own`.
    shared: Vec<(usize, Bytes)>,
    len: usize,
}

impl Transmit {
    /// How many bytes that is.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes in the pieces in which they lie in memory, none of which is empty: for a scattered write.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let between = self.shared.iter().flat_map(move |(place, piece)| {
            let before = self.own.get(std::mem::replace(&mut start, *place)..*place).unwrap_or_default();
            [before, &piece[..]]
        });
        let last = self.shared.last().map_or(0, |(place, _)| *place);
        let behind = self.own.get(last..).unwrap_or_default();
        between.chain([behind]).filter(|chunk| !chunk.is_empty())
    }

    /// The bytes, where they lie in one piece in memory.
    #[must_use]
    pub fn only_chunk(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.own[..])
    }

    /// The bytes in one piece.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.shared.is_empty() { self.own } else { self.chunks().collect::<Vec<_>>().concat().into() }
    }

    /// How many frames these are.
    pub(crate) fn frames(&self) -> u64 {
        let mut at = Position::default();
        let mut frames = 0;
        while self.skip_frame(&mut at) {
            frames += 1;
        }
        debug_assert_eq!(
            (at.own, at.shared),
            (self.own.len(), self.shared.len()),
            "only whole frames are sent"
        );
        frames
    }

    /// What stands behind the first `frames` frames.
    pub(crate) fn behind(&self, frames: u64) -> Self {
        let mut at = Position::default();
        for _ in 0..frames {
            self.skip_frame(&mut at);
        }
        let shared = self.shared.iter().skip(at.shared);
        let mut rest = Self {
            own: self.own.slice(at.own..),
            shared: shared.map(|(place, piece)| (place - at.own, piece.clone())).collect(),
            len: 0,
        };
        rest.len = rest.chunks().map(<[u8]>::len).sum();
        rest
    }

    /// What was small, if nobody else has it.
    pub(crate) fn into_own(self) -> Option<Bytes> {
        self.own.is_unique().then_some(self.own)
    }

    /// A header always stands in `own`, and a shared piece always in one body.
    fn skip_frame(&self, at: &mut Position) -> bool {
        let head = self.own.get(at.own..).and_then(|rest| rest.first_chunk::<{ header::LENGTH }>());
        let Some([l0, l1, l2, l3, ..]) = head else { return false };
        let mut left = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        at.own += header::LENGTH;
        loop {
            let next = self.shared.get(at.shared);
            let copied = next.map_or(left, |(place, _)| left.min(place - at.own));
            at.own += copied;
            left -= copied;
            let Some((_, piece)) = next.filter(|_| left > 0) else { return true };
            at.shared += 1;
            left -= piece.len();
        }
    }
}

/// How far frames were skipped.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    own: usize,
    shared: usize,
}

/// A transmission that is being composed.
#[derive(Debug, Default)]
pub(crate) struct Output {
    own: Vec<u8>,
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    /// Uses a buffer's memory again.
    pub(crate) const fn new(buffer: Vec<u8>) -> Self {
        Self { own: buffer, shared: Vec::new(), shared_bytes: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.own.len() + self.shared_bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For what is small.
    pub(crate) const fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// Appends a piece: without a copy, where it is large.
    pub(crate) fn put(&mut self, piece: &Bytes) {
        self.put_slice_of(piece, 0..piece.len());
    }

    /// The same for a part of one.
    pub(crate) fn put_slice_of(&mut self, whole: &Bytes, range: std::ops::Range<usize>) {
        if range.len() < SMALLEST_SHARED {
            self.own.extend_from_slice(whole.get(range).unwrap_or_default());
        } else {
            self.shared_bytes += range.len();
            self.shared.push((self.own.len(), whole.slice(range)));
        }
    }

    /// Where the next byte will stand.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { own: self.own.len(), shared: self.shared.len(), len: self.len() }
    }

    /// How many bytes stand behind a mark.
    pub(crate) const fn len_behind(&self, mark: &Mark) -> usize {
        self.len() - mark.len
    }

    /// What stands behind a mark, in pieces.
    pub(crate) fn pieces_behind(&self, mark: &Mark) -> impl Iterator<Item = &[u8]> {
        let mut start = mark.own;
        let shared = self.shared.get(mark.shared..).unwrap_or_default();
        let between = shared.iter().flat_map(move |(place, piece)| {
            let before = self.own.get(std::mem::replace(&mut start, *place)..*place).unwrap_or_default();
            [before, &piece[..]]
        });
        let last = shared.last().map_or(mark.own, |(place, _)| *place);
        between.chain([self.own.get(last..).unwrap_or_default()])
    }

    /// Takes back what stands behind a mark, all of which was small.
    pub(crate) fn take_behind(&mut self, mark: &Mark) -> Vec<u8> {
        debug_assert_eq!(self.shared.len(), mark.shared, "it was copied");
        self.own.split_off(mark.own)
    }

    /// The whole, and apart from it what stands from `from` on in `own`, up to which nothing is shared, without the last `farewell` bytes.
    pub(crate) fn finish(mut self, from: usize, farewell: usize) -> (Transmit, Transmit) {
        let own = Bytes::from(std::mem::take(&mut self.own));
        self.wrap(own, from, farewell)
    }

    /// The same as a copy at the end of `block`, for what is short; also returns the buffer.
    pub(crate) fn finish_in(
        mut self,
        block: &mut BytesMut,
        from: usize,
        farewell: usize,
    ) -> (Transmit, Transmit, Vec<u8>) {
        let buffer = std::mem::take(&mut self.own);
        block.extend_from_slice(&buffer);
        let (all, kept) = self.wrap(block.split().freeze(), from, farewell);
        (all, kept, buffer)
    }

    fn wrap(self, own: Bytes, from: usize, farewell: usize) -> (Transmit, Transmit) {
        let len = own.len() + self.shared_bytes;
        let kept = Transmit {
            own: own.slice(from..own.len() - farewell),
            shared: self.shared.iter().map(|(place, piece)| (place - from, piece.clone())).collect(),
            len: len - from - farewell,
        };
        (Transmit { own, shared: self.shared, len }, kept)
    }

    /// The buffer, where nothing was written.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.own
    }
}

/// A place in an [`Output`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    own: usize,
    shared: usize,
    len: usize,
}

impl Mark {
    /// Where it stands in what is small.
    pub(crate) const fn own(&self) -> usize {
        self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames whose bodies are these sizes, each in two pieces.
    fn transmit(sizes: &[(usize, usize)]) -> Transmit {
        let mut out = Output::default();
        for (first, second) in sizes {
            let mut head = [0; header::LENGTH];
            head[..4].copy_from_slice(&u32::try_from(first + second).unwrap().to_le_bytes());
            out.own().extend_from_slice(&head);
            out.put(&Bytes::from(vec![1; *first]));
            out.put(&Bytes::from(vec![2; *second]));
        }
        out.finish(0, 0).0
    }

    #[test]
    fn frames_are_counted_and_skipped_wherever_their_bytes_lie() {
        let sizes = [(0, 0), (5000, 0), (3, 5000), (5000, 4096), (1, 2), (0, 9000)];
        let whole = transmit(&sizes);
        assert_eq!(whole.frames(), 6);
        assert_eq!(whole.chunks().count(), 9, "five large pieces, and small ones before four of them");
        let flat = whole.clone().into_bytes();
        assert_eq!(flat.len(), whole.len());
        for skipped in 0..=sizes.len() {
            let rest = whole.behind(skipped as u64);
            let bytes: usize = sizes[..skipped].iter().map(|(a, b)| header::LENGTH + a + b).sum();
            assert_eq!(rest.frames(), (sizes.len() - skipped) as u64);
            assert_eq!((rest.len(), rest.into_bytes()), (flat.len() - bytes, flat.slice(bytes..)));
        }
    }

    #[test]
    fn what_stands_behind_a_mark_is_found_again() {
        let mut out = Output::default();
        out.own().extend_from_slice(b"before");
        out.put(&Bytes::from(vec![7; 5000]));
        let mark = out.mark();
        assert_eq!(out.pieces_behind(&mark).map(<[u8]>::len).sum::<usize>(), 0);
        out.own().extend_from_slice(b"ab");
        out.put(&Bytes::from(vec![8; 4096]));
        out.own().extend_from_slice(b"c");
        assert_eq!(out.len_behind(&mark), 4099);
        let pieces: Vec<_> = out.pieces_behind(&mark).collect();
        assert_eq!(pieces, [b"ab", &[8; 4096][..], b"c"]);
    }
}
