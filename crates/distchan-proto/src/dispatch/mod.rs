//! The jobs of one channel and the workers that take them: who gets what, which job has which outcome.
//! It knows no frame, no session's connection and no clock but the time it is handed.
//!
//! A job's way: [`Dispatch::submit`] puts it into the table and the backlog, [`Dispatch::place`] chooses its worker,
//! [`Dispatch::take`] hands it to that worker's connection, [`Dispatch::answer`] ends it, [`Dispatch::pop_release`] shows its results.
//! Whatever goes wrong (`endings`), or is no longer wanted (`cancelling`), puts it back with the next attempt or ends it otherwise;
//! [`Dispatch::take_revoked`] names the workers that are to be told.

mod answers;
mod backlog;
mod balance;
mod by_first;
mod cancelling;
mod endings;
#[cfg(any(debug_assertions, test))]
mod invariants;
mod keys;
pub(crate) mod lease;
pub(crate) mod lot;
pub(crate) mod members;
pub(crate) mod outcome;
mod parts;
mod placement;
pub(crate) mod policy;
mod records;
pub(crate) mod standing;
pub(crate) mod stats;
#[cfg(test)]
mod tests;
mod twins;
mod window;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::batch::{Batch, Entry, Kind, Pieces, Submission};
use crate::dispatch::backlog::Backlog;
use crate::dispatch::balance::Balance;
use crate::dispatch::endings::BackingOff;
use crate::dispatch::keys::Keys;
use crate::dispatch::lease::{Lease, MemberId, Run};
use crate::dispatch::lot::{Lots, Slot, Stamp, Stretch};
use crate::dispatch::outcome::{Outcomes, Release};
use crate::dispatch::placement::Ring;
use crate::dispatch::policy::Policy;
use crate::dispatch::records::Records;
use crate::dispatch::standing::{QUIET, Standing};
use crate::dispatch::stats::ChannelStats;
use crate::ids::{Attempt, JobId, SinkId};
use crate::limits;
use crate::sabotage::Sabotage;
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
    policy: Policy,
    lots: Lots,
    /// What more there is to know of a few jobs.
    records: Records,
    backlog: Backlog,
    backing_off: BackingOff,
    /// Jobs that are cancelled as soon as they are submitted.
    cancelled_early: BTreeSet<JobId>,
    leases: Vec<Option<Lease>>,
    free: Vec<MemberId>,
    ring: Ring,
    balance: Balance,
    /// Where jobs have keys.
    keys: Option<Keys>,
    /// How many jobs two workers have.
    doubled: u64,
    /// Jobs that were said not to have been begun, and that nobody had asked for.
    unasked: u64,
    /// Deliveries that nobody wants any more, and whose workers have not been told.
    revoked: Vec<(MemberId, Attempt, JobId)>,
    outcomes: Outcomes,
    unread: u64,
    closed: bool,
    stats: ChannelStats,
    #[cfg(any(debug_assertions, test))]
    checks: std::cell::Cell<u32>,
}

impl Dispatch {
    pub(crate) fn new(ordered: bool, policy: Policy) -> Self {
        Self {
            doubled: 0,
            unasked: 0,
            keys: policy.by_key.then(Keys::default),
            policy,
            lots: Lots::default(),
            records: Records::default(),
            backlog: Backlog::new(FIRST),
            backing_off: BackingOff::default(),
            cancelled_early: BTreeSet::new(),
            leases: Vec::new(),
            free: Vec::new(),
            ring: Ring::default(),
            balance: Balance::default(),
            revoked: Vec::new(),
            outcomes: Outcomes::new(FIRST, ordered),
            unread: 0,
            closed: false,
            stats: ChannelStats::default(),
            #[cfg(any(debug_assertions, test))]
            checks: std::cell::Cell::default(),
        }
    }

    /// Takes a batch of fresh jobs.
    pub(crate) fn submit(&mut self, now: Time, mut batch: Submission) {
        assert!(!self.closed, "nothing is submitted to a closed channel");
        let count = batch.entries.len() as u64;
        let first = self.backlog.extend(count);
        let deadlines = std::mem::take(&mut batch.deadlines);
        self.lots.insert(first, batch);
        self.stats.submitted += count;
        for (index, left) in deadlines {
            let job = JobId(first + u64::from(index));
            if let Some(slot) = self.lots.slot_mut(job) {
                slot.mark_record();
                self.records.set_deadline(job, now + left);
            }
        }
        self.cancel_early(now);
    }

