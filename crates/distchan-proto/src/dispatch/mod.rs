//! The jobs of one channel and the workers that take them: who gets what, which job has which outcome.
//! It knows no frame, no session and no clock but the time it is handed.
//!
//! A job's way: [`Dispatch::submit`] puts it into the table and the backlog, [`Dispatch::place`] chooses its worker,
//! [`Dispatch::take`] hands it to that worker's connection, [`Dispatch::answer`] ends it, [`Dispatch::pop_release`] shows its results.
//! [`Dispatch::leave`] puts whatever a worker had back into the backlog, with the next attempt.

mod answers;
mod backlog;
pub(crate) mod lease;
pub(crate) mod lot;
pub(crate) mod outcome;
mod placement;
pub(crate) mod stats;
mod window;

use bytes::Bytes;

use crate::batch::{Batch, Entry, Kind, Piece};
use crate::dispatch::answers::Parts;
use crate::dispatch::backlog::Backlog;
use crate::dispatch::lease::{Lease, MemberId};
use crate::dispatch::lot::{Holder, Lots};
use crate::dispatch::outcome::{Outcomes, Release};
use crate::dispatch::placement::Ring;
use crate::dispatch::stats::ChannelStats;
use crate::dispatch::window::Window;
use crate::ids::{JobId, SinkId};
use crate::limits;
use crate::time::Time;

const FIRST: JobId = JobId(1);

/// How much a worker may have in hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Jobs that the worker works on at once.
    pub(crate) concurrency: u32,
    /// The most jobs it may have unfinished.
    pub(crate) max_jobs: u32,
    /// The most bytes of unfinished jobs.
    pub(crate) max_bytes: u64,
    /// A number of jobs that stays, instead of one that adapts.
    pub(crate) fixed: Option<u32>,
}

/// One channel's jobs.
#[derive(Debug)]
pub(crate) struct Dispatch {
    lots: Lots,
    backlog: Backlog,
    leases: Vec<Option<Lease>>,
    free: Vec<MemberId>,
    ring: Ring,
    outcomes: Outcomes,
    unread: u64,
    closed: bool,
    stats: ChannelStats,
}

impl Dispatch {
    pub(crate) fn new(ordered: bool) -> Self {
        Self {
            lots: Lots::default(),
            backlog: Backlog::new(FIRST),
            leases: Vec::new(),
            free: Vec::new(),
            ring: Ring::default(),
            outcomes: Outcomes::new(FIRST, ordered),
            unread: 0,
            closed: false,
            stats: ChannelStats::default(),
        }
    }

    /// A worker takes part from now on.
    pub(crate) fn join(&mut self, now: Time, capacity: &Capacity) -> MemberId {
        let largest = capacity.max_jobs.clamp(1, limits::MAX_JOBS_IN_HAND);
        let window = match capacity.fixed {
            Some(size) => Window::fixed(now, size.clamp(1, largest)),
            None => Window::adaptive(now, capacity.concurrency, largest),
        };
        let mut lease = Lease::new(window, capacity.max_bytes.clamp(1, limits::MAX_BYTES_IN_HAND));
        lease.in_ring = true;
        let member = self.free.pop().unwrap_or_else(|| {
            self.leases.push(None);
            MemberId(u32::try_from(self.leases.len() - 1).expect("fewer workers than file descriptors"))
        });
        if let Some(place) = self.leases.get_mut(member.0 as usize) {
            *place = Some(lease);
        }
        self.ring.join(member);
        self.stats.workers += 1;
        member
    }

