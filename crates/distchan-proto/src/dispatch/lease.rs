//! What one worker has in hand of one channel's jobs: placed with it, and on their way or being worked on.

use std::collections::VecDeque;
use std::fmt;

use crate::dispatch::window::Window;
use crate::ids::JobId;
use crate::limits;

/// A worker's place in one channel. Used again after the worker has left, when nothing refers to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId(pub(crate) u32);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a worker has in hand, and how much it may have.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Placed, not yet taken by the connection's writer.
    placed: VecDeque<(JobId, u64)>,
    /// Taken by the writer, oldest first. Jobs settled out of order stay until they are at the front, or until they are many.
    handed: VecDeque<JobId>,
    /// How many of `handed` are unsettled.
    outstanding: u32,
    /// The bytes of all jobs in hand.
    bytes: u64,
    max_bytes: u64,
    /// What is kept of the results of its unfinished jobs.
    pub(crate) held: u64,
    pub(crate) window: Window,
    /// Whether the ring has this worker.
    pub(crate) in_ring: bool,
    pub(crate) completed: u64,
    is_retired: bool,
}

impl Lease {
    pub(crate) const fn new(window: Window, max_bytes: u64) -> Self {
        Self {
            placed: VecDeque::new(),
            handed: VecDeque::new(),
            outstanding: 0,
            bytes: 0,
            max_bytes,
            held: 0,
            window,
            in_ring: false,
            completed: 0,
            is_retired: false,
        }
    }

    /// Jobs in hand, placed or handed.
    pub(crate) fn in_hand(&self) -> u32 {
        u32::try_from(self.placed.len()).unwrap_or(u32::MAX).saturating_add(self.outstanding)
    }

    /// Jobs on their way or being worked on.
    pub(crate) const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Whether another job may be placed.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_retired
            && self.in_hand() < self.window.size()
            && self.bytes < self.max_bytes
            && self.held < limits::MAX_RESULTS_PER_JOB
    }

    /// Takes no further jobs; gives back those that were only placed.
    pub(crate) fn retire(&mut self) -> VecDeque<(JobId, u64)> {
        self.is_retired = true;
        self.in_ring = false;
        let placed = std::mem::take(&mut self.placed);
        self.bytes -= placed.iter().map(|(_, bytes)| bytes).sum::<u64>();
        placed
    }

    /// A job of so many bytes is to go to this worker.
    pub(crate) fn place(&mut self, job: JobId, bytes: u64) {
        self.placed.push_back((job, bytes));
        self.bytes += bytes;
    }

    /// Whether the writer can take a job.
    pub(crate) fn can_hand(&self) -> bool {
        !self.placed.is_empty()
    }

    /// The job that the writer takes next.
    pub(crate) fn next_to_hand(&self) -> Option<JobId> {
        self.placed.front().map(|(job, _)| *job)
    }

    /// The writer has taken the next job.
    pub(crate) fn hand(&mut self) {
        if let Some((job, _)) = self.placed.pop_front() {
            self.handed.push_back(job);
            self.outstanding += 1;
        }
    }

    /// A handed job of so many bytes is no longer in hand.
    pub(crate) fn release(&mut self, job: JobId, bytes: u64) {
        self.outstanding -= 1;
        self.bytes -= bytes;
        if self.handed.front() == Some(&job) {
            self.handed.pop_front();
        }
        if self.outstanding == 0 {
            self.handed.clear();
        }
    }

    /// Whether it is time to forget the settled jobs among those handed.
    pub(crate) fn is_sparse(&self) -> bool {
        self.handed.len() > 2 * self.outstanding as usize + 64
    }

    /// Keeps only the jobs that are still in hand.
    pub(crate) fn compact(&mut self, is_held: impl FnMut(&JobId) -> bool) {
        self.handed.retain(is_held);
    }

    /// Everything in hand, to be given back: what was handed (perhaps settled since), and what was only placed.
    pub(crate) fn into_jobs(self) -> (VecDeque<JobId>, VecDeque<(JobId, u64)>) {
        (self.handed, self.placed)
    }
}
