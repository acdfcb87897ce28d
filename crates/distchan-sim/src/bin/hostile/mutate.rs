//! Changes bytes at random: what a bad line does, and what somebody does who tries things out. It knows nothing of what they mean.

use rand::{Rng, RngExt};

/// The longest piece that is doubled, cut out or put elsewhere.
const PIECE: usize = 60;

/// Changes one to four places; there may be nothing left.
pub(super) fn mutate(rng: &mut impl Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            return;
        }
        // Early more often than late: what is behind a mistake is not read.
        let end = if rng.random_bool(0.5) { bytes.len().min(120) } else { bytes.len() };
        let at = rng.random_range(0..end);
        let to = rng.random_range(at..=bytes.len().min(at + PIECE));
        match rng.random_range(0..7) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let to = rng.random_range(0..bytes.len());
                bytes.swap(at, to);
            }
        }
    }
}

/// So many bytes of noise, fewer than `end`.
pub(super) fn noise(rng: &mut impl Rng, end: usize) -> Vec<u8> {
    (0..rng.random_range(1..end)).map(|_| rng.random()).collect()
}
