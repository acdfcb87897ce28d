//! Speculation: a job that one worker has for long is given to an idle one too. Its record knows the second delivery, its twin; whoever says
//! something of the job first has it, and the other is told to stop.

use std::time::Duration;

use crate::batch::{Entry, Kind, Pieces};
use crate::dispatch::Dispatch;
use crate::dispatch::lease::{Identity, MemberId};
use crate::dispatch::lot::Stamp;
use crate::dispatch::records::Twin;
use crate::failure::{AttemptEnd, AttemptRecord};
use crate::ids::{Attempt, JobId};
use crate::time::Time;

/// So many jobs are looked at, at most, in one go.
const LOOKED_AT: usize = 64;

/// Parts of the time after which a job gets a twin, at each of which that is looked into.
const LOOKS: u32 = 8;

impl Dispatch {
    /// When it is to be looked into again whether a job has been with its worker for too long: while somebody is idle.
    pub(super) fn next_look_at_stragglers(&self, now: Time) -> Option<Time> {
        let after = self.policy.speculate_after.filter(|_| self.may_speculate())?;
        Some(now + (after / LOOKS).max(Duration::from_millis(1)))
    }

    fn may_speculate(&self) -> bool {
        self.ring.idle() > 0
            && self.stats.workers > 1
            && self.lots.unsettled() > 0
            && self.backlog.is_empty()
            && self.keys.is_none()
            && !self.is_paused()
    }

    /// Gives jobs that are with one worker for long to others that are idle.
    pub(super) fn speculate(&mut self, now: Time) {
        let Some(after) = self.policy.speculate_after.filter(|_| self.may_speculate()) else { return };
        for (job, slot) in self.lots.oldest_handed(LOOKED_AT) {
            let record = self.records.get(job);
            // Whatever may have brought down a worker is not given to two.
            let is_harmless = record
                .is_none_or(|record| record.crashes == 0 && !record.is_suspected && record.twin.is_none());
            if now - slot.handed(now) < after || !is_harmless || self.outcomes.holds(job) {
                continue;
            }
            let Self { ring, leases, .. } = self;
            let other = ring.find(|member| {
                let lease = leases.get(member.0 as usize).and_then(Option::as_ref);
                let is_idle = lease.and_then(|lease| lease.turn).is_some_and(|turn| turn.standing.is_idle);
                is_idle && slot.member() != Some(member)
            });
            let Some(other) = other else { return };
            self.add_twin(now, job, slot.attempt, other);
        }
    }

    fn add_twin(&mut self, now: Time, job: JobId, attempt: Attempt, member: MemberId) {
        let bytes = self.lots.bytes_of(job);
        if let Some(slot) = self.lots.slot_mut(job) {
            slot.mark_record();
        }
        let record = self.records.open(job);
        record.last_twin = record.last_twin.max(attempt.0).saturating_add(1);
        let attempt = Attempt(record.last_twin);
        record.twin = Some(Twin { member, attempt, handed: None, started: None });
        if let Some(lease) = self.lease_mut(member) {
            lease.add_twin(now, job, bytes);
        }
        self.stats.speculated += 1;
        self.balance.resume(member);
        self.restand(member);
    }

    /// Hands second deliveries to a worker's connection, behind all else that it was to take: what it may have is counted in that order.
    pub(super) fn take_twins(
        &mut self,
        now: Time,
        member: MemberId,
        visit: &mut impl FnMut(&Entry, &Pieces<'_>) -> usize,
    ) {
        while let Some(job) = self.lease(member).and_then(|lease| lease.next_twin()) {
            let extra = self.records.left(job, now);
            let twin = self.records.get_mut(job).and_then(|record| record.twin.as_mut());
            let (Some(twin), Some(stretch)) = (twin, self.lots.stretch(job, 1)) else { return };
            let entry = Entry { job, attempt: twin.attempt, end: 0, extra, kind: Kind::Value };
            if visit(&entry, &stretch.pieces) == 0 {
                return;
            }
            twin.handed = Some(now);
            let attempt = twin.attempt;
            self.doubled += 1;
            if let Some(lease) = self.lease_mut(member) {
                lease.hand_twin(job, attempt);
            }
        }
    }

    /// A worker says something of a job: where it has the job's twin, the job is its from now on, and the other is told to stop.
    pub(super) fn prefer(&mut self, now: Time, member: MemberId, job: JobId, attempt: Attempt) {
        let Some(twin) = self.records.twin(job).filter(|twin| twin.is_with(member, attempt)) else { return };
        self.revoke(job);
        self.promote(now, job, twin);
    }

    /// A job's twin takes the place of the delivery that its slot had.
    pub(super) fn promote(&mut self, now: Time, job: JobId, twin: Twin) {
        self.records.clear_due(job);
        self.outcomes.forget(job);
        if let Some(slot) = self.lots.slot_mut(job) {
            slot.hand_to(twin.member, twin.attempt, Stamp::new(twin.handed.unwrap_or(now)));
        }
        let record = self.records.open(job);
        record.twin = None;
        record.started = None;
        self.doubled -= 1;
        if twin.started.is_some() {
            self.mark_started(now, job);
        }
    }

    /// Nobody wants a job's second delivery any more.
    pub(super) fn drop_twin(&mut self, job: JobId) {
        let bytes = self.lots.bytes_of(job);
        let Some(twin) = self.records.get_mut(job).and_then(|record| record.twin.take()) else { return };
        let Some(lease) = self.lease_mut(twin.member) else { return };
        if twin.handed.is_some() {
            lease.revoke(job, twin.attempt, bytes, twin.started.is_some());
            self.doubled -= 1;
            self.revoked.push((twin.member, twin.attempt, job));
        } else {
            lease.drop_twin(job, bytes);
            self.restand(twin.member);
        }
    }

    /// A worker gives a job back of which it had the second delivery; false where it had not.
    pub(super) fn return_twin(&mut self, member: MemberId, job: JobId, attempt: Attempt) -> bool {
        if !self.records.twin(job).is_some_and(|twin| twin.is_with(member, attempt)) {
            return false;
        }
        let bytes = self.lots.bytes_of(job);
        let was_begun = self.records.open(job).twin.take().is_some_and(|twin| twin.started.is_some());
        self.doubled -= 1;
        if let Some(lease) = self.lease_mut(member) {
            lease.release_one(bytes, was_begun);
        }
        true
    }

    /// A worker that had second deliveries is gone; where it had begun with them, and was lost, that counts against the jobs.
    pub(super) fn lose_twin(
        &mut self,
        now: Time,
        job: JobId,
        twin: Twin,
        was_lost: bool,
        identity: &Identity,
    ) {
        let record = self.records.open(job);
        record.twin = None;
        self.doubled -= u64::from(twin.handed.is_some());
        let Some(handed) = twin.handed.filter(|_| was_lost) else { return };
        let started = twin.started.is_some();
        record.crashes += u32::from(started);
        self.stats.crashes += u64::from(started);
        record.note(AttemptRecord {
            attempt: twin.attempt,
            session: identity.session,
            worker: identity.name.clone(),
            started: twin.started.unwrap_or(handed),
            ended: now,
            end: AttemptEnd::Crashed { started },
        });
    }
}
