//! The table of jobs: every job that was sent and has no outcome yet, in the lots in which they were submitted.
//! A lot's memory is freed as a whole, when each of its jobs has its outcome; what a lot holds is bounded by the sender's batch.

use std::time::Duration;

use crate::batch::{Entry, Kind, Piece, Pieces, Submission};
use crate::dispatch::by_first::ByFirst;
use crate::dispatch::lease::MemberId;
use crate::ids::{Attempt, JobId, SinkId};
use crate::sabotage::Sabotage;
use crate::scattered::Scattered;
use crate::time::Time;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// In the backlog.
    Backlog = 0,
    /// It waits some time for its next attempt.
    BackingOff = 1,
    /// With its member, but not yet on its way.
    Placed = 2,
    /// On its way to its member, or being worked on.
    Handed = 3,
    /// It has its outcome.
    Settled = 4,
}

/// One job: there are many, and most are looked at in runs. What few of them need stands in their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The place in the lowest three bits, then whether there is a record, then the member.
    word: u32,
    /// When it was handed, in milliseconds modulo 2³².
    handed_at: u32,
    /// The newest delivery, or the one to come where nobody has the job.
    pub(crate) attempt: Attempt,
}

const PLACE_BITS: u32 = 3;
const RECORD: u32 = 1 << PLACE_BITS;
const MEMBER_SHIFT: u32 = PLACE_BITS + 1;

/// Members that a slot can name.
pub(crate) const MOST_MEMBERS: u32 = 1 << (u32::BITS - MEMBER_SHIFT);

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
    const FRESH: Self = Self { word: Place::Backlog as u32, handed_at: 0, attempt: Attempt::FIRST };

    const fn word(place: Place, member: MemberId) -> u32 {
        place as u32 | member.0 << MEMBER_SHIFT
    }

    /// Where it is.
    #[inline]
    pub(crate) const fn place(&self) -> Place {
        match self.word & (RECORD - 1) {
            0 => Place::Backlog,
            1 => Place::BackingOff,
            2 => Place::Placed,
            3 => Place::Handed,
            _ => Place::Settled,
        }
    }

    /// It is somewhere else now, with nobody.
    pub(crate) const fn put(&mut self, place: Place) {
        self.word = place as u32 | self.word & RECORD;
    }

    /// Whether more is known of it: its deadline, its start, its past.
    #[inline]
    pub(crate) const fn has_record(&self) -> bool {
        self.word & RECORD != 0
    }

    pub(crate) const fn mark_record(&mut self) {
        self.word |= RECORD;
    }

    /// Whether `member` has this very delivery.
    #[inline]
    pub(crate) fn is_with(&self, member: MemberId, attempt: Attempt) -> bool {
        self.word & !RECORD == Self::word(Place::Handed, member) && self.attempt == attempt
    }

    /// Whether it waits for `member`'s connection.
    #[inline]
    pub(crate) const fn is_placed_with(&self, member: MemberId) -> bool {
        self.word & !RECORD == Self::word(Place::Placed, member)
    }

    /// Who has the job, or will be handed it.
    pub(crate) const fn member(&self) -> Option<MemberId> {
        match self.place() {
            Place::Placed | Place::Handed => Some(MemberId(self.word >> MEMBER_SHIFT)),
            Place::Backlog | Place::BackingOff | Place::Settled => None,
        }
    }

    #[inline]
    pub(crate) const fn put_with(&mut self, member: MemberId) {
        self.word = Self::word(Place::Placed, member) | self.word & RECORD;
    }

    /// Another worker has it from now on.
    pub(crate) const fn hand_to(&mut self, member: MemberId, attempt: Attempt, stamp: Stamp) {
        self.word = Self::word(Place::Handed, member) | self.word & RECORD;
        self.attempt = attempt;
        self.handed_at = stamp.0;
    }

    /// Its worker's connection has taken it.
    #[inline]
    pub(crate) const fn hand(&mut self, stamp: Stamp) {
        self.word += Place::Handed as u32 - Place::Placed as u32;
        self.handed_at = stamp.0;
    }

    /// When it was handed.
    pub(crate) fn handed(&self, now: Time) -> Time {
        Stamp(self.handed_at).before(now)
    }
}

