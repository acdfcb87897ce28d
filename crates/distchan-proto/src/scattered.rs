//! Bytes in several pieces of memory: small ones copied behind one another, and large ones that stay where they are, shared with whoever keeps
//! them. It knows nothing of what they say.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// From this size on a piece is passed on by reference: to copy it would cost more than one more entry of a scattered write.
pub const SMALLEST_SHARED: usize = 4 * 1024;

/// Pieces by reference, at most: further ones are copied. Whoever looks for a place passes them one by one.
const MOST_SHARED: usize = 64;

/// Bytes in order, wherever they lie; never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scattered {
    /// What is small, one behind the other.
    own: Bytes,
    /// What is large, each at its place in `own`.
    shared: Vec<(usize, Bytes)>,
    len: usize,
}

impl From<Vec<u8>> for Scattered {
    fn from(own: Vec<u8>) -> Self {
        Bytes::from(own).into()
    }
}

impl From<Bytes> for Scattered {
    fn from(own: Bytes) -> Self {
        Self { len: own.len(), own, shared: Vec::new() }
    }
}

impl Scattered {
    pub(crate) fn new(own: Bytes, shared: Vec<(usize, Bytes)>) -> Self {
        let len = own.len() + shared.iter().map(|(_, piece)| piece.len()).sum::<usize>();
        Self { own, shared, len }
    }

    /// How many bytes that is.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes in the pieces in which they lie in memory, none of which is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        in_order(&self.own, &self.shared, 0).filter(|chunk| !chunk.is_empty())
    }

    /// The bytes, where they lie in one piece in memory.
    #[must_use]
    pub fn only_chunk(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.own[..])
    }

    /// The bytes in one piece.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.shared.as_slice() {
            [] => self.own,
            [(_, only)] if self.own.is_empty() => only.clone(),
            _ => self.chunks().collect::<Vec<_>>().concat().into(),
        }
    }

    /// What is small, and what is large, each at its place in it.
    pub(crate) fn parts(&self) -> (&[u8], &[(usize, Bytes)]) {
        (&self.own, &self.shared)
    }

    /// What is small.
    pub(crate) fn into_own(self) -> Bytes {
        self.own
    }

    /// A part of it; shares all memory.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        if self.shared.is_empty() {
            return self.own.slice(range).into();
        }
        let mut first = None;
        let mut end = 0;
        let mut shared = Vec::new();
        self.each_in(range, |piece| match piece {
            Piece::Own(range) => {
                first.get_or_insert(range.start);
                end = range.end;
            }
            Piece::Shared(place, piece) => shared.push((*first.get_or_insert(place), place, piece)),
        });
        let first = first.unwrap_or_default();
        let shared = shared.into_iter().map(|(_, place, piece)| (place - first, piece)).collect();
        Self::new(self.own.slice(first..end.max(first)), shared)
    }

    /// Cuts off the first `at` bytes, and returns them.
    pub(crate) fn split_to(&mut self, at: usize) -> Self {
        let front = self.slice(0..at);
        *self = self.slice(at..self.len);
        front
    }

    /// Appends a copy of a part of it.
    pub(crate) fn copy_to(&self, range: Range<usize>, out: &mut Vec<u8>) {
        self.each_in(range, |piece| match piece {
            Piece::Own(range) => out.extend_from_slice(self.own.get(range).unwrap_or_default()),
            Piece::Shared(_, piece) => out.extend_from_slice(&piece),
        });
    }

    /// Calls `take` with each piece in which bytes of the range lie.
    fn each_in(&self, range: Range<usize>, mut take: impl FnMut(Piece)) {
        // Where the next piece begins, among all bytes and among the own ones.
        let (mut at, mut own) = (0, 0);
        let within = |at: usize, len: usize| {
            let start = range.start.clamp(at, at + len) - at;
            let end = range.end.clamp(at, at + len) - at;
            (start < end).then_some(start..end)
        };
        for (place, piece) in &self.shared {
            if at >= range.end {
                return;
            }
            if let Some(part) = within(at, place - own) {
                take(Piece::Own(own + part.start..own + part.end));
            }
            at += place - own;
            own = *place;
            if let Some(part) = within(at, piece.len()) {
                take(Piece::Shared(own, piece.slice(part)));
            }
            at += piece.len();
        }
        if let Some(part) = within(at, self.own.len() - own) {
            take(Piece::Own(own + part.start..own + part.end));
        }
    }
}

/// Where a part of some bytes lies.
enum Piece {
    /// Among the own bytes.
    Own(Range<usize>),
    /// In memory that is shared, at this place of the own bytes.
    Shared(usize, Bytes),
}

