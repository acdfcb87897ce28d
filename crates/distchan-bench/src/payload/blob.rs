//! A large value: a number and many bytes. Making one must not cost what carrying it costs, or the figures would be of memory:
//! the bytes are shared by all that are made, and an arrived one owns its own.

use std::array;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Payload;

/// The bytes of a small job of W6.
pub(crate) const SMALL: usize = 1024;

/// How many bytes of an arrived value are looked at.
const SAMPLES: usize = 16;

/// The bytes that are made at once.
const ROW: usize = 256;

/// The bytes in front that hold how many there are in all.
const LEN: usize = size_of::<u64>();

/// An id and bytes, the first of which say how many there should be. Encoded as with `serde_bytes`, by all systems; distchan sends the bytes from
/// where they lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blob {
    id: u64,
    is_worked: bool,
    #[serde(with = "distchan::zero_copy")]
    bytes: Bytes,
}

impl Payload for Blob {
    type Mould = Bytes;

    fn mould(size: usize) -> Bytes {
        let size = size.max(LEN);
        let mut bytes: Vec<u8> = Vec::with_capacity(size + ROW);
        // There are few different rows, and a row is copied faster than it is made.
        let rows: Vec<[u8; ROW]> =
            (0..=u8::MAX).map(|key| array::from_fn(|column| byte_in(key, column))).collect();
        while bytes.len() < size {
            bytes.extend_from_slice(&rows[usize::from(key_of_row(bytes.len()))]);
        }
        bytes.truncate(size);
        bytes[..LEN].copy_from_slice(&(size as u64).to_le_bytes());
        bytes.into()
    }

    fn job(id: u64, mould: &Bytes) -> Self {
        Self { id, is_worked: false, bytes: mould.clone() }
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn worked(mut self) -> Self {
        self.is_worked = true;
        self
    }

    fn is_job(&self) -> bool {
        !self.is_worked && self.is_whole()
    }

    fn is_result(&self) -> bool {
        self.is_worked && self.is_whole()
    }
}

impl Blob {
    /// What a worker answers to this job, if it arrived whole: the same id, and no bytes to speak of.
    pub(crate) fn receipt(&self) -> Self {
        const EMPTY: [u8; LEN] = (LEN as u64).to_le_bytes();
        let bytes = Bytes::from_static(&EMPTY);
        Self { id: self.id, is_worked: self.is_job(), bytes }
    }

    fn is_whole(&self) -> bool {
        let Some((stated, rest)) = self.bytes.split_first_chunk::<LEN>() else {
            return false;
        };
        let is_right = |at: usize| rest.get(at).is_none_or(|&byte| byte == byte_at(LEN + at));
        let step = (rest.len() / SAMPLES).max(1);
        let last = rest.len().saturating_sub(1);
        u64::from_le_bytes(*stated) == self.bytes.len() as u64
            && (0..SAMPLES).all(|sample| is_right(sample * step))
            && is_right(last)
    }
}

/// The byte at a place: no neighbours, and no two places a page or a frame apart, are alike.
fn byte_at(at: usize) -> u8 {
    byte_in(key_of_row(at), at % ROW)
}

fn key_of_row(at: usize) -> u8 {
    let [_, second, third, ..] = at.to_le_bytes();
    second.wrapping_mul(31) ^ third.wrapping_mul(113)
}

fn byte_in(key: u8, column: usize) -> u8 {
    key ^ column.to_le_bytes()[0].wrapping_mul(7)
}

/// The most bytes that an encoded [`Blob`] of this size takes: an id, a flag and a length more.
pub(super) fn max_encoded(size: usize) -> usize {
    size.max(LEN) + 32
}

#[cfg(test)]
mod tests {
    use super::{Blob, Payload, SMALL, max_encoded};

    #[test]
    fn a_blob_arrives_whole_and_fits_its_bound() {
        for size in [0, 8, 9, SMALL, 100_000] {
            let mut buffer = vec![0; max_encoded(size)];
            let job = Blob::job(u64::MAX, &Blob::mould(size));
            let encoded = postcard::to_slice(&job, &mut buffer).unwrap();
            let arrived: Blob = postcard::from_bytes(encoded).unwrap();
            assert!(arrived.is_job() && !arrived.is_result(), "{size} bytes");
            assert!(arrived.receipt().is_result(), "{size} bytes");
            assert!(arrived.worked().is_result(), "{size} bytes");
        }
    }

    #[test]
    fn a_blob_with_bytes_lost_or_moved_is_damaged() {
        let Blob { bytes, .. } = Blob::job(1, &Blob::mould(100_000));
        let with = |bytes| Blob { id: 1, is_worked: false, bytes };
        assert!(with(bytes.clone()).is_job());
        assert!(!with(bytes.slice(..99_999)).is_job());
        let moved: Vec<u8> = [&bytes[..8], &bytes[9..], &[0]].concat();
        assert!(!with(moved.into()).is_job());
        assert!(!with(bytes.slice(1..)).receipt().is_result());
    }
}
