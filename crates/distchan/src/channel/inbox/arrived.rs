//! A batch that has come, how far it was taken, and how its next entry is shown. It decides nothing.

use std::time::Instant;

use bytes::Bytes;
use distchan_proto::batch::{Batch, Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;

/// A batch, and what it is known by from its arrival on.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) batch: Batch,
    pub(super) generation: u32,
    /// When it came, where a deadline counts from then.
    pub(super) at: Option<Instant>,
}

/// The batch that is being taken, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) arrived: Arrived,
    pub(super) next: usize,
    pub(super) start: u32,
}

/// An entry, as it is shown to whoever may take it.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) entry: Entry,
    pub(crate) bytes: &'a [u8],
    pub(super) cursor: &'a Cursor,
}

impl Shown<'_> {
    pub(crate) const fn delivery(&self) -> Delivery {
        let generation = self.cursor.arrived.generation;
        Delivery { job: self.entry.job, attempt: self.entry.attempt, generation }
    }

    /// The payload, to be kept without a copy.
    pub(crate) fn shared(&self) -> Bytes {
        let payload = &self.cursor.arrived.batch.payload;
        payload.slice(self.cursor.start as usize..self.entry.end as usize)
    }

    /// By when the job must be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let Arrived { batch, at, .. } = &self.cursor.arrived;
        let at = (*at)?;
        let index = u32::try_from(self.cursor.next).ok()?;
        let found = batch.deadlines.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        at.checked_add(batch.deadlines.get(found)?.1)
    }
}

/// What became of an entry that was shown.
#[derive(Debug)]
pub(crate) enum Step<R> {
    /// It was taken.
    Taken(R),
    /// It stays, for now.
    Left(R),
}

impl Arrived {
    /// Makes nothing of a delivery among the entries from `next` on; false where it is not there.
    pub(super) fn void(&mut self, next: usize, job: JobId, attempt: Attempt) -> bool {
        let entries = self.batch.entries.get_mut(next..).unwrap_or_default();
        let is_it = |entry: &Entry| (entry.job, entry.attempt, entry.kind) == (job, attempt, Kind::Value);
        // Batches are nearly always in the order of the jobs' numbers.
        let likely = entries.partition_point(|entry| entry.job < job);
        let found = match entries.get(likely) {
            Some(entry) if is_it(entry) => Some(likely),
            _ => entries.iter().position(is_it),
        };
        let entry = found.and_then(|index| entries.get_mut(index));
        entry.is_some_and(|entry| {
            entry.kind = Kind::Void;
            true
        })
    }
}