/// What is small from `start` on, with what is large in between.
fn in_order<'a>(
    own: &'a [u8],
    shared: &'a [(usize, Bytes)],
    mut start: usize,
) -> impl Iterator<Item = &'a [u8]> {
    let last = shared.last().map_or(start, |(place, _)| *place);
    let between = shared.iter().flat_map(move |(place, piece)| {
        let before = own.get(std::mem::replace(&mut start, *place)..*place).unwrap_or_default();
        [before, &piece[..]]
    });
    between.chain([own.get(last..).unwrap_or_default()])
}

/// [`Scattered`] bytes that grow at their end.
#[derive(Debug, Default)]
pub struct ScatteredMut {
    own: Vec<u8>,
    large: Large,
}

/// What is large in [`ScatteredMut`], each at its place in what is small.
#[derive(Debug, Default)]
pub struct Large {
    pieces: Vec<(usize, Bytes)>,
    bytes: usize,
}

impl Large {
    const NONE: Self = Self { pieces: Vec::new(), bytes: 0 };

    /// Appends a part of a piece behind all that is here and in `own`: without a copy, where it is large.
    pub fn put(&mut self, own: &mut Vec<u8>, whole: &Bytes, range: Range<usize>) {
        if range.len() < SMALLEST_SHARED || self.pieces.len() >= MOST_SHARED {
            own.extend_from_slice(whole.get(range).unwrap_or_default());
        } else {
            self.bytes += range.len();
            self.pieces.push((own.len(), whole.slice(range)));
        }
    }
}

impl ScatteredMut {
    /// Uses a buffer's memory.
    #[must_use]
    pub const fn new(buffer: Vec<u8>) -> Self {
        Self { own: buffer, large: Large::NONE }
    }

    /// How many bytes that is.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.own.len() + self.large.bytes
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For what is small: to be appended to, and to nothing else.
    #[inline]
    pub const fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// What is small and what is large, for whoever appends much to both.
    #[inline]
    pub const fn split(&mut self) -> (&mut Vec<u8>, &mut Large) {
        (&mut self.own, &mut self.large)
    }

    /// How many of the bytes are not by reference.
    pub(crate) const fn own_len(&self) -> usize {
        self.own.len()
    }

    /// Appends a piece: without a copy, where it is large.
    pub fn put(&mut self, piece: &Bytes) {
        self.put_slice_of(piece, 0..piece.len());
    }

    /// The same for a part of one.
    pub(crate) fn put_slice_of(&mut self, whole: &Bytes, range: Range<usize>) {
        self.large.put(&mut self.own, whole, range);
    }

    /// The same for a part of what lies in pieces.
    pub(crate) fn put_part_of(&mut self, whole: &Scattered, range: Range<usize>) {
        if whole.shared.is_empty() {
            return self.put_slice_of(&whole.own, range);
        }
        whole.each_in(range, |piece| match piece {
            Piece::Own(range) => self.put_slice_of(&whole.own, range),
            Piece::Shared(_, piece) => self.put(&piece),
        });
    }

    /// Where the next byte will stand.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { own: self.own.len(), large: self.large.pieces.len(), len: self.len() }
    }

    /// How many bytes stand behind a mark.
    pub(crate) const fn len_behind(&self, mark: &Mark) -> usize {
        self.len() - mark.len
    }

    /// Takes back what was appended since there were `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        while let Some((place, last)) = self.large.pieces.last()
            && place + self.large.bytes - last.len() >= len
        {
            self.large.bytes -= last.len();
            self.large.pieces.pop();
        }
        self.own.truncate(len - self.large.bytes);
    }

    /// What stands behind a mark, in pieces.
    pub(crate) fn pieces_behind(&self, mark: &Mark) -> impl Iterator<Item = &[u8]> {
        in_order(&self.own, self.large.pieces.get(mark.large..).unwrap_or_default(), mark.own)
    }

    /// Takes back what stands behind a mark, all of which was small.
    pub(crate) fn take_behind(&mut self, mark: &Mark) -> Vec<u8> {
        debug_assert_eq!(self.large.pieces.len(), mark.large, "it was copied");
        self.own.split_off(mark.own)
    }

    /// The bytes, which grow no more.
    pub(crate) fn freeze(self) -> Scattered {
        let len = self.len();
        Scattered { own: Bytes::from(self.own), shared: self.large.pieces, len }
    }

    /// The same, where what is small is copied to the end of `block`; also returns the buffer.
    pub(crate) fn freeze_in(mut self, block: &mut BytesMut) -> (Scattered, Vec<u8>) {
        let len = self.len();
        let buffer = std::mem::take(&mut self.own);
        block.extend_from_slice(&buffer);
        (Scattered { own: block.split().freeze(), shared: self.large.pieces, len }, buffer)
    }

    /// The buffer, where nothing was written.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.own
    }
}

