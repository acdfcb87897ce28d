//! A batch that has come, and how far it was taken. It decides nothing.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use distchan_proto::batch::{Batch, Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;

/// A batch, and what it is known by from its arrival on.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) batch: Batch,
    pub(super) generation: u32,
    /// When it came, where a deadline counts from then.
    pub(super) at: Option<Instant>,
}

impl Arrived {
    /// Where a delivery is among the entries; `None` where it is not there.
    pub(crate) fn find(&self, job: JobId, attempt: Attempt) -> Option<usize> {
        let entries = &self.batch.entries;
        let is_it = |entry: &Entry| (entry.job, entry.attempt, entry.kind) == (job, attempt, Kind::Value);
        // Batches are nearly always in the order of the jobs' numbers.
        let likely = entries.partition_point(|entry| entry.job < job);
        match entries.get(likely) {
            Some(entry) if is_it(entry) => Some(likely),
            _ => entries.iter().position(is_it),
        }
    }

    /// Makes nothing of a delivery; false where it is not there.
    pub(super) fn void(&mut self, job: JobId, attempt: Attempt) -> bool {
        let entry = self.find(job, attempt).and_then(|index| self.batch.entries.get_mut(index));
        entry.is_some_and(|entry| {
            entry.kind = Kind::Void;
            true
        })
    }

    /// Makes nothing of its newest deliveries, and puts them into `newest`, until that has `count`.
    pub(super) fn void_newest(&mut self, count: usize, newest: &mut Vec<(JobId, Attempt)>) {
        let jobs = self.batch.entries.iter_mut().rev().filter(|entry| entry.kind == Kind::Value);
        for entry in jobs.take(count.saturating_sub(newest.len())) {
            entry.kind = Kind::Void;
            newest.push((entry.job, entry.attempt));
        }
    }

    /// Whether nothing of it is left.
    pub(super) fn is_void(&self) -> bool {
        self.batch.entries.iter().all(|entry| entry.kind == Kind::Void)
    }

    /// How often the channel had been reset when it came.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }
}

/// The batch that is being taken, and how far it is. The receiver's own: what others may do about it is decided by
/// [`Outgoing::claim`](crate::channel::outgoing::Outgoing::claim).
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    arrived: Option<Arc<Arrived>>,
    next: usize,
    start: u32,
}

impl Cursor {
    pub(super) const fn new(arrived: Arc<Arrived>) -> Self {
        Self { arrived: Some(arrived), next: 0, start: 0 }
    }

    /// The next entry.
    #[inline]
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.arrived.as_ref()?.batch.entries.get(self.next)
    }

    /// Where the next entry stands.
    #[inline]
    pub(crate) const fn index(&self) -> usize {
        self.next
    }

    /// How many entries are left.
    pub(crate) fn left(&self) -> usize {
        self.arrived.as_ref().map_or(0, |arrived| arrived.batch.entries.len() - self.next)
    }

    /// Goes on to the entry behind this one.
    #[inline]
    pub(crate) fn advance(&mut self) {
        if let Some(entry) = self.entry().copied() {
            self.pass(&entry);
        }
    }

    /// The same, where this is the next entry.
    #[inline]
    pub(crate) const fn pass(&mut self, entry: &Entry) {
        self.start = entry.end;
        self.next += 1;
    }

    /// The batch has been taken whole, or there is none: lets go of it, and says what it had cost.
    pub(crate) fn finish(&mut self) -> Option<u64> {
        let finished = std::mem::take(self).arrived?;
        Some(finished.batch.cost())
    }

    /// Which delivery the next entry is.
    #[inline]
    pub(crate) fn delivery(&self, entry: &Entry) -> Delivery {
        let generation = self.arrived.as_ref().map_or(0, |arrived| arrived.generation);
        Delivery { job: entry.job, attempt: entry.attempt, generation }
    }

    /// The next entry's payload.
    #[inline]
    pub(crate) fn bytes(&self, entry: &Entry) -> &[u8] {
        let payload = self.arrived.as_ref().map(|arrived| &arrived.batch.payload);
        payload.and_then(|payload| payload.get(self.start as usize..entry.end as usize)).unwrap_or_default()
    }

    /// ... to be kept without a copy.
    pub(crate) fn shared(&self, entry: &Entry) -> Bytes {
        let payload = self.arrived.as_ref().map(|arrived| &arrived.batch.payload);
        payload.map_or_else(Bytes::new, |payload| payload.slice(self.start as usize..entry.end as usize))
    }

    /// By when the next entry's job must be done.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let Arrived { batch, at, .. } = self.arrived.as_deref()?;
        let at = (*at)?;
        let index = u32::try_from(self.next).ok()?;
        let found = batch.deadlines.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        at.checked_add(batch.deadlines.get(found)?.1)
    }
}
