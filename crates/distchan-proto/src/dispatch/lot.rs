//! The table of jobs: every job that was sent and has no outcome yet, in the lots in which they were submitted.
//! A lot's memory is freed as a whole, when each of its jobs has its outcome; what a lot holds is bounded by the sender's batch.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::batch::{Batch, Piece};
use crate::dispatch::lease::MemberId;
use crate::ids::{Attempt, JobId, SinkId};
use crate::sabotage::Sabotage;
use crate::time::Time;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// In the backlog.
    Backlog,
    /// It waits some time for its next attempt.
    BackingOff,
    /// With its member, but not yet on its way.
    Placed,
    /// On its way to its member, or being worked on.
    Handed,
    /// It has its outcome.
    Settled,
}

/// One job. There are many: what few of them need stands in their records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    end: u32,
    /// The newest delivery, or the one to come where nobody has the job.
    pub(crate) attempt: Attempt,
    pub(crate) sink: SinkId,
    /// Whose it is, where it is placed or handed.
    member: MemberId,
    /// When it was handed, in milliseconds modulo 2³².
    handed_at: u32,
    pub(crate) place: Place,
    /// Whether more is known of it: its deadline, its start, its past.
    pub(crate) has_record: bool,
}

/// A moment in which jobs are handed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp(u32);

impl Stamp {
    pub(crate) fn new(now: Time) -> Self {
        Self(low_bits(now.since_origin()))
    }

    /// The moment itself, if it was less than 49 days ago.
    fn before(self, now: Time) -> Time {
        let elapsed = low_bits(now.since_origin()).wrapping_sub(self.0);
        Time::from_origin(now.since_origin().saturating_sub(Duration::from_millis(elapsed.into())))
    }
}

/// Whole milliseconds, of which the lowest 32 bits are kept.
fn low_bits(elapsed: Duration) -> u32 {
    let millis = elapsed.as_secs().wrapping_mul(1000).wrapping_add(elapsed.subsec_millis().into());
    u32::try_from(millis & u64::from(u32::MAX)).unwrap_or_default()
}

impl Slot {
    /// Whether `member` has this very delivery.
    #[inline]
    pub(crate) fn is_with(&self, member: MemberId, attempt: Attempt) -> bool {
        self.place == Place::Handed && self.member == member && self.attempt == attempt
    }

    /// Who has the job, or will be handed it.
    pub(crate) fn member(&self) -> Option<MemberId> {
        matches!(self.place, Place::Placed | Place::Handed).then_some(self.member)
    }

    pub(crate) fn put_with(&mut self, member: MemberId) {
        self.place = Place::Placed;
        self.member = member;
    }

    pub(crate) fn hand(&mut self, stamp: Stamp) {
        self.place = Place::Handed;
        self.handed_at = stamp.0;
    }

    /// When it was handed.
    pub(crate) fn handed(&self, now: Time) -> Time {
        Stamp(self.handed_at).before(now)
    }
}

/// A job that has its outcome now.
#[derive(Debug)]
pub(crate) struct Settled {
    /// As it was.
    pub(crate) slot: Slot,
    pub(crate) bytes: u64,
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
                attempt: Attempt::FIRST,
                sink: entry.sink(),
                member: MemberId(0),
                handed_at: 0,
                place: Place::Backlog,
                has_record: false,
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

    /// The unsettled jobs of a sink, by age.
    pub(crate) fn jobs_of(&self, sink: SinkId) -> Vec<JobId> {
        let mut jobs = Vec::new();
        for (first, index) in &self.by_first {
            let slots = self.lots.get(*index).and_then(Option::as_ref).map_or(&[][..], |lot| &lot.slots);
            let of_sink = (*first..).zip(slots).filter(|(_, slot)| slot.sink == sink);
            jobs.extend(of_sink.filter(|(_, slot)| slot.place != Place::Settled).map(|(job, _)| JobId(job)));
        }
        jobs
    }

