//! The batches of a channel that wait for the driver: the one that its senders fill, and those before it. It counts what waits, and only when a
//! batch is closed: to count every value would cost each of them.

use std::collections::VecDeque;

use distchan_proto::batch::{Entry, Kind, OpenBatch, Sealed};
use distchan_proto::scattered::ScatteredMut;

use crate::channel::outgoing::Label;

/// What waits, oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    sealed: VecDeque<Sealed>,
    open: OpenBatch,
    /// How much is in those that are sealed.
    sealed_values: usize,
    sealed_bytes: usize,
    /// The number of the open batch's first value: the machine counts the jobs that are submitted in the same way.
    first_open: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            sealed: VecDeque::new(),
            open: OpenBatch::default(),
            sealed_values: 0,
            sealed_bytes: 0,
            first_open: 1,
        }
    }

    /// Values that wait.
    #[inline]
    pub(super) const fn values(&self) -> usize {
        self.sealed_values + self.open.len()
    }

    /// ... and their bytes.
    #[inline]
    pub(super) const fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.payload.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty()
    }

    /// Whether a whole batch waits.
    pub(super) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// The number of the next value.
    pub(super) const fn next(&self) -> u64 {
        self.first_open + self.open.len() as u64
    }

    /// The number of the oldest value that waits, or the next one's.
    pub(super) const fn first(&self) -> u64 {
        self.first_open - self.sealed_values as u64
    }

    /// The batch that is being filled.
    #[inline]
    pub(super) const fn open(&self) -> &OpenBatch {
        &self.open
    }

    /// Where the next value is encoded, at the end.
    #[inline]
    pub(super) const fn payload(&mut self) -> &mut ScatteredMut {
        &mut self.open.payload
    }

    /// The newest entry, as long as its batch is open.
    #[inline]
    pub(super) fn last_mut(&mut self) -> Option<&mut Entry> {
        self.open.last_mut()
    }

    /// Names what was appended since the last entry. The batch is full then, or not.
    #[inline(always)]
    pub(super) fn push(&mut self, label: Label) -> bool {
        self.open.keys.extend(label.key);
        self.open.push(label.kind, label.delivery.job, label.delivery.attempt, label.extra);
        self.open.is_full()
    }

    /// Closes the batch that is being filled.
    pub(super) fn seal(&mut self) {
        let batch = self.seal_open();
        self.sealed_values += batch.len();
        self.sealed_bytes += batch.bytes();
        self.sealed.push_back(batch);
    }

    /// Takes the oldest batch, sealed or not.
    pub(super) fn pop(&mut self) -> Option<Sealed> {
        let Some(batch) = self.sealed.pop_front() else {
            return (!self.open.is_empty()).then(|| self.seal_open());
        };
        self.sealed_values -= batch.len();
        self.sealed_bytes -= batch.bytes();
        Some(batch)
    }

    /// Drops what speaks of a job, and keeps values that stand for themselves: a channel has only one of the two.
    pub(super) fn drop_answers(&mut self) {
        let is_answer = |kind: Option<Kind>| kind.is_some_and(|kind| kind != Kind::Value);
        if is_answer(self.open.last_mut().map(|entry| entry.kind)) {
            drop(self.seal_open());
        }
        if self.sealed.front().is_some_and(|batch| is_answer(batch.first())) {
            self.sealed.clear();
            (self.sealed_values, self.sealed_bytes) = (0, 0);
        }
    }

    fn seal_open(&mut self) -> Sealed {
        self.first_open += self.open.len() as u64;
        self.open.seal()
    }
}
