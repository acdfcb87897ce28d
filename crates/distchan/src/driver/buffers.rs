//! The memory that a connection reads into: as large as what comes at once, hardly any where little comes, and used again when what was read
//! into it has been taken. It never looks at the bytes.

use bytes::BytesMut;
use distchan_proto::limits;

/// A connection that is idle keeps this much.
const SMALLEST: usize = 2 * 1024;

/// What is read at once, at most; received values share this memory until they are decoded.
const LARGEST: usize = 256 * 1024;

/// The same of a peer whose handshake is not done.
const LARGEST_OF_A_STRANGER: usize = 4 * limits::MAX_HANDSHAKE_BODY;

/// Buffers whose memory may still be in use, and that are asked for it again before the system is.
const SPENT: usize = 4;

/// How what is read at once may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// The peer's handshake is not done.
    Stranger,
    /// A large value comes, which is read to where it belongs, and not here.
    Stopped,
    Free,
}

/// One connection's input.
#[derive(Debug)]
pub(super) struct ReadBuffers {
    /// What was read and not taken, and room behind it.
    input: BytesMut,
    /// How much room the next buffer has.
    size: usize,
    spent: Vec<BytesMut>,
}

impl ReadBuffers {
    pub(super) fn new() -> Self {
        Self { input: BytesMut::new(), size: SMALLEST, spent: Vec::new() }
    }

    /// The input, with room behind it.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let room = self.input.capacity() - self.input.len();
        let is_wasteful = self.input.is_empty() && room > 2 * self.size;
        // A message that comes alone is read whole; of a flood something is cut off anyhow.
        let least = if self.size < LARGEST { self.size / 2 } else { self.size / 8 };
        if room < least || is_wasteful {
            let mut next = self.next();
            // The beginning of a frame; not `reserve`, which would copy all that the buffer ever held.
            next.extend_from_slice(&self.input);
            let spent = std::mem::replace(&mut self.input, next);
            if self.size == LARGEST && self.spent.len() < SPENT {
                self.spent.push(spent);
            }
        }
        &mut self.input
    }

    /// So much has been read at once.
    pub(super) fn has_read(&mut self, bytes: usize, growth: Growth) {
        let largest = match growth {
            Growth::Stranger => LARGEST_OF_A_STRANGER,
            Growth::Stopped => self.size,
            Growth::Free => LARGEST,
        };
        let wanted = bytes.saturating_mul(2).next_power_of_two().clamp(SMALLEST, largest);
        // One short read does not make a flood a trickle.
        self.size = wanted.max(self.size / 2);
        if self.size < LARGEST {
            self.spent.clear();
        }
    }

    /// The input.
    pub(super) const fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    fn next(&mut self) -> BytesMut {
        let size = self.size;
        let free = self.spent.iter_mut().position(|spent| {
            spent.clear();
            spent.try_reclaim(size)
        });
        free.map_or_else(|| BytesMut::with_capacity(size), |index| self.spent.swap_remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so much at once, as far as there is room, and takes all of it; returns how much memory is kept.
    fn read(buffers: &mut ReadBuffers, bytes: usize) -> usize {
        let input = buffers.room();
        let read = bytes.min(input.capacity() - input.len());
        input.extend_from_slice(&vec![7; read]);
        buffers.has_read(read, Growth::Free);
        let taken = buffers.input().split();
        assert_eq!(taken.len(), read);
        buffers.input.capacity() + buffers.spent.iter().map(BytesMut::capacity).sum::<usize>()
    }

    #[test]
    fn memory_follows_what_comes_at_once_both_ways() {
        let mut buffers = ReadBuffers::new();
        for _ in 0..100 {
            assert!(read(&mut buffers, 40) <= 2 * SMALLEST);
        }
        for _ in 0..20 {
            read(&mut buffers, 1 << 20);
        }
        assert_eq!(buffers.size, LARGEST);
        for _ in 0..20 {
            read(&mut buffers, 40);
        }
        assert!(read(&mut buffers, 40) <= 2 * SMALLEST);
    }

    #[test]
    fn a_message_that_comes_alone_is_read_whole() {
        for size in [100, 700, 1_100, 2_500, 9_000, 40_000] {
            let mut buffers = ReadBuffers::new();
            for round in 0..100 {
                let room = buffers.room();
                let is_cut = room.capacity() - room.len() < size;
                assert!(!is_cut || round < 20, "{size} bytes, round {round}");
                read(&mut buffers, size);
            }
        }
    }

    #[test]
    fn neither_a_stranger_nor_a_large_value_that_is_read_elsewhere_brings_much_memory() {
        for (growth, most) in [(Growth::Stranger, LARGEST_OF_A_STRANGER), (Growth::Stopped, SMALLEST)] {
            let mut buffers = ReadBuffers::new();
            for _ in 0..100 {
                let room = buffers.room();
                let read = room.capacity() - room.len();
                room.extend_from_slice(&vec![7; read]);
                buffers.has_read(read, growth);
                buffers.input().clear();
                assert!(buffers.input.capacity() <= 2 * most, "{growth:?}");
            }
        }
    }

    #[test]
    fn the_beginning_of_a_frame_is_kept_and_memory_is_used_again() {
        let mut buffers = ReadBuffers::new();
        (0..20).for_each(|_| _ = read(&mut buffers, 1 << 20));
        let mut places = std::collections::BTreeSet::new();
        for round in 0..100 {
            let input = buffers.room();
            places.insert(input.as_ptr().addr() / LARGEST);
            let room = input.capacity() - input.len();
            input.extend_from_slice(&vec![round; room]);
            let whole = input.split_to(input.len() - 10);
            assert!(!whole.is_empty());
            assert_eq!(buffers.input()[..], [round; 10]);
            buffers.room();
            assert_eq!(buffers.input()[..], [round; 10], "it moves with its beginning");
            buffers.input().clear();
        }
        assert!(places.len() <= 2 * SPENT, "{} places for 100 buffers", places.len());
    }
}
