//! What is written to a connection at once: whole frames, whose large bodies stay where they lie. It knows frames only as stretches of bytes.

use bytes::{Bytes, BytesMut};

use crate::frame::header;
use crate::scattered::{Scattered, ScatteredMut};

/// Bytes to be written to a connection, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transmit(Scattered);

impl Transmit {
    /// How many bytes that is.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes in the pieces in which they lie in memory, none of which is empty: for a scattered write.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.0.chunks()
    }

    /// The bytes, where they lie in one piece in memory.
    #[must_use]
    pub fn only_chunk(&self) -> Option<&[u8]> {
        self.0.only_chunk()
    }

    /// The bytes in one piece.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// The whole of what was composed, and apart from it what stands from `from` on, up to which nothing is shared, without the last `farewell`
    /// bytes.
    pub(crate) fn of(out: ScatteredMut, from: usize, farewell: usize) -> (Self, Self) {
        Self::cut(out.freeze(), from, farewell)
    }

    /// The same as a copy at the end of `block`, for what is short; also returns the buffer.
    pub(crate) fn of_short(
        out: ScatteredMut,
        block: &mut BytesMut,
        from: usize,
        farewell: usize,
    ) -> (Self, Self, Vec<u8>) {
        let (all, buffer) = out.freeze_in(block);
        let (all, kept) = Self::cut(all, from, farewell);
        (all, kept, buffer)
    }

    fn cut(all: Scattered, from: usize, farewell: usize) -> (Self, Self) {
        let kept = all.slice(from..all.len() - farewell);
        (Self(all), Self(kept))
    }

    /// How many frames these are.
    pub(crate) fn frames(&self) -> u64 {
        let mut at = Position::default();
        let mut frames = 0;
        while self.skip_frame(&mut at) {
            frames += 1;
        }
        debug_assert_eq!(at.all, self.len(), "only whole frames are sent");
        frames
    }

    /// How many bytes the first `frames` frames have.
    pub(crate) fn len_of(&self, frames: u64) -> usize {
        let mut at = Position::default();
        for _ in 0..frames {
            self.skip_frame(&mut at);
        }
        at.all
    }

    /// What stands behind the first `bytes` bytes, which are whole frames.
    pub(crate) fn behind(&self, bytes: usize) -> Self {
        Self(self.0.slice(bytes..self.len()))
    }

    /// What was small, if nobody else has it.
    pub(crate) fn into_own(self) -> Option<Bytes> {
        let own = self.0.into_own();
        own.is_unique().then_some(own)
    }

    /// A header always stands in one piece in what is small, and a shared piece always in one body.
    fn skip_frame(&self, at: &mut Position) -> bool {
        let (own, shared) = self.0.parts();
        let head = own.get(at.own..).and_then(|rest| rest.first_chunk::<{ header::LENGTH }>());
        let Some([l0, l1, l2, l3, ..]) = head else { return false };
        let mut left = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        at.all += header::LENGTH + left;
        at.own += header::LENGTH;
        loop {
            let next = shared.get(at.shared);
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
    all: usize,
    own: usize,
    shared: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames whose bodies are these sizes, each in two pieces.
    fn transmit(sizes: &[(usize, usize)]) -> Transmit {
        let mut out = ScatteredMut::default();
        for (first, second) in sizes {
            let mut head = [0; header::LENGTH];
            head[..4].copy_from_slice(&u32::try_from(first + second).unwrap().to_le_bytes());
            out.own().extend_from_slice(&head);
            out.put(&Bytes::from(vec![1; *first]));
            out.put(&Bytes::from(vec![2; *second]));
        }
        Transmit::of(out, 0, 0).0
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
            let rest = whole.behind(whole.len_of(skipped as u64));
            let bytes: usize = sizes[..skipped].iter().map(|(a, b)| header::LENGTH + a + b).sum();
            assert_eq!(rest.frames(), (sizes.len() - skipped) as u64);
            assert_eq!((rest.len(), rest.into_bytes()), (flat.len() - bytes, flat.slice(bytes..)));
        }
    }
}
