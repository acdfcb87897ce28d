//! What must hold of a channel's jobs between any two calls. It looks, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::dispatch::Dispatch;
use crate::dispatch::lease::MemberId;
use crate::dispatch::lot::{Place, Slot};
use crate::dispatch::records::Due;
use crate::ids::JobId;

/// So few jobs are all looked at after every call ...
const FEW: u64 = 500;

/// ... and more of them after one call in so many.
const SELDOM: u32 = 512;

/// How many jobs, and of how many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    jobs: u64,
    bytes: u64,
}

impl Count {
    const fn add(&mut self, bytes: u64) {
        self.jobs += 1;
        self.bytes += bytes;
    }
}

impl Dispatch {
    /// Every job is in exactly one place, and every sum is the sum of its parts.
    ///
    /// Where there are many jobs, those are looked at one by one only now and then: a test of a hundred thousand would be one of patience.
    pub(crate) fn check_invariants(&self) {
        let turn = self.checks.replace(self.checks.get().wrapping_add(1));
        if self.lots.unsettled() < FEW || turn.is_multiple_of(SELDOM) {
            self.lots.check_invariants();
            self.check_places();
        }
        self.outcomes.check_invariants();
        self.records.check_invariants();
        let stats = &self.stats;
        let ended = stats.completed + stats.failed + stats.dead + stats.cancelled;
        assert_eq!(stats.submitted, ended + self.lots.unsettled(), "one outcome a job");
        assert_eq!(self.leases.iter().flatten().count() as u64, stats.workers);
        let in_ring = || self.leases.iter().flatten().filter_map(|lease| lease.turn);
        assert_eq!(in_ring().count(), self.ring.len());
        assert_eq!(in_ring().filter(|turn| turn.standing.is_idle).count(), self.ring.idle());
        let laden = self.leases.iter().flatten().filter(|lease| lease.is_laden).count();
        assert_eq!(laden, self.balance.laden());
        let is_to_come = |job: &JobId| *job >= self.backlog.next_fresh();
        assert!(self.cancelled_early.iter().all(is_to_come), "what has come is cancelled");
    }

    fn check_places(&self) {
        let (mut backlog, mut backing_off, mut records, mut keyed) = (0, Count::default(), 0, 0);
        let mut members: BTreeMap<_, (Count, Count, u64)> = BTreeMap::new();
        let is_begun = |job| self.records.get(job).is_some_and(|record| record.started.is_some());
        let mut deliveries = BTreeSet::new();
        for (job, slot, bytes) in self.lots.census() {
            match (slot.place(), slot.member()) {
                (Place::Backlog, _) => backlog += 1,
                (Place::BackingOff, _) => backing_off.add(bytes),
                (Place::Placed, Some(member)) => members.entry(member).or_default().0.add(bytes),
                (Place::Handed, Some(member)) => {
                    let of_member = members.entry(member).or_default();
                    of_member.1.add(bytes);
                    of_member.2 += u64::from(is_begun(job));
                    deliveries.insert((member, job, slot.attempt));
                }
                (Place::Placed | Place::Handed | Place::Settled, _) => panic!("job {job} is nowhere"),
            }
            records += usize::from(slot.has_record());
            self.check_record(job, slot);
        }
        let mut waiting_twins = 0;
        for (job, twin) in self.records.twins() {
            let bytes = self.lots.census().find(|(other, ..)| *other == job).map(|(_, _, bytes)| bytes);
            let bytes = bytes.expect("a twin's job has no outcome");
            let of_member = members.entry(twin.member).or_default();
            if twin.handed.is_some() {
                of_member.1.add(bytes);
                of_member.2 += u64::from(twin.started.is_some());
                deliveries.insert((twin.member, job, twin.attempt));
            } else {
                of_member.1.bytes += bytes;
                waiting_twins += 1;
            }
        }
        let doubled = self.records.twins().filter(|(_, twin)| twin.handed.is_some()).count();
        assert_eq!(doubled as u64, self.doubled, "who is with two workers is counted");
        let waiting: usize = self.leases.iter().flatten().map(|lease| lease.twins().len()).sum();
        assert_eq!(waiting, waiting_twins, "whoever is to be handed a twin has it in its lease");
        assert_eq!(self.backlog.len(), backlog, "the backlog has the jobs that are in it");
        let counted = Count { jobs: self.backing_off.jobs, bytes: self.backing_off.bytes };
        assert_eq!(counted, backing_off, "who backs off is counted");
        assert_eq!(self.records.len(), records, "whoever has a record is marked, and nobody else");
        for (index, lease) in self.leases.iter().enumerate() {
            let Some(lease) = lease else { continue };
            let member = MemberId(u32::try_from(index).expect("members are few"));
            let (placed, handed, begun) = members.remove(&member).unwrap_or_default();
            for (job, attempt) in lease.handed() {
                deliveries.remove(&(member, job, attempt));
            }
            keyed += placed.jobs + handed.jobs;
            let bytes = (placed.bytes, placed.bytes + handed.bytes);
            lease.check_invariants((placed.jobs, handed.jobs, begun), bytes);
        }
        if let Some(keys) = &self.keys {
            assert_eq!(keys.active_jobs(), keyed, "a key is with a worker as long as jobs of it are");
        }
        assert!(deliveries.is_empty(), "nobody would miss these with their workers: {deliveries:?}");
        assert!(members.is_empty(), "jobs are with workers that are gone: {members:?}");
    }

    fn check_record(&self, job: JobId, slot: &Slot) {
        let due = self.records.due(job);
        assert_eq!(
            due == Some(Due::Retry),
            slot.place() == Place::BackingOff,
            "job {job} waits, and nobody wakes it"
        );
        assert!(
            due != Some(Due::Timeout) || slot.place() == Place::Handed,
            "job {job} times out with nobody"
        );
        let is_started = self.records.get(job).is_some_and(|record| record.started.is_some());
        assert!(!is_started || slot.place() == Place::Handed, "job {job} was begun by nobody");
    }
}
