//! What becomes visible to the server's receivers, and when: the results of a job when it completes, all of them or none;
//! in the order of the jobs where that was asked for.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::batch::{self, Batch, Entry, Kind};
use crate::ids::{Attempt, JobId, SinkId};
use crate::limits;
use crate::sabotage::Sabotage;

/// Results below this size are copied when they are held.
const SMALL: usize = 4096;

/// Outcomes for one sink: results, and how their jobs ended.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) sink: SinkId,
    pub(crate) batch: Batch,
}

/// Results that wait, and releases that are ready.
#[derive(Debug)]
pub(crate) struct Outcomes {
    /// Results of jobs that go on.
    held: BTreeMap<JobId, Held>,
    held_cost: u64,
    parked_cost: u64,
    order: Option<Order>,
    releases: VecDeque<Release>,
}

/// The results of a job that goes on.
#[derive(Debug, Default)]
struct Held {
    results: Vec<Bytes>,
    cost: u64,
    /// It has sent more than is kept: it will have failed, whatever it says at its end.
    is_overflown: bool,
}

/// Finished jobs that wait for an older one.
#[derive(Debug)]
struct Order {
    next: JobId,
    parked: BTreeMap<JobId, Release>,
}

impl Order {
    /// Releases what need not wait any more; returns what that had cost.
    fn release(&mut self, releases: &mut VecDeque<Release>) -> u64 {
        let mut cost = 0;
        while let Some(release) = self.parked.remove(&self.next) {
            cost += release.batch.cost();
            releases.push_back(release);
            self.next.0 += 1;
        }
        cost
    }
}

impl Outcomes {
    pub(crate) fn new(first: JobId, ordered: bool) -> Self {
        let order = ordered.then(|| Order { next: first, parked: BTreeMap::new() });
        Self { held: BTreeMap::new(), held_cost: 0, parked_cost: 0, order, releases: VecDeque::new() }
    }

    /// What is kept for its job, or for an older job, costs.
    pub(crate) const fn held_cost(&self) -> u64 {
        self.held_cost + self.parked_cost
    }

    /// What waits for an older job costs.
    pub(crate) const fn parked_cost(&self) -> u64 {
        self.parked_cost
    }

    /// What is kept of one job that goes on costs.
    pub(crate) fn held_cost_of(&self, job: JobId) -> u64 {
        if self.held.is_empty() { 0 } else { self.held.get(&job).map_or(0, |held| held.cost) }
    }

    /// Whether a job has sent more results than are kept.
    pub(crate) fn is_overflown(&self, job: JobId) -> bool {
        !self.held.is_empty() && self.held.get(&job).is_some_and(|held| held.is_overflown)
    }

    /// Whether `job` may be given out: on an ordered channel, not further ahead of the oldest unfinished one than the window.
    pub(crate) fn admits(&self, job: JobId) -> bool {
        self.room(job) > 0
    }

    /// How many jobs, from this one on, may be given out.
    pub(crate) fn room(&self, first: JobId) -> u64 {
        let limit = self.order.as_ref().map(|order| order.next.0.saturating_add(limits::ORDER_WINDOW));
        limit.map_or(u64::MAX, |limit| limit.saturating_sub(first.0))
    }

    /// Whether the results of later jobs wait for this one.
    pub(crate) fn is_awaited(&self, job: JobId) -> bool {
        self.order.as_ref().is_some_and(|order| order.next == job)
    }

    /// The next release.
    pub(crate) fn pop(&mut self) -> Option<Release> {
        self.releases.pop_front()
    }

    /// Keeps a result of a job that goes on. A job that sends more than is kept (one result, however large, always is) has failed.
    pub(crate) fn hold(&mut self, job: JobId, result: &Bytes) {
        let held = self.held.entry(job).or_default();
        // Empty results are counted too, or they would be without number.
        let cost = batch::cost(1, result.len());
        if held.is_overflown || (held.cost > 0 && held.cost + cost > limits::MAX_RESULTS_PER_JOB) {
            self.held_cost -= held.cost;
            *held = Held { is_overflown: true, ..Held::default() };
            return;
        }
        held.cost += cost;
        self.held_cost += cost;
        // A small result must not keep the whole buffer it arrived in.
        held.results.push(if result.len() < SMALL { Bytes::copy_from_slice(result) } else { result.clone() });
    }

    /// Drops what is held of a job: it failed, or its worker is gone.
    pub(crate) fn forget(&mut self, job: JobId) {
        self.held_cost -= self.held.remove(&job).map_or(0, |held| held.cost);
    }

    /// Whether results of this job are held.
    pub(crate) fn holds(&self, job: JobId) -> bool {
        !self.held.is_empty() && self.held.contains_key(&job)
    }