    /// No fresh jobs will come.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.cancelled_early.clear();
    }

    /// Whether the channel is closed and every job has its outcome.
    pub(crate) fn is_finished(&self) -> bool {
        self.closed && self.lots.unsettled() <= u64::from(Sabotage::EndEarly.is_on())
    }

    /// Whether every job that was submitted has its outcome.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.lots.unsettled() == 0
    }

    /// Whether a worker waits for a job that is not here.
    pub(crate) fn is_hungry(&self) -> bool {
        self.backlog.is_empty()
            && !self.keys.as_ref().map_or(self.ring.is_empty(), Keys::is_empty)
            && !self.closed
            && !self.is_paused()
            && self.backing_off.jobs < limits::MAX_BACKING_OFF
            && self.backing_off.bytes < limits::MAX_BACKING_OFF_BYTES
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
    pub(crate) fn place(&mut self, now: Time, ready: &mut Vec<MemberId>) {
        if self.keys.is_some() {
            return self.place_by_key(now, ready);
        }
        ready.extend(self.balance.take_resumed());
        while let Some(job) = self.backlog.first_blamed()
            && self.outcomes.admits(job)
            && self.may_place(job)
            && let Some(member) = self.next_without_blame(now)
        {
            self.backlog.remove(job);
            self.place_with(now, member, job.0..job.0 + 1, ready);
            if let Some(lease) = self.lease_mut(member) {
                lease.blamed = Some(job);
            }
        }
        while let Some(job) = self.backlog.peek()
            && self.outcomes.admits(job)
            && self.may_place(job)
            && let Some(member) = self.next_in_turn(now)
        {
            let jobs = self.backlog.pop_run(self.portion(now, member, job));
            self.place_with(now, member, jobs, ready);
        }
        self.plan_balance(now);
    }

    /// The worker whose turn it is, if there is one that can take a job now. One that has said nothing for a while comes after all others.
    fn next_in_turn(&mut self, now: Time) -> Option<MemberId> {
        loop {
            let member = self.ring.first()?;
            let lease = self.leases.get_mut(member.0 as usize)?.as_mut()?;
            let standing = lease.turn?.standing;
            let is_late = standing.rank < QUIET && lease.is_quiet(now);
            if lease.room(now) > 0 && !is_late {
                return Some(member);
            }
            let next = (lease.room(now) > 0).then_some(Standing { rank: QUIET, ..standing });
            self.move_to(member, next);
        }
    }

    /// How many jobs, from this one on, a worker is given at its turn: where jobs are long one, so that they go round robin; where they are
    /// short, and the window is wide, a part of it that is worth a frame.
    fn portion(&self, now: Time, member: MemberId, first: JobId) -> u32 {
        const PARTS: u32 = 16;
        let Some(lease) = self.lease(member).filter(|_| !self.is_paused()) else { return 1 };
        let share =
            self.backlog.available().div_ceil(self.ring.len().max(1) as u64).min(self.outcomes.room(first));
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        // Nobody else is in turn, or whoever set the windows wants each job to go its way.
        let part = match (self.ring.len() <= 1, lease.window.is_fixed()) {
            (true, _) => u32::MAX,
            (false, true) => 1,
            (false, false) => lease.window.size() / PARTS,
        };
        share.min(lease.room(now)).min(part).max(1)
    }

    /// Places jobs that were taken out of the backlog with a worker that is in the ring; it goes to the end of the line.
    fn place_with(&mut self, now: Time, member: MemberId, jobs: Range<u64>, ready: &mut Vec<MemberId>) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            unreachable!("who has left is not in the ring");
        };
        if lease.to_hand(false) == 0 {
            ready.push(member);
        }
        let mut next = jobs.start;
        while next < jobs.end && lease.byte_room() > 0 {
            let most = usize::try_from(jobs.end - next).unwrap_or(usize::MAX);
            let Some(stretch) = self.lots.stretch(JobId(next), most) else {
                unreachable!("a job in the backlog is unsettled");
            };
            let (mut count, mut bytes, limit) = (0, 0, lease.byte_room());
            for (slot, length) in stretch.slots.iter_mut().zip(stretch.pieces.lengths()) {
                if bytes >= limit {
                    break;
                }
                slot.put_with(member);
                bytes += length as u64;
                count += 1;
            }
            lease.place(now, Run { first: JobId(next), count, attempt: Attempt::FIRST }, bytes);
            next += u64::from(count);
        }
        if lease.room(now) == 0 {
            lease.window.filled();
        }
        let standing = lease.standing(self.policy.distribution);
        self.move_to(member, standing);
        self.note_laden(member);
        if next < jobs.end {
            self.backlog.put_back(next..jobs.end);
        }
    }

    /// The next worker in turn that has no job in hand which brought down another one. Two such jobs are never with one worker: one of them
    /// may be innocent, and would be blamed for the other again.
    fn next_without_blame(&mut self, now: Time) -> Option<MemberId> {
        let Self { ring, leases, lots, .. } = self;
        ring.find(|member| {
            let lease = leases.get(member.0 as usize).and_then(Option::as_ref);
            lease.is_some_and(|lease| lease.room(now) > 0 && !is_blamed(lots, member, lease))
        })
    }

    /// Whether a worker has such a job in hand.
    fn has_blamed(&mut self, member: MemberId) -> bool {
        let Self { leases, lots, .. } = self;
        let lease = leases.get(member.0 as usize).and_then(Option::as_ref);
        lease.is_some_and(|lease| is_blamed(lots, member, lease))
    }

    /// Gives a worker another place in the ring, behind its like, or none.
    fn move_to(&mut self, member: MemberId, standing: Option<Standing>) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else { return };
        if let Some(turn) = lease.turn.take() {
            self.ring.leave(member, turn);
        }
        lease.turn = standing.map(|standing| self.ring.join(member, standing));
    }

    /// A worker's hands are fuller or emptier than before: gives it the place in the ring that belongs to that, where it has another one.
    fn restand(&mut self, member: MemberId) {
        let Some(lease) = self.lease(member) else { return };
        let standing = lease.standing(self.policy.distribution);
        if lease.turn.map(|turn| turn.standing) != standing {
            self.move_to(member, standing);
        }
    }

    /// Whether `member`'s connection could write a job now.
    pub(crate) fn can_take(&self, member: MemberId) -> bool {
        self.lease(member)
            .is_some_and(|lease| lease.to_hand(self.keys.is_some()) > 0 || lease.next_twin().is_some())
    }

    /// Hands `member`'s jobs to `visit`, in order: the entry of the first of some, and all of their bytes. As many as it says it has taken
    /// count as delivered; where it takes fewer than it was shown, that was all. `extra` of an entry is 0, or the milliseconds left until
    /// the one job's deadline, and one.
    pub(crate) fn take(
        &mut self,
        now: Time,
        member: MemberId,
        mut visit: impl FnMut(&Entry, &Pieces<'_>) -> usize,
    ) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        let stamp = Stamp::new(now);
        let by_key = self.keys.is_some();
        while let Some(run) = lease.next_to_hand()
            && let most @ 1.. = lease.to_hand(by_key)
        {
            let job = run.first;
            let found = self.lots.stretch(job, run.count.min(most) as usize);
            let Some(Stretch { pieces, slots }) =
                found.filter(|stretch| stretch.is_first_placed_with(member))
            else {
                // Cancelled since it was placed.
                lease.skip();
                continue;
            };
            let Some(first) = slots.first() else { return };
            let attempt = first.attempt;
            let is_like_it =
                |slot: &&Slot| slot.is_placed_with(member) && !slot.has_record() && slot.attempt == attempt;
            // One that has a record stands alone: it may have a deadline. So does one that was chosen by its key: the bytes of each count.
            let most = if by_key { 1 } else { usize::MAX };
            let count = slots.iter().take(most).take_while(is_like_it).count().max(1);
            let extra = if first.has_record() { self.records.left(job, now) } else { 0 };
            let entry = Entry { job, attempt, end: 0, extra, kind: Kind::Value };
            let (pieces, _) = pieces.split_at(count);
            let taken = visit(&entry, &pieces);
            slots.iter_mut().take(taken).for_each(|slot| slot.hand(stamp));
            if taken > 0 {
                let bytes = pieces.split_at(taken).0.range().len() as u64;
                lease.hand(job, u32::try_from(taken).unwrap_or(u32::MAX), attempt, bytes);
            }
            if taken < count {
                return;
            }
        }
        self.take_twins(now, member, &mut visit);
    }

    /// How many jobs were said not to have been begun that nobody had asked for, since the last call.
    pub(crate) const fn take_unasked(&mut self) -> u64 {
        std::mem::replace(&mut self.unasked, 0)
    }

    /// Passes on values that no job asked for.
    pub(crate) fn pass(&mut self, batch: Batch) {
        self.outcomes.release(Release { sink: SinkId::RECEIVER, batch });
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
        let leases = || self.leases.iter().flatten();
        let revoked: u64 = leases().map(Lease::revoked).sum();
        let outstanding = leases().map(|lease| u64::from(lease.outstanding())).sum::<u64>();
        let handed = outstanding - revoked - self.doubled;
        ChannelStats {
            queued: self.lots.unsettled() - handed,
            in_flight: handed,
            backing_off: self.backing_off.jobs,
            revoked,
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

    fn lease_mut(&mut self, member: MemberId) -> Option<&mut Lease> {
        self.leases.get_mut(member.0 as usize).and_then(Option::as_mut)
    }
}

/// Whether a worker has a job in hand that brought down another one.
fn is_blamed(lots: &mut Lots, member: MemberId, lease: &Lease) -> bool {
    let has_it = |job| lots.slot_mut(job).is_some_and(|slot| slot.member() == Some(member));
    lease.blamed.is_some_and(has_it)
}
