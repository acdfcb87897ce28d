//! Workers that come, rest and go, and what becomes of what they had.

use crate::dispatch::endings::Next;
use crate::dispatch::lease::{Identity, Lease, MemberId, RunQueue};
use crate::dispatch::lot::{MOST_MEMBERS, Place};
use crate::dispatch::window::Window;
use crate::dispatch::{Capacity, Dispatch};
use crate::failure::{AttemptEnd, Ending};
use crate::ids::{Attempt, JobId, SessionId};
use crate::limits;
use crate::sabotage::Sabotage;
use crate::time::Time;

/// How a worker's part in a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It left, or was told to: nothing is counted against its jobs.
    Left,
    /// It was lost: a job may have brought it down.
    Lost,
}

impl Dispatch {
    /// A worker takes part from now on.
    pub(crate) fn join(
        &mut self,
        now: Time,
        capacity: &Capacity,
        session: SessionId,
        name: &str,
    ) -> MemberId {
        let largest = capacity.max_jobs.clamp(1, limits::MAX_JOBS_IN_HAND);
        let window = match capacity.fixed {
            Some(size) => Window::fixed(now, size.clamp(1, largest)),
            None => Window::adaptive(now, capacity.concurrency, largest),
        };
        let identity = Identity { session, name: name.into() };
        let max_bytes = capacity.max_bytes.clamp(1, limits::MAX_BYTES_IN_HAND);
        let lease = Lease::new(identity, window, capacity.concurrency, max_bytes);
        let member = self.free.pop().unwrap_or_else(|| {
            self.leases.push(None);
            let index = u32::try_from(self.leases.len() - 1).ok().filter(|index| *index < MOST_MEMBERS);
            MemberId(index.expect("fewer workers than file descriptors"))
        });
        if let Some(place) = self.leases.get_mut(member.0 as usize) {
            *place = Some(lease);
        }
        self.restand(member);
        if let Some(keys) = &mut self.keys {
            keys.join(member, session);
        }
        self.stats.workers += 1;
        member
    }

    /// A worker takes part no longer: what it had goes back to the backlog, at once, before every fresh job; where it was lost and a
    /// job was to blame too often, that job is dead.
    pub(crate) fn leave(&mut self, now: Time, member: MemberId, departure: Departure) {
        let Some(mut lease) = self.leases.get_mut(member.0 as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(member);
        if let Some(turn) = lease.turn.take() {
            self.ring.leave(member, turn);
        }
        self.balance.forget(member);
        if let Some(keys) = &mut self.keys {
            keys.leave(member, lease.identity.session);
        }
        self.stats.workers -= 1;
        let placed = lease.take_placed();
        self.give_back(member, &placed);
        for job in lease.twins() {
            self.records.open(job).twin = None;
        }
        // Whoever had begun something was brought down by that, if by a job at all: the others only stood by.
        let is_explained = departure == Departure::Lost
            && (lease.is_busy_with_revoked()
                || lease.handed().any(|(job, attempt)| self.is_started_with(job, attempt, member)));
        for (job, attempt) in lease.handed() {
            if let Some(twin) = self.records.twin(job).filter(|twin| twin.is_with(member, attempt)) {
                self.lose_twin(now, job, twin, departure == Departure::Lost, &lease.identity);
                continue;
            }
            let is_known = !Sabotage::ForgetOnDisconnect.is_on();
            if is_known && self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, attempt)) {
                self.vacate(member, job);
                let next = match departure {
                    Departure::Left => {
                        self.end_attempt(now, job, &lease.identity, AttemptEnd::Returned);
                        Next::AtOnce
                    }
                    Departure::Lost => self.end_lost(now, job, &lease.identity, is_explained),
                };
                self.go_on(now, job, next);
            }
        }
    }

    /// The worker that had the job was lost.
    fn end_lost(&mut self, now: Time, job: JobId, identity: &Identity, is_explained: bool) -> Next {
        let started = self.records.get(job).is_some_and(|record| record.started.is_some());
        self.end_attempt(now, job, identity, AttemptEnd::Crashed { started });
        let record = self.records.open(job);
        if started || Sabotage::CountBystander.is_on() {
            record.crashes += 1;
            self.stats.crashes += 1;
        } else if !is_explained {
            record.is_suspected = true;
        }
        if record.is_deadly(self.policy.crash_limit) { Next::End(Ending::Dead) } else { Next::AtOnce }
    }

    fn is_started_with(&mut self, job: JobId, attempt: Attempt, member: MemberId) -> bool {
        let slot = self.lots.slot_mut(job).filter(|slot| slot.is_with(member, attempt) && slot.has_record());
        slot.is_some() && self.records.get(job).is_some_and(|record| record.started.is_some())
    }

    /// A worker takes no further jobs, and answers those it has: what was only placed with it goes to others.
    pub(crate) fn retire(&mut self, member: MemberId) {
        self.set_aside(member, Lease::retire);
    }

    /// A worker is out of reach for now: it gets no new jobs, and keeps those that were handed to it, timers and all. What was only
    /// placed with it goes to others.
    pub(crate) fn pause(&mut self, member: MemberId) {
        self.set_aside(member, Lease::pause);
    }

    /// A worker is back.
    pub(crate) fn unpause(&mut self, now: Time, member: MemberId) {
        if let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) {
            lease.unpause(now);
            if let Some(keys) = self.keys.as_mut().filter(|_| lease.is_active()) {
                keys.join(member, lease.identity.session);
            }
        }
        self.restand(member);
    }

    fn set_aside(&mut self, member: MemberId, mark: impl FnOnce(&mut Lease)) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        mark(lease);
        if let Some(keys) = &mut self.keys {
            keys.leave(member, lease.identity.session);
        }
        let twins = lease.twins();
        twins.into_iter().for_each(|job| self.drop_twin(job));
        self.take_back_placed(member);
        self.restand(member);
    }

    /// What was placed with a worker and not yet on its way goes to others; how many jobs that is.
    pub(super) fn take_back_placed(&mut self, member: MemberId) -> u32 {
        let Some(lease) = self.lease_mut(member) else { return 0 };
        let before = lease.in_hand();
        let placed = lease.take_placed();
        let bytes = self.give_back(member, &placed);
        let Some(lease) = self.lease_mut(member) else { return 0 };
        lease.drop_bytes(bytes);
        before - lease.in_hand()
    }

    /// What was placed with a worker and not yet on its way goes to others. Returns how many bytes that is.
    fn give_back(&mut self, member: MemberId, placed: &RunQueue) -> u64 {
        let mut bytes = 0;
        for (job, _) in placed.deliveries() {
            if let Some((slot, payload)) = self.lots.job_mut(job)
                && slot.is_placed_with(member)
            {
                bytes += payload.len() as u64;
                slot.put(Place::Backlog);
                self.vacate(member, job);
                self.put_back(job);
            }
        }
        bytes
    }
}
