//! What one worker has in hand of one channel's jobs: placed with it, and on their way or being worked on. Both are kept in runs of
//! consecutive jobs, since that is how they are given out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::dispatch::standing::{Distribution, LAST, QUIET, Standing, Turn};
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

/// Consecutive jobs in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: JobId,
    pub(crate) count: u32,
    pub(crate) attempt: Attempt,
}

impl Run {
    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> + use<> {
        (self.first.0..self.first.0 + u64::from(self.count)).map(JobId)
    }
}

/// Runs, one behind the other. What has become of their jobs since, they do not know.
#[derive(Debug, Default)]
pub(crate) struct RunQueue {
    runs: VecDeque<Run>,
    jobs: usize,
}

impl RunQueue {
    pub(crate) const fn jobs(&self) -> usize {
        self.jobs
    }

    pub(crate) fn first(&self) -> Option<Run> {
        self.runs.front().copied()
    }

    pub(crate) fn push(&mut self, run: Run) {
        self.jobs += run.count as usize;
        if let Some(last) = self.runs.back_mut()
            && last.attempt == run.attempt
            && last.first.0 + u64::from(last.count) == run.first.0
            && let Some(count) = last.count.checked_add(run.count)
        {
            last.count = count;
        } else {
            self.runs.push_back(run);
        }
    }