/// A place in a [`ScatteredMut`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    own: usize,
    large: usize,
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

    /// Pieces of these sizes, the bytes of which count on, and the same in one piece.
    fn scattered(sizes: &[usize]) -> (Scattered, Bytes) {
        let mut out = ScatteredMut::default();
        let mut all = Vec::new();
        for size in sizes {
            let piece: Vec<u8> = (all.len()..all.len() + size).map(|at| at.to_le_bytes()[0]).collect();
            all.extend_from_slice(&piece);
            out.put(&Bytes::from(piece));
        }
        assert_eq!(out.len(), all.len());
        (out.freeze(), all.into())
    }

    #[test]
    fn every_part_is_what_it_is_of_the_whole() {
        let large = SMALLEST_SHARED;
        for sizes in [&[][..], &[5], &[large], &[3, large, 4], &[large, large, 1], &[1, large, 2, 3, large]] {
            let (whole, flat) = scattered(sizes);
            assert_eq!(whole.clone().into_bytes(), flat);
            let places: Vec<usize> = (0..=flat.len())
                .filter(|at| at % 1021 < 3 || at % large < 5 || flat.len() - at < 5)
                .collect();
            for start in &places {
                for end in places.iter().filter(|end| *end >= start) {
                    let part = whole.slice(*start..*end);
                    assert_eq!(
                        (part.len(), part.clone().into_bytes()),
                        (end - start, flat.slice(*start..*end))
                    );
                    assert!(part.chunks().all(|chunk| !chunk.is_empty()));
                    let mut copy = vec![9];
                    whole.copy_to(*start..*end, &mut copy);
                    assert_eq!(copy[1..], flat[*start..*end]);
                    let mut out = ScatteredMut::new(vec![9]);
                    out.put_part_of(&whole, *start..*end);
                    assert_eq!(out.freeze().into_bytes()[1..], flat[*start..*end]);
                }
            }
            for at in places {
                let mut rest = whole.clone();
                assert_eq!(rest.split_to(at).into_bytes(), flat.slice(..at));
                assert_eq!(rest.into_bytes(), flat.slice(at..));
            }
        }
    }

    #[test]
    fn what_is_large_stays_where_it_is() {
        let large = Bytes::from(vec![7; SMALLEST_SHARED]);
        let mut out = ScatteredMut::new(b"ab".to_vec());
        out.put(&large);
        out.own().extend_from_slice(b"cd");
        let whole = out.freeze();
        assert_eq!(whole.chunks().map(<[u8]>::as_ptr).nth(1), Some(large.as_ptr()));
        let cut = whole.slice(1..3 + SMALLEST_SHARED);
        assert_eq!(cut.chunks().map(<[u8]>::as_ptr).nth(1), Some(large.as_ptr()));
        assert_eq!(whole.slice(2..2 + SMALLEST_SHARED).into_bytes().as_ptr(), large.as_ptr());
    }

    #[test]
    fn no_more_are_by_reference_than_can_be_passed_quickly() {
        let large = Bytes::from(vec![7; SMALLEST_SHARED]);
        let mut out = ScatteredMut::default();
        (0..1000).for_each(|_| out.put(&large));
        assert_eq!((out.len(), out.large.pieces.len()), (1000 * SMALLEST_SHARED, MOST_SHARED));
    }

    #[test]
    fn what_was_appended_since_is_taken_back() {
        let piece = |size: usize| Bytes::from(vec![7; size]);
        for before in [&[][..], &[1], &[5000], &[5000, 1], &[1, 5000, 6000]] {
            for behind in [&[][..], &[1], &[5000], &[1, 5000], &[5000, 1, 6000, 2]] {
                let mut out = ScatteredMut::default();
                before.iter().for_each(|size| out.put(&piece(*size)));
                let len = out.len();
                behind.iter().for_each(|size| out.put(&piece(*size)));
                out.truncate(len);
                assert_eq!((out.len(), out.freeze().into_bytes().len()), (len, len), "{before:?} {behind:?}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_mark_is_found_again_and_taken_back() {
        let mut out = ScatteredMut::default();
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
        out.truncate(5006);
        assert_eq!((out.len(), out.len_behind(&mark)), (5006, 0));
        assert_eq!(out.freeze().into_bytes(), [b"before", &[7; 5000][..]].concat());
    }
}