/// A job that has its outcome now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// As it was.
    pub(crate) slot: Slot,
    pub(crate) sink: SinkId,
    pub(crate) bytes: u64,
}

/// Consecutive jobs of one lot that have their outcome now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettledRun {
    pub(crate) count: usize,
    pub(crate) sink: SinkId,
    pub(crate) bytes: u64,
}

/// Consecutive jobs of one lot.
#[derive(Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) pieces: Pieces<'a>,
    pub(crate) slots: &'a mut [Slot],
}

impl Stretch<'_> {
    /// Whether the first of them waits for `member`'s connection.
    pub(crate) fn is_first_placed_with(&self, member: MemberId) -> bool {
        self.slots.first().is_some_and(|slot| slot.is_placed_with(member))
    }
}

#[derive(Debug)]
struct Lot {
    first: u64,
    payload: Scattered,
    /// Where each job's payload ends; it begins where the previous one's ends.
    ends: Vec<u32>,
    slots: Vec<Slot>,
    sinks: Sinks,
    /// Empty where jobs have no keys.
    keys: Vec<u64>,
    unsettled: usize,
}

/// Where the results of a lot's jobs go.
#[derive(Debug)]
enum Sinks {
    All(SinkId),
    Each(Vec<SinkId>),
}

/// All unsettled jobs.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    /// Lots in no order; `None` is free to be used again.
    lots: Vec<Option<Lot>>,
    free: Vec<usize>,
    by_first: ByFirst,
    /// The lot of the last look-up: jobs are asked for in runs.
    hint: usize,
    unsettled: u64,
    bytes: u64,
}

impl Lots {
    /// Takes a batch of jobs with consecutive numbers from `first`.
    pub(crate) fn insert(&mut self, first: u64, batch: Submission) {
        let count = batch.entries.len();
        self.unsettled += count as u64;
        self.bytes += batch.payload.len() as u64;
        let lot = Lot {
            first,
            ends: batch.entries.iter().map(|entry| entry.end).collect(),
            slots: vec![Slot::FRESH; count],
            sinks: Sinks::of(&batch),
            payload: batch.payload,
            keys: batch.keys,
            unsettled: count,
        };
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
        for (first, index) in self.by_first.iter() {
            let Some(lot) = self.lots.get(index).and_then(Option::as_ref) else { continue };
            let open = lot.slots.iter().enumerate().filter(|(_, slot)| slot.place() != Place::Settled);
            let of_sink = open.filter(|(index, _)| lot.sinks.get(*index) == sink);
            jobs.extend(of_sink.map(|(index, _)| JobId(first + index as u64)));
        }
        jobs
    }

    /// The job, unless it has its outcome (or never was).
    #[inline]
    pub(crate) fn slot_mut(&mut self, job: JobId) -> Option<&mut Slot> {
        let (lot, index) = self.find(job)?;
        lot.slots.get_mut(index).filter(|slot| slot.place() != Place::Settled)
    }

    /// The job and its payload.
    #[inline]
    pub(crate) fn job_mut(&mut self, job: JobId) -> Option<(&mut Slot, Piece<'_>)> {
        let (lot, index) = self.find(job)?;
        let start = lot.start(index);
        let Lot { payload, slots, ends, .. } = lot;
        let slot = slots.get_mut(index).filter(|slot| slot.place() != Place::Settled)?;
        let end = ends.get(index).copied()?;
        Some((slot, Piece::new(payload, start, end)))
    }

