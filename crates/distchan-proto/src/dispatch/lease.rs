//! What one worker has in hand of one channel's jobs: placed with it, and on their way or being worked on.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::dispatch::window::Window;
use crate::ids::{Attempt, JobId, SessionId};
use crate::limits;
use crate::time::Time;

/// A worker's place in one channel. Used again after the worker has left, when nothing refers to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId(pub(crate) u32);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who a member is, for the history of its jobs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) name: Arc<str>,
}

/// What a worker has in hand, and how much it may have.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) identity: Identity,
    /// Placed, not yet taken by the connection's writer.
    placed: VecDeque<(JobId, u64)>,
    /// How many of `placed` have their outcome already.
    void: usize,
    /// Deliveries taken by the writer, oldest first. What was answered out of order stays until it is at the front, or until it is much.
    handed: VecDeque<(JobId, Attempt)>,
    /// Deliveries that the worker has not answered.
    outstanding: u32,
    /// Those of them that nobody wants any more. Their places stay taken, since the worker may still be busy with them.
    revoked: BTreeMap<(JobId, Attempt), Revoked>,
    /// The bytes of all jobs in hand.
    bytes: u64,
    max_bytes: u64,
    /// What is kept of the results of its unfinished jobs.
    pub(crate) held: u64,
    pub(crate) window: Window,
    /// Whether the ring has this worker.
    pub(crate) in_ring: bool,
    pub(crate) completed: u64,
    /// The job that it was given last of those that had brought down another worker. Perhaps settled since.
    pub(crate) blamed: Option<JobId>,
    is_retired: bool,
    is_paused: bool,
}

#[derive(Debug)]
struct Revoked {
    bytes: u64,
    was_started: bool,
}

impl Lease {
    pub(crate) const fn new(identity: Identity, window: Window, max_bytes: u64) -> Self {
        Self {
            identity,
            placed: VecDeque::new(),
            void: 0,
            handed: VecDeque::new(),
            outstanding: 0,
            revoked: BTreeMap::new(),
            bytes: 0,
            max_bytes,
            held: 0,
            window,
            in_ring: false,
            completed: 0,
            blamed: None,
            is_retired: false,
            is_paused: false,
        }
    }

    /// Jobs in hand, placed or handed.
    pub(crate) fn in_hand(&self) -> u32 {
        u32::try_from(self.placed.len() - self.void).unwrap_or(u32::MAX).saturating_add(self.outstanding)
    }

    /// Jobs on their way or being worked on, wanted or not.
    pub(crate) const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// How many deliveries nobody wants any more.
    pub(crate) fn revoked(&self) -> u64 {
        self.revoked.len() as u64
    }

    /// Whether another job may be placed.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_retired
            && !self.is_paused
            && self.in_hand() < self.window.size()
            && self.bytes < self.max_bytes
            && self.held < limits::MAX_RESULTS_PER_JOB
    }

    /// Takes no further jobs.
    pub(crate) const fn retire(&mut self) {
        self.is_retired = true;
    }

    /// Takes no further jobs for now.
    pub(crate) const fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Takes jobs again.
    pub(crate) const fn unpause(&mut self, now: Time) {
        self.is_paused = false;
        self.window.restart(now);
    }

    /// Gives back those that were only placed and are still wanted.
    pub(crate) fn give_up_placed(&mut self, mut is_wanted: impl FnMut(JobId) -> bool) -> Vec<JobId> {
        self.void = 0;
        let mut wanted = Vec::new();
        for (job, bytes) in self.placed.drain(..).filter(|(job, _)| is_wanted(*job)) {
            self.bytes -= bytes;
            wanted.push(job);
        }
        wanted
    }

    /// A job of so many bytes is to go to this worker.
    pub(crate) fn place(&mut self, job: JobId, bytes: u64) {
        self.placed.push_back((job, bytes));
        self.bytes += bytes;
    }

    /// Whether the writer can take a job.
    pub(crate) fn can_hand(&self) -> bool {
        self.placed.len() > self.void
    }

    /// The job that the writer takes next. It may have its outcome already.
    pub(crate) fn next_to_hand(&self) -> Option<JobId> {
        self.placed.front().map(|(job, _)| *job)
    }

    /// The writer has taken the next job.
    pub(crate) fn hand(&mut self, attempt: Attempt) {
        if let Some((job, _)) = self.placed.pop_front() {
            self.handed.push_back((job, attempt));
            self.outstanding += 1;
        }
    }

    /// The next job has its outcome already.
    pub(crate) fn skip(&mut self) {
        if self.placed.pop_front().is_some() {
            self.void -= 1;
        }
    }

    /// A placed job of so many bytes has its outcome; its entry stays until its turn comes.
    pub(crate) const fn unplace(&mut self, bytes: u64) {
        self.void += 1;
        self.bytes -= bytes;
    }

    /// Whether it is time to forget placed jobs that have their outcome.
    pub(crate) fn is_full_of_void(&self) -> bool {
        self.void > self.placed.len() / 2 + 64
    }

    /// Keeps only the placed jobs that are still wanted.
    pub(crate) fn compact_placed(&mut self, mut is_wanted: impl FnMut(JobId) -> bool) {
        self.placed.retain(|(job, _)| is_wanted(*job));
        self.void = 0;
    }

    /// A delivery of so many bytes is no longer in hand.
    #[inline]
    pub(crate) fn release(&mut self, job: JobId, attempt: Attempt, bytes: u64) {
        self.outstanding -= 1;
        self.bytes -= bytes;
        if self.handed.front() == Some(&(job, attempt)) {
            self.handed.pop_front();
        }
        if self.outstanding == 0 {
            self.handed.clear();
        }
    }

    /// Nobody wants a handed job of so many bytes any more; its place stays taken until the worker answers.
    pub(crate) fn revoke(&mut self, job: JobId, attempt: Attempt, bytes: u64, was_started: bool) {
        self.revoked.insert((job, attempt), Revoked { bytes, was_started });
    }

    /// The worker has answered a delivery that nobody wants: its place is free.
    pub(crate) fn release_revoked(&mut self, job: JobId, attempt: Attempt) {
        if self.revoked.is_empty() {
            return;
        }
        if let Some(revoked) = self.revoked.remove(&(job, attempt)) {
            self.release(job, attempt, revoked.bytes);
        }
    }

    /// Whether it had begun, as far as is known, with something that nobody wants any more.
    pub(crate) fn is_busy_with_revoked(&self) -> bool {
        self.revoked.values().any(|revoked| revoked.was_started)
    }

    /// Whether it is time to forget the answered deliveries among those handed.
    pub(crate) fn is_sparse(&self) -> bool {
        self.handed.len() > 2 * self.outstanding as usize + 64
    }

    /// Keeps only the deliveries that are still in hand and wanted.
    pub(crate) fn compact(&mut self, mut is_held: impl FnMut(JobId, Attempt) -> bool) {
        self.handed.retain(|(job, attempt)| is_held(*job, *attempt));
    }

    /// The deliveries that were handed, perhaps answered since. A job that was revoked and came again is there twice.
    pub(crate) const fn handed(&self) -> &VecDeque<(JobId, Attempt)> {
        &self.handed
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(&self, placed: u64, handed: u64, bytes: u64) {
        assert_eq!((self.placed.len() - self.void) as u64, placed, "what is placed is not settled");
        assert_eq!(u64::from(self.outstanding), handed + self.revoked(), "who is handed a job has it");
        let revoked: u64 = self.revoked.values().map(|revoked| revoked.bytes).sum();
        assert_eq!(self.bytes, bytes + revoked, "a lease counts the bytes in hand");
    }
}
