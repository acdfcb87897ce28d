//! Values that workers send unasked: they arrive in order, none twice, and all of them where the worker closed politely. What was on its way
//! when a session was lost may be lost, and the worker is told: it begins a new stream then.

use std::collections::BTreeMap;

use crate::oracle::Verdict;

/// What a worker's process sends on one channel until it is told that values were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    pub(crate) channel: usize,
    pub(crate) life: u32,
    pub(crate) number: u32,
}

/// How many values of each stream have arrived, whatever became of the server meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<Stream, u64>);

/// The bytes of a value.
pub(crate) fn value(stream: Stream, index: u64) -> Vec<u8> {
    [u64::from(stream.life).to_le_bytes(), u64::from(stream.number).to_le_bytes(), index.to_le_bytes()]
        .concat()
}

impl Values {
    /// A value has arrived.
    pub(super) fn arrived(&mut self, channel: usize, bytes: &[u8]) -> Verdict {
        let (words, rest) = bytes.as_chunks::<8>();
        let ([life, number, index], []) = (words, rest) else {
            return Err("a value that nobody sent".to_owned());
        };
        let [life, number, index] = [life, number, index].map(|word| u64::from_le_bytes(*word));
        let [life, number] = [life, number].map(|word| u32::try_from(word).unwrap_or(u32::MAX));
        let next = self.0.entry(Stream { channel, life, number }).or_default();
        if *next != index {
            return Err(format!(
                "value {index} of life {life}, stream {number}, arrived where {next} was next"
            ));
        }
        *next += 1;
        Ok(())
    }

    /// A worker has closed politely, after so many values.
    pub(crate) fn all_arrived(&self, stream: Stream, count: u64) -> Verdict {
        let arrived = self.0.get(&stream).copied().unwrap_or_default();
        if arrived == count {
            Ok(())
        } else {
            Err(format!("{arrived} of {count} values of {stream:?} arrived"))
        }
    }
}