    /// Whether a finished job may have to wait for others.
    pub(crate) const fn is_ordered(&self) -> bool {
        self.order.is_some()
    }

    /// Whether the results of a job that is completed now can be released as they stand: nothing is held, and it has not to wait for another.
    pub(crate) fn is_next(&self, job: JobId) -> bool {
        self.held.is_empty() && self.order.as_ref().is_none_or(|order| order.next == job)
    }

    /// How many of these, from the first on, which is next, are next when those before them are.
    pub(crate) fn count_in_turn(&self, entries: &[Entry]) -> usize {
        let Some(order) = &self.order else { return entries.len() };
        let is_in_turn = |(next, entry): &(u64, &Entry)| {
            entry.job.0 == *next && (*next == order.next.0 || !order.parked.contains_key(&entry.job))
        };
        (order.next.0..).zip(entries).take_while(is_in_turn).count()
    }

    /// Whether finished jobs wait for others.
    pub(crate) fn is_parked(&self) -> bool {
        self.order.as_ref().is_some_and(|order| !order.parked.is_empty())
    }

    /// Jobs that were next have been released as they stood. Those that waited for them are released too.
    pub(crate) fn pass_over(&mut self, jobs: u64) {
        if let Some(order) = &mut self.order {
            order.next.0 += jobs;
            self.parked_cost -= order.release(&mut self.releases);
        }
    }

    /// Releases entries as they stand, of jobs for which nothing is held, on a channel without order.
    pub(crate) fn release(&mut self, release: Release) {
        self.releases.push_back(release);
    }

    /// Ends one job: `unit` has its last results and its end, and goes behind what is held of it. Of a job that is not completed
    /// nothing is held any more.
    pub(crate) fn finish(&mut self, job: JobId, sink: SinkId, unit: Batch) {
        let batch = match self.held.remove(&job) {
            Some(held) => {
                debug_assert!(!held.is_overflown, "it has failed");
                self.held_cost -= held.cost;
                join(job, &held.results, &unit)
            }
            None => unit,
        };
        let release = Release { sink, batch };
        let Some(order) = &mut self.order else {
            self.releases.push_back(release);
            return;
        };
        let is_again = release.batch.entries.first().is_some_and(|entry| entry.attempt > Attempt::FIRST);
        if Sabotage::BreakOrder.is_on() && is_again {
            self.releases.push_back(release);
            return;
        }
        self.parked_cost += release.batch.cost();
        order.parked.insert(job, release);
        self.parked_cost -= order.release(&mut self.releases);
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(&self) {
        for held in self.held.values() {
            assert_eq!(batch::cost(held.results.len(), held.results.iter().map(Bytes::len).sum()), held.cost);
        }
        let held: u64 = self.held.values().map(|held| held.cost).sum();
        let parked = self.order.iter().flat_map(|order| order.parked.values());
        let parked: u64 = parked.map(|release| release.batch.cost()).sum();
        assert_eq!((held, parked), (self.held_cost, self.parked_cost));
        if let Some(order) = &self.order {
            assert!(!order.parked.contains_key(&order.next), "whatever is next has been released");
        }
    }
}

/// Why a job that has sent more results than are kept has failed.
pub(crate) fn overflow() -> String {
    format!("its results exceed {} bytes", limits::MAX_RESULTS_PER_JOB)
}

/// The results held of a job and its last words, as one batch.
fn join(job: JobId, held: &[Bytes], unit: &Batch) -> Batch {
    if let ([only], [end]) = (held, unit.entries.as_slice())
        && end.kind == Kind::Done
        && let Ok(length) = u32::try_from(only.len())
    {
        // A large result that was on its way before its job's end: nothing to join, nothing to copy.
        let entries = vec![Entry { end: length, extra: 0, kind: Kind::Last, ..*end }];
        return Batch { payload: only.clone(), entries, ..Batch::default() };
    }
    let mut payload =
        BytesMut::with_capacity(held.iter().map(Bytes::len).sum::<usize>() + unit.payload.len());
    let mut entries = Vec::with_capacity(held.len() + unit.entries.len());
    let attempt = unit.entries.first().map_or(Attempt::FIRST, |entry| entry.attempt);
    for result in held {
        payload.extend_from_slice(result);
        let end = u32::try_from(payload.len()).expect("bounded by MAX_RESULTS_PER_JOB");
        entries.push(Entry { job, attempt, end, extra: 0, kind: Kind::Result });
    }
    let start = u32::try_from(payload.len()).expect("bounded by MAX_RESULTS_PER_JOB");
    payload.extend_from_slice(&unit.payload);
    entries.extend(unit.entries.iter().map(|entry| Entry { end: entry.end + start, ..*entry }));
    Batch { payload: payload.freeze(), entries, ..Batch::default() }
}
