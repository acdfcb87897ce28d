//! The jobs that are with no worker: fresh ones in the order of sending, and before them those that came back.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::ids::JobId;

/// Jobs that wait for a worker.
#[derive(Debug)]
pub(crate) struct Backlog {
    returned: BTreeSet<JobId>,
    /// Those among the returned that have brought down a worker. They stand apart, since not every worker can take one.
    blamed: BTreeSet<JobId>,
    fresh: Range<u64>,
    /// Fresh jobs that were taken out of the middle. Never the first of the fresh ones.
    holes: BTreeSet<JobId>,
}

impl Backlog {
    pub(crate) const fn new(first: JobId) -> Self {
        Self {
            returned: BTreeSet::new(),
            blamed: BTreeSet::new(),
            fresh: first.0..first.0,
            holes: BTreeSet::new(),
        }
    }

    /// Appends `count` fresh jobs and returns the number of the first.
    pub(crate) const fn extend(&mut self, count: u64) -> u64 {
        let first = self.fresh.end;
        self.fresh.end += count;
        first
    }

    /// The number that the next fresh job will have.
    pub(crate) const fn next_fresh(&self) -> JobId {
        JobId(self.fresh.end)
    }

    /// A job has come back: it goes before every fresh one, and among its like by age.
    pub(crate) fn give_back(&mut self, job: JobId) {
        debug_assert!(job.0 < self.fresh.start, "only what was given out comes back");
        self.returned.insert(job);
    }

    /// Jobs that were just taken by [`Backlog::pop_run`] stay after all.
    pub(crate) fn put_back(&mut self, jobs: Range<u64>) {
        if jobs.end == self.fresh.start && self.returned.is_empty() {
            self.fresh.start = jobs.start;
        } else {
            self.returned.extend(jobs.map(JobId));
        }
    }

    /// The same for a job that has brought down a worker.
    pub(crate) fn give_back_blamed(&mut self, job: JobId) {
        self.blamed.insert(job);
    }

    /// The oldest job that has brought down a worker.
    pub(crate) fn first_blamed(&self) -> Option<JobId> {
        self.blamed.first().copied()
    }

    /// The next of the others, without taking it.
    pub(crate) fn peek(&self) -> Option<JobId> {
        self.returned.first().copied().or_else(|| (!self.fresh.is_empty()).then_some(JobId(self.fresh.start)))
    }

    /// Takes the next jobs, as far as they are consecutive, `most` at most.
    pub(crate) fn pop_run(&mut self, most: u32) -> Range<u64> {
        let Some(first) = self.peek().filter(|_| most > 0) else {
            return 0..0;
        };
        let limit = first.0.saturating_add(most.into());
        let mut end = first.0;
        if self.returned.is_empty() {
            let hole = self.holes.first().map_or(self.fresh.end, |hole| hole.0);
            end = limit.min(self.fresh.end).min(hole);
            self.fresh.start = end;
            self.skip_holes();
        } else {
            while end < limit && self.returned.remove(&JobId(end)) {
                end += 1;
            }
        }
        first.0..end
    }

    /// How many jobs wait that any worker could take.
    pub(crate) fn available(&self) -> u64 {
        self.returned.len() as u64 + (self.fresh.end - self.fresh.start) - self.holes.len() as u64
    }

    /// Takes out a job that waits, wherever it stands.
    pub(crate) fn remove(&mut self, job: JobId) {
        if !self.blamed.remove(&job) && !self.returned.remove(&job) && self.fresh.contains(&job.0) {
            self.holes.insert(job);
            self.skip_holes();
        }
    }

    fn skip_holes(&mut self) {
        while !self.holes.is_empty() && self.holes.remove(&JobId(self.fresh.start)) {
            self.fresh.start += 1;
        }
    }

    /// Whether there is nothing that any worker could take.
    pub(crate) fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.fresh.is_empty()
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn len(&self) -> u64 {
        self.available() + self.blamed.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_out_is_passed_over_wherever_it_stood() {
        let mut backlog = Backlog::new(JobId(1));
        backlog.extend(8);
        assert_eq!((backlog.pop_run(1), backlog.pop_run(1)), (1..2, 2..3));
        backlog.give_back(JobId(2));
        backlog.give_back(JobId(1));
        for job in [1, 3, 5, 6, 8] {
            backlog.remove(JobId(job));
        }
        assert_eq!(backlog.len(), 3);
        assert_eq!([(); 4].map(|()| backlog.pop_run(9)), [2..3, 4..5, 7..8, 0..0]);
        assert!(backlog.is_empty() && backlog.peek().is_none());
        assert_eq!((backlog.returned.len(), backlog.holes.len()), (0, 0));
        assert_eq!(backlog.extend(5), 9);
        assert_eq!((backlog.pop_run(3), backlog.pop_run(3)), (9..12, 12..14));
        [13, 10, 9, 12].into_iter().for_each(|job| backlog.give_back(JobId(job)));
        assert_eq!([(); 3].map(|()| backlog.pop_run(3)), [9..11, 12..14, 0..0]);
    }
}
