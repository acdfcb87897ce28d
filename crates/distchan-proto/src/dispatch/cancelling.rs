//! Jobs that nobody wants any more, wherever they are, and deliveries that are taken from a worker while it works on them.

use crate::dispatch::Dispatch;
use crate::dispatch::lease::{Identity, MemberId};
use crate::dispatch::lot::Place;
use crate::failure::{AttemptEnd, Ending};
use crate::ids::{Attempt, JobId, SinkId};
use crate::time::Time;

impl Dispatch {
    /// Ends a job as cancelled, wherever it is; one that was not submitted yet as soon as it comes. No effect where it has its outcome.
    pub(crate) fn cancel(&mut self, now: Time, job: JobId) {
        if job >= self.backlog.next_fresh() {
            if !self.closed {
                self.cancelled_early.insert(job);
            }
            return;
        }
        self.call_off(now, job, false);
    }

    /// Ends every unsettled job of a sink as cancelled.
    pub(crate) fn cancel_sink(&mut self, now: Time, sink: SinkId) {
        for job in self.lots.jobs_of(sink) {
            self.call_off(now, job, false);
        }
    }

    /// Jobs that were cancelled before they came, and have come now.
    pub(super) fn cancel_early(&mut self, now: Time) {
        while let Some(&job) = self.cancelled_early.first()
            && job < self.backlog.next_fresh()
        {
            self.cancelled_early.pop_first();
            self.call_off(now, job, false);
        }
    }

    /// The deliveries that were revoked since the last call, so that their workers can be told.
    pub(crate) fn take_revoked(&mut self) -> Vec<(MemberId, Attempt, JobId)> {
        std::mem::take(&mut self.revoked)
    }

    /// Nobody wants a job any more, or its deadline has passed.
    pub(super) fn call_off(&mut self, now: Time, job: JobId, is_overdue: bool) {
        let Some((slot, payload)) = self.lots.job_mut(job) else {
            return;
        };
        let (slot, bytes) = (*slot, payload.len() as u64);
        match slot.place() {
            Place::Backlog => self.backlog.remove(job),
            Place::BackingOff => self.backing_off.remove(bytes),
            Place::Placed => self.unplace(slot.member(), job, bytes),
            Place::Handed => {
                if let Some(identity) = self.revoke(job) {
                    self.end_attempt(now, job, &identity, AttemptEnd::Cancelled);
                }
            }
            Place::Settled => {}
        }
        self.give_up(job, Ending::Cancelled, is_overdue);
        if slot.place() == Place::Placed
            && let Some(member) = slot.member()
        {
            self.compact_placed(member);
            self.restand(member);
        }
    }

    /// Takes a handed job from its worker, whose place stays taken until it answers; returns whose it was.
    pub(super) fn revoke(&mut self, job: JobId) -> Option<Identity> {
        let (slot, payload) = self.lots.job_mut(job)?;
        let (slot, bytes) = (*slot, payload.len() as u64);
        let member = slot.member().filter(|_| slot.place() == Place::Handed)?;
        let was_started = self.records.get(job).is_some_and(|record| record.started.is_some());
        let held = self.outcomes.held_cost_of(job);
        self.vacate(member, job);
        let lease = self.lease_mut(member)?;
        lease.held -= held;
        lease.revoke(job, slot.attempt, bytes, was_started);
        let identity = lease.identity.clone();
        self.revoked.push((member, slot.attempt, job));
        Some(identity)
    }

    /// A placed job has its outcome: its entry in the lease means nothing any more.
    fn unplace(&mut self, member: Option<MemberId>, job: JobId, bytes: u64) {
        let Some(member) = member else { return };
        self.vacate(member, job);
        if let Some(lease) = self.lease_mut(member) {
            lease.unplace(bytes);
        }
    }

    /// Forgets entries that mean nothing, when they are many: whoever never reads must not gather them.
    fn compact_placed(&mut self, member: MemberId) {
        let lots = &mut self.lots;
        if let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut)
            && lease.is_full_of_void()
        {
            lease.compact_placed(|job| lots.slot_mut(job).is_some_and(|slot| slot.is_placed_with(member)));
        }
    }
}