    /// The job, unless it has its outcome (or never was).
    #[inline]
    pub(crate) fn slot_mut(&mut self, job: JobId) -> Option<&mut Slot> {
        let (lot, index) = self.find(job)?;
        lot.slots.get_mut(index).filter(|slot| slot.place != Place::Settled)
    }

    /// The job and its payload.
    #[inline]
    pub(crate) fn job_mut(&mut self, job: JobId) -> Option<(&mut Slot, Piece<'_>)> {
        let (lot, index) = self.find(job)?;
        let start = lot.start(index);
        let Lot { payload, slots, .. } = lot;
        let slot = slots.get_mut(index).filter(|slot| slot.place != Place::Settled)?;
        let end = slot.end;
        Some((slot, Piece::new(payload, start, end)))
    }

    /// How many bytes an unsettled job has.
    pub(crate) fn bytes_of(&mut self, job: JobId) -> u64 {
        self.job_mut(job).map_or(0, |(_, payload)| payload.len() as u64)
    }

    /// Ends a job, if `member` has this very delivery. Its lot is freed with its last job.
    #[inline]
    pub(crate) fn settle(&mut self, job: JobId, member: MemberId, attempt: Attempt) -> Option<Settled> {
        self.settle_if(job, |slot| {
            slot.is_with(member, attempt) || (Sabotage::AcceptStale.is_on() && slot.place == Place::Handed)
        })
    }

    /// Ends a job wherever it is.
    pub(crate) fn end(&mut self, job: JobId) -> Option<Settled> {
        self.settle_if(job, |slot| slot.place != Place::Settled)
    }

    #[inline]
    fn settle_if(&mut self, job: JobId, is_meant: impl FnOnce(&Slot) -> bool) -> Option<Settled> {
        let (lot, index) = self.find(job)?;
        let start = lot.start(index);
        let slot = lot.slots.get_mut(index).filter(|slot| is_meant(slot))?;
        let settled = Settled { slot: *slot, bytes: u64::from(slot.end - start) };
        slot.place = Place::Settled;
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
            let unsettled = lot.slots.iter().filter(|slot| slot.place != Place::Settled).count();
            assert_eq!(unsettled, lot.unsettled, "a lot counts its unsettled jobs");
            assert_ne!(unsettled, 0, "an empty lot is freed");
        }
        assert_eq!(lots().map(|lot| lot.unsettled as u64).sum::<u64>(), self.unsettled);
    }

    /// Every unsettled job with its bytes.
    #[cfg(any(debug_assertions, test))]
    pub(crate) fn census(&self) -> impl Iterator<Item = (JobId, &Slot, u64)> {
        self.lots.iter().flatten().flat_map(|lot| {
            let starts = (0..).map(|index| lot.start(index));
            (lot.first..)
                .zip(&lot.slots)
                .zip(starts)
                .filter(|((_, slot), _)| slot.place != Place::Settled)
                .map(|((job, slot), start)| (JobId(job), slot, u64::from(slot.end - start)))
        })
    }
}

impl Lot {
    #[inline]
    fn index(&self, job: JobId) -> Option<usize> {
        let index = usize::try_from(job.0.checked_sub(self.first)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    /// Where the payload of the job at `index` begins.
    #[inline]
    fn start(&self, index: usize) -> u32 {
        index.checked_sub(1).and_then(|previous| self.slots.get(previous)).map_or(0, |slot| slot.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_gives_its_moment_back_to_the_millisecond_also_across_its_wrap() {
        for start in [0, 5, (1 << 32) - 3, 1 << 40] {
            let handed = Time::from_origin(Duration::from_millis(start));
            for later in [0, 1, 10, 1 << 31] {
                let now = handed + Duration::from_millis(later);
                assert_eq!(Stamp::new(handed).before(now), handed, "{later} ms after {start}");
            }
        }
    }

    #[test]
    fn a_slot_is_no_larger_than_it_must_be() {
        assert_eq!(size_of::<Slot>(), 24, "there is one for each of a million jobs");
    }
}