    /// Jobs from `first` on, as far as they are of one lot, `most` at most; settled ones among them too.
    pub(crate) fn stretch(&mut self, first: JobId, most: usize) -> Option<Stretch<'_>> {
        let (lot, index) = self.find(first)?;
        let start = lot.start(index);
        let behind = lot.slots.len().min(index.saturating_add(most));
        let pieces = Pieces::new(&lot.payload, start, lot.ends.get(index..behind)?);
        Some(Stretch { pieces, slots: lot.slots.get_mut(index..behind)? })
    }

    /// The first job from this one on whose lot is not gone.
    pub(crate) fn first_open(&mut self, job: JobId) -> Option<JobId> {
        if self.find(job).is_some() {
            return Some(job);
        }
        self.by_first.first_from(job.0).map(JobId)
    }

    /// How many bytes an unsettled job has.
    pub(crate) fn bytes_of(&mut self, job: JobId) -> u64 {
        self.job_mut(job).map_or(0, |(_, payload)| payload.len() as u64)
    }

    /// Where an unsettled job's results go.
    #[inline]
    pub(crate) fn sink_of(&mut self, job: JobId) -> SinkId {
        self.find(job).map_or(SinkId::RECEIVER, |(lot, index)| lot.sinks.get(index))
    }

    /// The oldest of the jobs that are with a worker, `most` at most, of those that a look at a few thousand finds.
    pub(crate) fn oldest_handed(&self, most: usize) -> Vec<(JobId, Slot)> {
        const LOOKED_AT: usize = 4096;
        let lots = self.by_first.iter().filter_map(|(_, index)| self.lots.get(index)?.as_ref());
        let slots = lots.flat_map(|lot| (lot.first..).map(JobId).zip(lot.slots.iter().copied()));
        slots.take(LOOKED_AT).filter(|(_, slot)| slot.place() == Place::Handed).take(most).collect()
    }

    /// A job's key, as long as its lot is here. Jobs without keys have one for all of them.
    pub(crate) fn key_of(&mut self, job: JobId) -> Option<u64> {
        self.find(job).map(|(lot, index)| lot.keys.get(index).copied().unwrap_or_default())
    }

    /// Ends a job, if `member` has this very delivery. Its lot is freed with its last job.
    #[inline]
    pub(crate) fn settle(&mut self, job: JobId, member: MemberId, attempt: Attempt) -> Option<Settled> {
        self.settle_if(job, |slot| {
            slot.is_with(member, attempt) || (Sabotage::AcceptStale.is_on() && slot.place() == Place::Handed)
        })
    }

    /// Ends a job wherever it is.
    pub(crate) fn end(&mut self, job: JobId) -> Option<Settled> {
        self.settle_if(job, |slot| slot.place() != Place::Settled)
    }

    fn settle_if(&mut self, job: JobId, is_meant: impl FnOnce(&Slot) -> bool) -> Option<Settled> {
        let (lot, index) = self.find(job)?;
        let slot = lot.slots.get_mut(index).filter(|slot| is_meant(slot))?;
        let before = *slot;
        slot.put(Place::Settled);
        let sink = lot.sinks.get(index);
        let bytes = u64::from(lot.ends.get(index)? - lot.start(index));
        lot.unsettled -= 1;
        self.unsettled -= 1;
        self.free_if_settled();
        Some(Settled { slot: before, sink, bytes })
    }

    /// Ends the jobs of `entries` one after the other, each completed with a result, as long as nothing is to be said of them beyond
    /// that: `member` has them in this attempt, they have no records, are of one lot and go to one sink.
    pub(crate) fn settle_run(&mut self, member: MemberId, entries: &[Entry]) -> SettledRun {
        let mut run = SettledRun { count: 0, sink: SinkId::RECEIVER, bytes: 0 };
        let Some(first) = entries.first() else { return run };
        let Some((lot, index)) = self.find(first.job) else { return run };
        run.sink = lot.sinks.get(index);
        let with_member = Slot::word(Place::Handed, member);
        for entry in entries {
            let Some(index) = lot.index(entry.job) else { break };
            let start = lot.start(index);
            let (Some(slot), Some(end)) = (lot.slots.get_mut(index), lot.ends.get(index)) else { break };
            let is_plain = entry.kind == Kind::Last
                && slot.word == with_member
                && slot.attempt == entry.attempt
                && lot.sinks.get(index) == run.sink;
            if !is_plain {
                break;
            }
            slot.word = Place::Settled as u32;
            run.count += 1;
            run.bytes += u64::from(end - start);
        }
        lot.unsettled -= run.count;
        self.unsettled -= run.count as u64;
        self.free_if_settled();
        run
    }

    /// Ends consecutive jobs, as long as nothing is to be said of them beyond that; see [`Lots::settle_run`].
    pub(crate) fn settle_span(
        &mut self,
        member: MemberId,
        first: JobId,
        count: u64,
        attempt: Attempt,
    ) -> SettledRun {
        let mut run = SettledRun { count: 0, sink: SinkId::RECEIVER, bytes: 0 };
        let Some((lot, index)) = self.find(first) else { return run };
        run.sink = lot.sinks.get(index);
        let with_member = Slot::word(Place::Handed, member);
        let start = lot.start(index);
        let mut behind = index;
        for slot in lot.slots.iter_mut().skip(index).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            if slot.word != with_member || slot.attempt != attempt || lot.sinks.get(behind) != run.sink {
                break;
            }
            slot.word = Place::Settled as u32;
            behind += 1;
        }
        run.count = behind - index;
        run.bytes = u64::from(lot.start(behind) - start);
        lot.unsettled -= run.count;
        self.unsettled -= run.count as u64;
        self.free_if_settled();
        run
    }

    /// Frees the lot of the last look-up, if each of its jobs has its outcome.
    fn free_if_settled(&mut self) {
        let Some(place) = self.lots.get_mut(self.hint) else { return };
        if let Some(lot) = place.take_if(|lot| lot.unsettled == 0) {
            self.bytes -= lot.payload.len() as u64;
            self.by_first.remove(lot.first);
            self.free.push(self.hint);
        }
    }

    #[inline]
    fn find(&mut self, job: JobId) -> Option<(&mut Lot, usize)> {
        let in_hint =
            self.lots.get(self.hint).and_then(Option::as_ref).is_some_and(|lot| lot.index(job).is_some());
        if !in_hint {
            self.hint = self.by_first.around(job.0)?;
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
            let unsettled = lot.slots.iter().filter(|slot| slot.place() != Place::Settled).count();
            assert_eq!(unsettled, lot.unsettled, "a lot counts its unsettled jobs");
            assert_ne!(unsettled, 0, "an empty lot is freed");
        }
        assert_eq!(lots().map(|lot| lot.unsettled as u64).sum::<u64>(), self.unsettled);
    }

    /// Every unsettled job with its bytes.
    #[cfg(any(debug_assertions, test))]
    pub(crate) fn census(&self) -> impl Iterator<Item = (JobId, &Slot, u64)> {
        self.lots.iter().flatten().flat_map(|lot| {
            let bytes = (0..).zip(&lot.ends).map(|(index, end)| u64::from(end - lot.start(index)));
            (lot.first..)
                .zip(&lot.slots)
                .zip(bytes)
                .filter(|((_, slot), _)| slot.place() != Place::Settled)
                .map(|((job, slot), bytes)| (JobId(job), slot, bytes))
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
        index.checked_sub(1).and_then(|previous| self.ends.get(previous)).copied().unwrap_or_default()
    }
}

impl Sinks {
    fn of(batch: &Submission) -> Self {
        let mut all = batch.entries.iter().map(Entry::sink);
        let first = all.next().unwrap_or(SinkId::RECEIVER);
        if all.all(|sink| sink == first) {
            Self::All(first)
        } else {
            Self::Each(batch.entries.iter().map(Entry::sink).collect())
        }
    }

    #[inline]
    fn get(&self, index: usize) -> SinkId {
        match self {
            Self::All(sink) => *sink,
            Self::Each(sinks) => sinks.get(index).copied().unwrap_or(SinkId::RECEIVER),
        }
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
    fn a_slot_is_no_larger_than_it_must_be_and_forgets_nothing() {
        assert_eq!(size_of::<Slot>(), 12, "there is one for each of a million jobs");
        let mut slot = Slot::FRESH;
        let member = MemberId(MOST_MEMBERS - 1);
        slot.put_with(member);
        assert!(slot.is_placed_with(member) && !slot.has_record());
        slot.mark_record();
        slot.hand(Stamp::new(Time::ZERO));
        assert_eq!((slot.place(), slot.member(), slot.has_record()), (Place::Handed, Some(member), true));
        assert!(slot.is_with(member, Attempt::FIRST) && !slot.is_with(MemberId(1), Attempt::FIRST));
        for place in [Place::Backlog, Place::BackingOff, Place::Settled] {
            slot.put(place);
            assert_eq!((slot.place(), slot.member(), slot.has_record()), (place, None, true));
        }
    }
}