    /// A worker takes part no longer: what it had goes back to the backlog, at once, before every fresh job.
    pub(crate) fn leave(&mut self, member: MemberId) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(member);
        self.ring.leave(member);
        self.stats.workers -= 1;
        let (handed, placed) = lease.into_jobs();
        for job in handed {
            self.take_back(member, job);
        }
        for (job, _) in placed {
            self.backlog.give_back(job);
        }
    }

    /// A worker takes no further jobs, and answers those it has: what was only placed with it goes to others.
    pub(crate) fn retire(&mut self, member: MemberId) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        if lease.in_ring {
            self.ring.leave(member);
        }
        for (job, _) in lease.retire() {
            self.backlog.give_back(job);
        }
    }

    /// Takes a batch of fresh jobs.
    pub(crate) fn submit(&mut self, batch: &Batch) {
        assert!(!self.closed, "nothing is submitted to a closed channel");
        let count = batch.entries.len() as u64;
        let first = self.backlog.extend(count);
        self.lots.insert(first, batch);
        self.stats.submitted += count;
    }

    /// No fresh jobs will come.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the channel is closed and every job has its outcome.
    pub(crate) const fn is_finished(&self) -> bool {
        self.closed && self.lots.unsettled() == 0
    }

    /// Whether a worker waits for a job that is not here.
    pub(crate) fn is_hungry(&self) -> bool {
        self.backlog.is_empty() && !self.ring.is_empty() && !self.closed && !self.is_paused()
    }

    /// Whether results pile up: the receiver is behind, or an ordered channel waits for an old job.
    fn is_paused(&self) -> bool {
        self.unread + self.outcomes.parked_cost() >= limits::MAX_UNREAD_RESULTS
    }

    /// Whether this job may be given out now. The one that all held results wait for must be, however much is held.
    fn may_place(&self, job: JobId) -> bool {
        !self.is_paused() || (!self.is_withholding() && self.outcomes.is_awaited(job))
    }

    /// Whether the receiver is so far behind that workers get no new credit for their answers.
    pub(crate) const fn is_withholding(&self) -> bool {
        self.unread >= limits::MAX_UNREAD_RESULTS
    }

    /// Gives every job that can go to a worker, in turn; appends the workers whose connection has something new to write.
    pub(crate) fn place(&mut self, ready: &mut Vec<MemberId>) {
        while let Some(job) = self.backlog.peek()
            && self.outcomes.admits(job)
            && self.may_place(job)
            && let Some(member) = self.ring.next()
        {
            let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
                unreachable!("who has left is not in the ring");
            };
            if !lease.can_hand() {
                ready.push(member);
            }
            self.backlog.pop();
            lease.place(job, self.lots.job_mut(job).map_or(0, |(_, payload)| payload.len() as u64));
            lease.in_ring = lease.has_room();
            if lease.in_ring {
                self.ring.join(member);
            } else {
                lease.window.filled();
            }
        }
    }

    /// Whether `member`'s connection could write a job now.
    pub(crate) fn can_take(&self, member: MemberId) -> bool {
        self.lease(member).is_some_and(Lease::can_hand)
    }

    /// Hands `member`'s jobs to `visit`, in order, as long as it says true; a job counts as delivered when it did.
    pub(crate) fn take(&mut self, member: MemberId, mut visit: impl FnMut(&Entry, &Piece<'_>) -> bool) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        while let Some(job) = lease.next_to_hand() {
            let Some((slot, payload)) = self.lots.job_mut(job) else {
                unreachable!("a placed job is unsettled");
            };
            let entry = Entry { job, attempt: slot.attempt, end: 0, extra: 0, kind: Kind::Value };
            if !visit(&entry, &payload) {
                return;
            }
            slot.holder = Holder::Member(member);
            lease.hand();
        }
    }

    /// Takes a batch of answers. What speaks of a job that is not with `member`, in this attempt, is refused and counted.
    pub(crate) fn answer(&mut self, now: Time, member: MemberId, batch: &Batch) {
        let mut parts = Parts::new(batch);
        let settled_before = self.lots.unsettled();
        let mut index = 0;
        while let Some(entry) = batch.entries.get(index) {
            let start = batch.start(index);
            // A run longer than all that this worker has is a lie: it is not worth a look-up for each job.
            if entry.run() > u64::from(self.lease(member).map_or(0, Lease::outstanding)) {
                self.stats.refused_answers += entry.run();
                index += 1;
                continue;
            }
            let run = (0..entry.run()).map(|further| JobId(entry.job.0.wrapping_add(further)));
            match entry.kind {
                Kind::Result => {
                    index = self.answer_results(member, batch, index, &mut parts);
                    continue;
                }
                Kind::Last | Kind::Failed => {
                    if let Some(sink) = self.settle(member, entry.job, entry) {
                        self.conclude(batch, index, start, sink, &mut parts);
                    }
                }
                Kind::Done => run.for_each(|job| {
                    if let Some(sink) = self.settle(member, job, entry) {
                        self.conclude_done(job, start, entry, sink, &mut parts);
                    }
                }),
                Kind::Returned => run.for_each(|job| self.answer_returned(member, job, entry)),
                Kind::Value | Kind::Void => {}
            }
            index += 1;
        }
        parts.flush(&mut self.outcomes);
        let settled = u32::try_from(settled_before - self.lots.unsettled()).unwrap_or(u32::MAX);
        self.after_answers(now, member, settled);
    }

    /// Passes on values that no job asked for.
    pub(crate) fn pass(&mut self, batch: Batch) {
        self.outcomes.release(Release { sink: SinkId::RECEIVER, batch });
    }

    /// Puts the worker back into the ring when it has room again.
    fn after_answers(&mut self, now: Time, member: MemberId, settled: u32) {
        let lots = &mut self.lots;
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        lease.window.settled(now, settled);
        if lease.is_sparse() {
            lease
                .compact(|job| lots.slot_mut(*job).is_some_and(|slot| slot.holder == Holder::Member(member)));
        }
        if !lease.in_ring && lease.has_room() {
            lease.in_ring = true;
            self.ring.join(member);
        }
    }

    /// Results of a job, from `index` as far as they go: they stay in their part where the job's end follows in the same batch,
    /// else they are held. Returns the index behind them.
    fn answer_results(
        &mut self,
        member: MemberId,
        batch: &Batch,
        index: usize,
        parts: &mut Parts<'_>,
    ) -> usize {
        let rest = batch.entries.get(index..).unwrap_or_default();
        let Some(first) = rest.first() else { return index };
        let count = rest.iter().take_while(|next| next.job == first.job && next.kind == Kind::Result).count();
        let ends_here = rest.get(count).is_some_and(|end| end.job == first.job && end.kind == Kind::Last);
        let in_place = ends_here && !self.outcomes.is_ordered() && !self.outcomes.holds(first.job);
        for (offset, entry) in rest.iter().take(count).enumerate() {
            let start = batch.start(index + offset);
            let slot = self.lots.slot_mut(entry.job);
            match slot.filter(|slot| slot.is_with(member, entry.attempt)).map(|slot| slot.sink) {
                None => self.stats.refused_answers += 1,
                Some(sink) if in_place => parts.push(sink, start, *entry, &mut self.outcomes),
                Some(_) => {
                    let result = batch.payload.slice(start as usize..entry.end as usize);
                    self.hold(member, &result, entry);
                }
            }
        }
        index + count
    }

    /// Keeps a result for its job, at the expense of its worker's room.
    fn hold(&mut self, member: MemberId, result: &Bytes, entry: &Entry) {
        let before = self.outcomes.held_cost_of(entry.job);
        self.outcomes.hold(entry.job, result);
        let after = self.outcomes.held_cost_of(entry.job);
        if let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) {
            lease.held = lease.held + after - before;
        }
    }

    fn answer_returned(&mut self, member: MemberId, job: JobId, entry: &Entry) {
        if self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, entry.attempt)) {
            self.release_from(member, job);
            self.take_back(member, job);
            // Whoever gives a job back is not the next to be asked.
            self.ring.pass(member);
        } else {
            self.stats.refused_answers += 1;
        }
    }

    /// A job has ended with the entry at `index`, which has a payload.
    fn conclude(&mut self, batch: &Batch, index: usize, start: u32, sink: SinkId, parts: &mut Parts<'_>) {
        let Some(entry) = batch.entries.get(index) else {
            return;
        };
        if self.outcomes.is_ordered() || self.outcomes.holds(entry.job) {
            parts.flush(&mut self.outcomes);
            self.outcomes.finish(entry.job, sink, batch.part(index..index + 1));
        } else {
            parts.push(sink, start, *entry, &mut self.outcomes);
        }
    }

    /// A job of a run has ended without a further result.
    fn conclude_done(&mut self, job: JobId, start: u32, entry: &Entry, sink: SinkId, parts: &mut Parts<'_>) {
        if self.outcomes.is_ordered() || self.outcomes.holds(job) {
            parts.flush(&mut self.outcomes);
            let entries = vec![Entry { job, extra: 0, end: 0, ..*entry }];
            self.outcomes.finish(job, sink, Batch { payload: Bytes::new(), entries });
        } else {
            parts.push_done(sink, start, job, entry, &mut self.outcomes);
        }
    }

    /// Gives a job its outcome and returns its sink, or refuses.
    fn settle(&mut self, member: MemberId, job: JobId, entry: &Entry) -> Option<SinkId> {
        let Some((sink, bytes)) = self.lots.settle(job, member, entry.attempt) else {
            self.stats.refused_answers += 1;
            return None;
        };
        let failed = entry.kind == Kind::Failed || self.outcomes.is_overflown(job);
        self.stats.failed += u64::from(failed);
        self.stats.completed += u64::from(!failed);
        if let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) {
            lease.release(job, bytes);
            lease.held -= self.outcomes.held_cost_of(job);
            lease.completed += u64::from(!failed);
        }
        Some(sink)
    }

    fn release_from(&mut self, member: MemberId, job: JobId) {
        let bytes = self.lots.job_mut(job).map_or(0, |(_, payload)| payload.len() as u64);
        if let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) {
            lease.release(job, bytes);
            lease.held -= self.outcomes.held_cost_of(job);
        }
    }

    /// Puts a job that `member` holds back into the backlog, for its next attempt.
    fn take_back(&mut self, member: MemberId, job: JobId) {
        let Some(slot) = self.lots.slot_mut(job).filter(|slot| slot.holder == Holder::Member(member)) else {
            return;
        };
        slot.holder = Holder::Nobody;
        slot.attempt.0 += 1;
        self.outcomes.forget(job);
        self.backlog.give_back(job);
        self.stats.redelivered += 1;
    }

    /// The next outcomes for a sink.
    pub(crate) fn pop_release(&mut self) -> Option<Release> {
        let release = self.outcomes.pop()?;
        self.unread += release.batch.cost();
        Some(release)
    }

    /// The user has taken released results of this cost.
    pub(crate) const fn consumed(&mut self, cost: u64) {
        self.unread = self.unread.saturating_sub(cost);
    }

    /// Workers that take part.
    pub(crate) const fn workers(&self) -> u64 {
        self.stats.workers
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        let placed = self.backlog.len();
        let handed: u64 = self.leases.iter().flatten().map(|lease| u64::from(lease.outstanding())).sum();
        debug_assert!(placed + handed <= self.lots.unsettled());
        ChannelStats {
            queued: self.lots.unsettled() - handed,
            in_flight: handed,
            kept_bytes: self.lots.bytes(),
            unread_bytes: self.unread,
            held_bytes: self.outcomes.held_cost(),
            ..self.stats
        }
    }

    /// Jobs that a worker has in hand, and jobs that it has completed.
    pub(crate) fn of_member(&self, member: MemberId) -> (u64, u64) {
        self.lease(member).map_or((0, 0), |lease| (u64::from(lease.outstanding()), lease.completed))
    }

    fn lease(&self, member: MemberId) -> Option<&Lease> {
        self.leases.get(member.0 as usize).and_then(Option::as_ref)
    }

    /// Every job is in exactly one place, and every sum is the sum of its parts.
    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(&self) {
        self.lots.check_invariants();
        self.outcomes.check_invariants();
        let in_hand: u64 = self.leases.iter().flatten().map(|lease| u64::from(lease.in_hand())).sum();
        assert_eq!(
            self.backlog.len() + in_hand,
            self.lots.unsettled(),
            "a job is in the backlog or with one worker"
        );
        assert_eq!(self.leases.iter().flatten().count() as u64, self.stats.workers);
        let ended = self.stats.completed + self.stats.failed;
        assert_eq!(self.stats.submitted, ended + self.lots.unsettled(), "one outcome a job");
        let in_ring = self.leases.iter().flatten().filter(|lease| lease.in_ring).count();
        assert_eq!(in_ring, self.ring.len());
    }
}
