//! The jobs that are with no worker: fresh ones in the order of sending, and before them those that came back.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::ids::JobId;

/// Jobs that wait for a worker.
#[derive(Debug)]
pub(crate) struct Backlog {
    returned: BTreeSet<JobId>,
    fresh: Range<u64>,
}

impl Backlog {
    pub(crate) const fn new(first: JobId) -> Self {
        Self { returned: BTreeSet::new(), fresh: first.0..first.0 }
    }

    /// Appends `count` fresh jobs and returns the number of the first.
    pub(crate) const fn extend(&mut self, count: u64) -> u64 {
        let first = self.fresh.end;
        self.fresh.end += count;
        first
    }

    /// A job has come back: it goes before every fresh one, and among its like by age.
    pub(crate) fn give_back(&mut self, job: JobId) {
        debug_assert!(job.0 < self.fresh.start, "only what was given out comes back");
        self.returned.insert(job);
    }

    /// The next job's number, without taking it.
    pub(crate) fn peek(&self) -> Option<JobId> {
        self.returned.first().copied().or_else(|| (!self.fresh.is_empty()).then_some(JobId(self.fresh.start)))
    }

    /// Takes the next job.
    pub(crate) fn pop(&mut self) -> Option<JobId> {
        if let Some(job) = self.returned.pop_first() {
            return Some(job);
        }
        self.fresh.next().map(JobId)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.fresh.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.returned.len() as u64 + (self.fresh.end - self.fresh.start)
    }
}
