//! The table of jobs: every job that was sent and has no outcome yet, in the lots in which they were submitted.
//! A lot's memory is freed as a whole, when each of its jobs has its outcome; what a lot holds is bounded by the sender's batch.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::batch::{Batch, Piece};
use crate::dispatch::lease::MemberId;
use crate::ids::{Attempt, JobId, SinkId};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// In the backlog, or placed with a worker but not yet on its way.
    Nobody,
    /// With this worker.
    Member(MemberId),
    /// It has its outcome.
    Settled,
}

/// One job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    end: u32,
    pub(crate) holder: Holder,
    /// The newest delivery, or the one to come where nobody holds the job.
    pub(crate) attempt: Attempt,
    pub(crate) sink: SinkId,
}

impl Slot {
    /// Whether `member` has this very delivery.
    pub(crate) fn is_with(&self, member: MemberId, attempt: Attempt) -> bool {
        self.holder == Holder::Member(member) && self.attempt == attempt
    }
}

#[derive(Debug)]
struct Lot {
    first: u64,
    payload: Bytes,
    slots: Vec<Slot>,
    unsettled: usize,
}

/// All unsettled jobs.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    /// Lots in no order; `None` is free to be used again.
    lots: Vec<Option<Lot>>,
    free: Vec<usize>,
    by_first: BTreeMap<u64, usize>,
    /// The lot of the last look-up: jobs are asked for in runs.
    hint: usize,
    unsettled: u64,
    bytes: u64,
}

impl Lots {
    /// Takes a batch of jobs with consecutive numbers from `first`.
    pub(crate) fn insert(&mut self, first: u64, batch: &Batch) {
        let slots: Vec<Slot> = batch
            .entries
            .iter()
            .map(|entry| Slot {
                end: entry.end,
                holder: Holder::Nobody,
                attempt: Attempt::FIRST,
                sink: entry.sink(),
            })
            .collect();
        self.unsettled += slots.len() as u64;
        self.bytes += batch.payload.len() as u64;
        let lot = Lot { first, payload: batch.payload.clone(), unsettled: slots.len(), slots };
        let index = self.free.pop().unwrap_or_else(|| {
            self.lots.push(None);
            self.lots.len() - 1
        });
        if let Some(place) = self.lots.get_mut(index) {
            *place = Some(lot);
        }
        self.by_first.insert(first, index);
    }

    /// How many jobs have no outcome yet.
    pub(crate) const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// How many bytes of jobs are kept.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The job, unless it has its outcome (or never was).
    #[inline]
    pub(crate) fn slot_mut(&mut self, job: JobId) -> Option<&mut Slot> {
        let (lot, index) = self.find(job)?;
        lot.slots.get_mut(index).filter(|slot| slot.holder != Holder::Settled)
    }

    /// The job and its payload.
    #[inline]
    pub(crate) fn job_mut(&mut self, job: JobId) -> Option<(&mut Slot, Piece<'_>)> {
        let (lot, index) = self.find(job)?;
        let start = index.checked_sub(1).and_then(|i| lot.slots.get(i)).map_or(0, |slot| slot.end);
        let Lot { payload, slots, .. } = lot;
        let slot = slots.get_mut(index).filter(|slot| slot.holder != Holder::Settled)?;
        let end = slot.end;
        Some((slot, Piece::new(payload, start, end)))
    }

    /// Ends a job, if `member` has this very delivery, and returns where its results go and how many bytes it had. Its lot is freed
    /// with its last job.
    #[inline]
    pub(crate) fn settle(&mut self, job: JobId, member: MemberId, attempt: Attempt) -> Option<(SinkId, u64)> {
        let (lot, index) = self.find(job)?;
        let start = index.checked_sub(1).and_then(|i| lot.slots.get(i)).map_or(0, |slot| slot.end);
        let slot = lot.slots.get_mut(index).filter(|slot| slot.is_with(member, attempt))?;
        slot.holder = Holder::Settled;
        let settled = (slot.sink, u64::from(slot.end - start));
        lot.unsettled -= 1;
        let emptied = (lot.unsettled == 0).then(|| (lot.first, lot.payload.len()));
        self.unsettled -= 1;
        if let Some((first, bytes)) = emptied {
            self.bytes -= bytes as u64;
            if let Some(index) = self.by_first.remove(&first)
                && let Some(place) = self.lots.get_mut(index)
            {
                *place = None;
                self.free.push(index);
            }
        }
        Some(settled)
    }

    fn find(&mut self, job: JobId) -> Option<(&mut Lot, usize)> {
        let in_hint =
            self.lots.get(self.hint).and_then(Option::as_ref).is_some_and(|lot| lot.index(job).is_some());
        if !in_hint {
            self.hint = *self.by_first.range(..=job.0).next_back()?.1;
        }
        let lot = self.lots.get_mut(self.hint)?.as_mut()?;
        let index = lot.index(job)?;
        Some((lot, index))
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(&self) {
        let lots = || self.lots.iter().flatten();
        assert_eq!(lots().count(), self.by_first.len());
        assert_eq!(lots().map(|lot| lot.payload.len() as u64).sum::<u64>(), self.bytes);
        for lot in lots() {
            let unsettled = lot.slots.iter().filter(|slot| slot.holder != Holder::Settled).count();
            assert_eq!(unsettled, lot.unsettled, "a lot counts its unsettled jobs");
            assert_ne!(unsettled, 0, "an empty lot is freed");
        }
        assert_eq!(lots().map(|lot| lot.unsettled as u64).sum::<u64>(), self.unsettled);
    }
}

impl Lot {
    #[inline]
    fn index(&self, job: JobId) -> Option<usize> {
        let index = usize::try_from(job.0.checked_sub(self.first)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }
}