    /// Takes the first `count` jobs of the first run.
    pub(crate) fn advance(&mut self, count: u32) {
        if let Some(first) = self.runs.front_mut() {
            let count = count.min(first.count);
            self.jobs -= count as usize;
            first.first.0 += u64::from(count);
            first.count -= count;
            if first.count == 0 {
                self.runs.pop_front();
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.jobs = 0;
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (JobId, Attempt)> {
        self.runs.iter().flat_map(|run| run.jobs().map(|job| (job, run.attempt)))
    }

    /// Keeps only the jobs of which this holds.
    fn retain(&mut self, mut holds: impl FnMut(JobId, Attempt) -> bool) {
        for run in std::mem::take(self).runs {
            for job in run.jobs().filter(|job| holds(*job, run.attempt)) {
                self.push(Run { first: job, count: 1, attempt: run.attempt });
            }
        }
    }
}

/// What a worker has in hand, and how much it may have.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) identity: Identity,
    /// Placed, not yet taken by the connection's writer; some have their outcome already.
    placed: RunQueue,
    /// Those of them that have none.
    wanted: usize,
    /// Taken by the writer, oldest first. What was answered stays until it is much.
    handed: RunQueue,
    /// Jobs that another worker has for long, and this one is to be handed too.
    twins: VecDeque<JobId>,
    /// Deliveries that the worker has not answered.
    outstanding: u32,
    /// Those of them that it has begun, as far as is known.
    begun: u32,
    /// Those of them that nobody wants any more. Their places stay taken, since the worker may still be busy with them.
    revoked: BTreeMap<(JobId, Attempt), Revoked>,
    /// The bytes of all jobs in hand, and of those of them that are only placed.
    bytes: u64,
    placed_bytes: u64,
    max_bytes: u64,
    /// What is kept of the results of its unfinished jobs.
    pub(crate) held: u64,
    pub(crate) window: Window,
    /// Its place in the ring, where it has one.
    pub(crate) turn: Option<Turn>,
    /// Whether it stands in the list of those whose jobs wait behind others.
    pub(crate) is_laden: bool,
    /// It has just given a job back.
    pub(crate) is_averse: bool,
    /// Jobs were taken back from it, and it has completed none since.
    pub(crate) is_late: bool,
    /// How many jobs it was asked for, and has not given back.
    asked: u32,
    /// How many jobs it works on at once.
    concurrency: u32,
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
    pub(crate) fn new(identity: Identity, window: Window, concurrency: u32, max_bytes: u64) -> Self {
        Self {
            identity,
            placed: RunQueue::default(),
            wanted: 0,
            handed: RunQueue::default(),
            twins: VecDeque::new(),
            outstanding: 0,
            begun: 0,
            revoked: BTreeMap::new(),
            bytes: 0,
            placed_bytes: 0,
            max_bytes,
            held: 0,
            window,
            turn: None,
            is_laden: false,
            is_averse: false,
            is_late: false,
            asked: 0,
            concurrency: concurrency.max(1),
            completed: 0,
            blamed: None,
            is_retired: false,
            is_paused: false,
        }
    }

    /// Jobs in hand, placed or handed.
    pub(crate) fn in_hand(&self) -> u32 {
        u32::try_from(self.wanted + self.twins.len()).unwrap_or(u32::MAX).saturating_add(self.outstanding)
    }

    /// Jobs on their way or being worked on, wanted or not.
    pub(crate) const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// How many deliveries nobody wants any more.
    pub(crate) fn revoked(&self) -> u64 {
        self.revoked.len() as u64
    }

    /// How many further jobs may be placed, as far as their bytes allow: see [`Lease::byte_room`].
    pub(crate) fn room(&self, now: Time) -> u32 {
        let in_hand = self.in_hand();
        let size = if in_hand == 0 { self.window.size() } else { self.window.size_at(now) };
        if self.is_open() { self.may_have(size).saturating_sub(in_hand) } else { 0 }
    }

    /// How many jobs it may have, where its window says so many. Whoever has begun all that it was handed works on more at once than it has said, and
    /// may be waiting for another one before it goes on with these.
    fn may_have(&self, size: u32) -> u32 {
        let has_begun_all = self.outstanding > 0 && self.begun == self.outstanding;
        let one_more = (self.outstanding + 1).min(self.window.largest());
        if has_begun_all && !self.window.is_fixed() { size.max(one_more) } else { size }
    }

    fn is_open(&self) -> bool {
        !self.is_retired
            && !self.is_paused
            && self.bytes < self.max_bytes
            && self.held < limits::MAX_RESULTS_PER_JOB
    }

    /// What the ring should know of it; `None` where no further job may be placed.
    pub(crate) fn standing(&self, distribution: Distribution) -> Option<Standing> {
        let in_hand = self.in_hand();
        let rank = match (self.is_averse, self.is_late) {
            (true, _) => LAST,
            (_, true) => QUIET,
            _ => distribution.rank(in_hand, self.concurrency),
        };
        self.has_room().then_some(Standing { rank, is_idle: in_hand < self.concurrency })
    }

    /// How many of its jobs wait behind others.
    pub(crate) fn surplus(&self) -> u32 {
        self.in_hand().saturating_sub(self.concurrency)
    }

    /// Whether it has jobs, and has said nothing of them for longer than such jobs take.
    pub(crate) fn is_quiet(&self, now: Time) -> bool {
        self.in_hand() > 0 && self.window.size_at(now) < self.window.size()
    }

    /// While fewer bytes than this have been placed, another job may be: it may exceed them, or none larger could travel.
    pub(crate) const fn byte_room(&self) -> u64 {
        self.max_bytes.saturating_sub(self.bytes)
    }

    /// Whether another job may be placed, unless it is quiet.
    pub(crate) fn has_room(&self) -> bool {
        self.is_open() && self.in_hand() < self.may_have(self.window.size())
    }

    /// It is asked for so many jobs that it has not begun.
    pub(crate) const fn ask(&mut self, jobs: u32) {
        self.asked = self.asked.saturating_add(jobs);
    }

    /// Whether it was asked for the job that it gives back.
    pub(crate) const fn was_asked(&mut self) -> bool {
        let was_asked = self.asked > 0;
        self.asked = self.asked.saturating_sub(1);
        was_asked
    }

    /// Whether it takes part as usual: it neither leaves nor is out of reach.
    pub(crate) const fn is_active(&self) -> bool {
        !self.is_retired && !self.is_paused
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

    /// Jobs of so many bytes are to go to this worker.
    pub(crate) fn place(&mut self, now: Time, run: Run, bytes: u64) {
        if self.in_hand() == 0 {
            self.window.begun(now);
        }
        self.is_averse = false;
        self.placed.push(run);
        self.wanted += run.count as usize;
        self.bytes += bytes;
        self.placed_bytes += bytes;
    }

    /// Takes out what was only placed, wanted or not. The bytes of those that are still wanted are to be given to [`Lease::drop_bytes`].
    pub(crate) fn take_placed(&mut self) -> RunQueue {
        self.wanted = 0;
        self.placed_bytes = 0;
        std::mem::take(&mut self.placed)
    }

    pub(crate) const fn drop_bytes(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// How many jobs the writer can take. Those of a worker that is chosen by keys may have to wait until others are answered.
    pub(crate) fn to_hand(&self, by_key: bool) -> u32 {
        let wanted = u32::try_from(self.wanted).unwrap_or(u32::MAX);
        if !by_key {
            return wanted;
        }
        let has_room = self.outstanding == 0
            || (self.bytes - self.placed_bytes < self.max_bytes && self.held < limits::MAX_RESULTS_PER_JOB);
        let may_have = self.may_have(self.window.size());
        if has_room { wanted.min(may_have.saturating_sub(self.outstanding)) } else { 0 }
    }

    /// Whether a further job may wait here for its turn, of those that must go to this worker.
    pub(crate) const fn may_queue(&self) -> bool {
        self.is_active()
            && self.wanted < limits::MAX_QUEUED_BY_KEY as usize
            && self.placed_bytes < limits::MAX_QUEUED_BYTES_BY_KEY
    }

    /// It is to be handed a job of so many bytes that another worker has.
    pub(crate) fn add_twin(&mut self, now: Time, job: JobId, bytes: u64) {
        if self.in_hand() == 0 {
            self.window.begun(now);
        }
        self.twins.push_back(job);
        self.bytes += bytes;
    }

    /// The next of those.
    pub(crate) fn next_twin(&self) -> Option<JobId> {
        self.twins.front().copied()
    }

    /// The writer has taken it.
    pub(crate) fn hand_twin(&mut self, job: JobId, attempt: Attempt) {
        self.twins.pop_front();
        self.handed.push(Run { first: job, count: 1, attempt });
        self.outstanding += 1;
    }

    /// It is not to be handed this one after all.
    pub(crate) fn drop_twin(&mut self, job: JobId, bytes: u64) {
        self.twins.retain(|other| *other != job);
        self.bytes -= bytes;
    }

    /// All that wait.
    pub(crate) fn twins(&self) -> Vec<JobId> {
        self.twins.iter().copied().collect()
    }

    /// The jobs that the writer takes next. Some may have their outcome already.
    pub(crate) fn next_to_hand(&self) -> Option<Run> {
        self.placed.first()
    }

    /// The writer has taken the next so many jobs.
    pub(crate) fn hand(&mut self, first: JobId, count: u32, attempt: Attempt, bytes: u64) {
        self.placed_bytes -= bytes;
        self.placed.advance(count);
        self.wanted -= count as usize;
        self.handed.push(Run { first, count, attempt });
        self.outstanding += count;
    }

    /// The next job has its outcome already.
    pub(crate) fn skip(&mut self) {
        self.placed.advance(1);
    }

    /// A placed job of so many bytes has its outcome; it stays in its run until its turn comes.
    pub(crate) const fn unplace(&mut self, bytes: u64) {
        self.wanted -= 1;
        self.bytes -= bytes;
        self.placed_bytes -= bytes;
    }

    /// Whether it is time to forget placed jobs that have their outcome.
    pub(crate) const fn is_full_of_void(&self) -> bool {
        self.placed.jobs() > 2 * self.wanted + 64
    }

    /// Keeps only the placed jobs that are still wanted.
    pub(crate) fn compact_placed(&mut self, mut is_wanted: impl FnMut(JobId) -> bool) {
        self.placed.retain(|job, _| is_wanted(job));
    }

    /// It has begun one of those that it was handed.
    pub(crate) const fn begin(&mut self) {
        self.begun += 1;
    }

    /// So many deliveries, of so many bytes, are no longer in hand; none of them was known to have been begun.
    #[inline]
    pub(crate) fn release(&mut self, count: u32, bytes: u64) {
        self.outstanding -= count;
        self.bytes -= bytes;
        if self.outstanding == 0 {
            self.handed.clear();
        }
    }

    /// A delivery of so many bytes is no longer in hand.
    pub(crate) fn release_one(&mut self, bytes: u64, was_begun: bool) {
        self.begun -= u32::from(was_begun);
        self.release(1, bytes);
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
            self.release_one(revoked.bytes, revoked.was_started);
        }
    }

    /// Whether it had begun, as far as is known, with something that nobody wants any more.
    pub(crate) fn is_busy_with_revoked(&self) -> bool {
        self.revoked.values().any(|revoked| revoked.was_started)
    }

    /// Forgets the oldest deliveries as far as their lots are gone; `first_open` says which job, from the given one on, still has a lot.
    pub(crate) fn trim(&mut self, mut first_open: impl FnMut(JobId) -> Option<JobId>) {
        while let Some(run) = self.handed.first() {
            let gone = first_open(run.first).map_or(u64::MAX, |open| open.0 - run.first.0);
            if gone == 0 {
                return;
            }
            self.handed.advance(u32::try_from(gone).unwrap_or(u32::MAX));
        }
    }

    /// Whether it is time to forget the answered deliveries among those handed.
    pub(crate) const fn is_sparse(&self) -> bool {
        self.handed.jobs() > 2 * self.outstanding as usize + 64
    }

    /// Keeps only the deliveries that are still in hand and wanted.
    pub(crate) fn compact(&mut self, is_held: impl FnMut(JobId, Attempt) -> bool) {
        self.handed.retain(is_held);
    }

    /// The deliveries that were handed, perhaps answered since. A job that was revoked and came again is there twice.
    pub(crate) fn handed(&self) -> impl Iterator<Item = (JobId, Attempt)> {
        self.handed.deliveries()
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(
        &self,
        (placed, handed, begun): (u64, u64, u64),
        (placed_bytes, bytes): (u64, u64),
    ) {
        assert_eq!(self.wanted as u64, placed, "what is placed is not settled");
        assert_eq!(u64::from(self.outstanding), handed + self.revoked(), "who is handed a job has it");
        let revoked = self.revoked.values().filter(|revoked| revoked.was_started).count() as u64;
        assert_eq!(u64::from(self.begun), begun + revoked, "who has begun a job works on it");
        let revoked: u64 = self.revoked.values().map(|revoked| revoked.bytes).sum();
        assert_eq!(self.placed_bytes, placed_bytes, "a lease counts the bytes of what waits");
        assert_eq!(self.bytes, bytes + revoked, "a lease counts the bytes in hand");
    }
}
