//! Jobs that have keys: which worker has which. A key's worker is found by consistent hashing, so that few keys move when workers come and
//! go; and a key stays where it is as long as jobs of it are there, so that they are done in order. What waits for its worker stands with
//! it, and is given back like all that was only placed.

use std::collections::BTreeMap;

use crate::dispatch::Dispatch;
use crate::dispatch::lease::{Lease, MemberId, Run};
use crate::ids::{Attempt, JobId, SessionId};
use crate::time::Time;

/// Points on the circle for each worker: shares differ by about a tenth then.
const POINTS: u64 = 128;

/// Which worker has which keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The workers that take part, each at many points.
    circle: BTreeMap<u64, MemberId>,
    /// Jobs of a key that are with a worker. A key is with several where its worker was away for a while: whoever was given one last counts.
    active: BTreeMap<(u64, MemberId), Held>,
    entered: u64,
    /// Workers that may have room for what waits for them.
    resumed: Vec<MemberId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    jobs: u64,
    /// Which of all jobs that were ever given to a worker was the last of these.
    last: u64,
}

impl Keys {
    /// A worker takes part.
    pub(crate) fn join(&mut self, member: MemberId, session: SessionId) {
        self.circle.extend(points(session).map(|point| (point, member)));
    }

    /// A worker takes part no longer. What it has of a key is still its.
    pub(crate) fn leave(&mut self, member: MemberId, session: SessionId) {
        for point in points(session) {
            if self.circle.get(&point) == Some(&member) {
                self.circle.remove(&point);
            }
        }
        self.resumed.retain(|other| *other != member);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.circle.is_empty()
    }

    /// A worker has answered something.
    pub(crate) fn resume(&mut self, member: MemberId) {
        self.resumed.push(member);
    }

    /// The worker for a key that is with nobody: the next on the circle.
    fn owner(&self, key: u64) -> Option<MemberId> {
        let next = self.circle.range(scatter(key)..).next().or_else(|| self.circle.first_key_value());
        next.map(|(_, member)| *member)
    }

    /// Who was given a job of a key last, of the workers that have some and take part.
    fn holder(&self, key: u64, takes_part: impl Fn(MemberId) -> bool) -> Option<MemberId> {
        let all = (key, MemberId(0))..=(key, MemberId(u32::MAX));
        let holders = self.active.range(all).filter(|((_, member), _)| takes_part(*member));
        holders.max_by_key(|(_, held)| held.last).map(|((_, member), _)| *member)
    }

    fn enter(&mut self, key: u64, member: MemberId) {
        self.entered += 1;
        let held = self.active.entry((key, member)).or_default();
        *held = Held { jobs: held.jobs + 1, last: self.entered };
    }

    pub(super) fn vacate(&mut self, key: u64, member: MemberId) {
        if let Some(held) = self.active.get_mut(&(key, member)) {
            held.jobs -= 1;
            if held.jobs == 0 {
                self.active.remove(&(key, member));
            }
        }
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn active_jobs(&self) -> u64 {
        self.active.values().map(|held| held.jobs).sum()
    }
}

/// A worker's points on the circle.
fn points(session: SessionId) -> impl Iterator<Item = u64> {
    (0..POINTS).map(move |point| scatter(session.0.wrapping_mul(POINTS).wrapping_add(point)))
}

/// A number that has nothing to do with `number`: the finaliser of SplitMix64.
const fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Dispatch {
    /// [`Dispatch::place`], where each job's worker is chosen by its key.
    pub(super) fn place_by_key(&mut self, now: Time, ready: &mut Vec<MemberId>) {
        let resumed = self.keys.as_mut().map(|keys| std::mem::take(&mut keys.resumed)).unwrap_or_default();
        ready.extend(resumed.into_iter().filter(|member| self.can_take(*member)));
        while let Some(job) = self.backlog.first_blamed()
            && let Some(member) = self.member_for(job)
            && !self.has_blamed(member)
        {
            self.backlog.remove(job);
            self.queue_with(now, member, job, ready);
            if let Some(lease) = self.lease_mut(member) {
                lease.blamed = Some(job);
            }
        }
        while let Some(job) = self.backlog.peek()
            && let Some(member) = self.member_for(job)
        {
            self.backlog.pop_run(1);
            self.queue_with(now, member, job, ready);
        }
    }

    /// Whose a job is, if it may be given out now and that worker's queue is not full.
    fn member_for(&mut self, job: JobId) -> Option<MemberId> {
        if !self.outcomes.admits(job) || !self.may_place(job) {
            return None;
        }
        let key = self.lots.key_of(job).unwrap_or_default();
        let keys = self.keys.as_ref()?;
        let takes_part = |member| self.lease(member).is_some_and(Lease::is_active);
        let member = keys.holder(key, takes_part).or_else(|| keys.owner(key))?;
        self.lease(member)?.may_queue().then_some(member)
    }

    /// Puts a job behind those that wait for a worker.
    fn queue_with(&mut self, now: Time, member: MemberId, job: JobId, ready: &mut Vec<MemberId>) {
        let Some((slot, payload)) = self.lots.job_mut(job) else { return };
        let bytes = payload.len() as u64;
        slot.put_with(member);
        let key = self.lots.key_of(job).unwrap_or_default();
        if let Some(keys) = &mut self.keys {
            keys.enter(key, member);
        }
        let Some(lease) = self.lease_mut(member) else { return };
        let could = lease.to_hand(true) > 0;
        lease.place(now, Run { first: job, count: 1, attempt: Attempt::FIRST }, bytes);
        match (could, lease.to_hand(true) > 0) {
            (false, true) => ready.push(member),
            (_, false) => lease.window.filled(),
            (true, true) => {}
        }
    }

    /// A job is not with its worker any more.
    pub(super) fn vacate(&mut self, member: MemberId, job: JobId) {
        if let Some(keys) = &mut self.keys
            && let Some(key) = self.lots.key_of(job)
        {
            keys.vacate(key, member);
        }
    }
}
