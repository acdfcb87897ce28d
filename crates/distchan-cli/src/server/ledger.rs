//! What each job is doing, and how the run stands: written by the feeder and the conductor, open to whoever wants to see.
//!
//! It is bounded: so many jobs are on their way at once, all of which are here, and of those that have ended the newest failures and the newest others.
//! By that bound it is also what keeps the feeder from running ahead.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::command::Composer;
use crate::input::Task;
use crate::wire::{Ended, Exit, RunId};

/// Jobs that may be on their way: sent, and not printed yet. In order (`-k`), so many may wait for an older one.
const ON_THEIR_WAY: usize = 32_768;

/// Bytes of output that may wait for an older job before no further jobs are sent.
const HELD_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of inputs that may be on their way; one job may have more.
const INPUT_BYTES: usize = 32 * 1024 * 1024;

/// What an input costs beside its bytes.
const INPUT_COST: usize = 64;

/// Failed jobs that are remembered, the newest.
const FAILED: usize = 10_000;

/// Other jobs that have ended and are remembered, the newest.
const RECENT: usize = 1_000;

/// Bytes of inputs of jobs that are remembered, at most.
const PAST_BYTES: usize = 16 * 1024 * 1024;

/// Attempts of one job that are remembered.
const ATTEMPTS: usize = 16;

/// What each job is doing.
#[derive(Debug)]
pub(crate) struct Ledger {
    composer: Arc<Composer>,
    book: Mutex<Book>,
    room: Condvar,
}

#[derive(Debug)]
struct Book {
    counts: Counts,
    begun: Instant,
    /// On their way.
    jobs: BTreeMap<u64, JobRecord>,
    /// Ended and remembered.
    past: BTreeMap<u64, JobRecord>,
    failed: VecDeque<u64>,
    recent: VecDeque<u64>,
    held_bytes: u64,
    input_bytes: usize,
    past_bytes: usize,
    is_input_over: bool,
    is_stopped: bool,
}

/// How many jobs there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Sent so far: of all, once `is_total`.
    pub(crate) sent: u64,
    /// With a process now.
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Runs beyond a job's first, because it had failed.
    pub(crate) retried: u64,
    /// Passed over, because they are in the job log.
    pub(crate) skipped: u64,
    /// Whether `sent` is all there is.
    pub(crate) is_total: bool,
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct JobRecord {
    pub(crate) seq: u64,
    pub(crate) task: Arc<Task>,
    pub(crate) state: JobState,
    /// The oldest first.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// How often it was run, remembered or not.
    pub(crate) runs: u32,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It waits for a slot.
    Queued,
    /// It has a process.
    Running,
    Succeeded,
    Failed,
}

/// One run of a job.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRecord {
    pub(crate) run: RunId,
    /// The machine; `:` for this one.
    pub(crate) host: Arc<str>,
    pub(crate) slot: u32,
    pub(crate) started: SystemTime,
    /// `None` while it runs.
    pub(crate) runtime: Option<Duration>,
    /// `None` while it runs, or where it was lost.
    pub(crate) exit: Option<Exit>,
}

/// How the run stands, at one point in time.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) counts: Counts,
    pub(crate) elapsed: Duration,
    /// What runs now, the oldest first.
    pub(crate) running: Vec<JobRecord>,
}

impl Ledger {
    /// An empty one; the composer puts jobs in words.
    pub(crate) fn new(composer: Arc<Composer>) -> Self {
        let book = Book {
            counts: Counts::default(),
            begun: Instant::now(),
            jobs: BTreeMap::new(),
            past: BTreeMap::new(),
            failed: VecDeque::new(),
            recent: VecDeque::new(),
            held_bytes: 0,
            input_bytes: 0,
            past_bytes: 0,
            is_input_over: false,
            is_stopped: false,
        };
        Self { composer, book: Mutex::new(book), room: Condvar::new() }
    }

    /// Enters a job that is about to be sent, when there is room. False where nothing is to be sent any more.
    pub(crate) fn enter(&self, seq: u64, task: Arc<Task>) -> bool {
        let cost = cost(&task);
        let is_full = |book: &mut Book| {
            let has_many = book.jobs.len() >= ON_THEIR_WAY || book.held_bytes > HELD_BYTES;
            let has_much = !book.jobs.is_empty() && book.input_bytes + cost > INPUT_BYTES;
            !book.is_stopped && (has_many || has_much)
        };
        let mut book = self.room.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        if book.is_stopped {
            return false;
        }
        book.counts.sent += 1;
        book.input_bytes += cost;
        book.jobs
            .insert(seq, JobRecord { seq, task, state: JobState::Queued, attempts: Vec::new(), runs: 0 });
        true
    }

    /// A job is passed over.
    pub(crate) fn skip(&self) {
        self.lock().counts.skipped += 1;
    }

    /// All inputs have been read.
    pub(crate) fn end_input(&self) {
        let mut book = self.lock();
        book.is_input_over = true;
        book.counts.is_total = true;
    }

    /// Nothing more is to be sent.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.room.notify_all();
    }

    /// A worker has begun a job. Late news of one that has ended are of no interest.
    pub(crate) fn begin(&self, seq: u64, attempt: AttemptRecord) -> Option<Arc<Task>> {
        let mut book = self.lock();
        let Book { jobs, counts, .. } = &mut *book;
        let job = jobs.get_mut(&seq)?;
        let is_known = job.attempts.iter().any(|known| known.run == attempt.run);
        if is_known || !matches!(job.state, JobState::Queued | JobState::Running) {
            return None;
        }
        if job.state == JobState::Queued {
            counts.running += 1;
        }
        job.state = JobState::Running;
        job.remember(attempt);
        Some(Arc::clone(&job.task))
    }

    /// A run of a job has ended. Returns the job as it is now; `None` where there is none on its way with this number, or its outcome is known.
    pub(crate) fn end(&self, ended: &Ended, host: Arc<str>, is_final: bool) -> Option<JobRecord> {
        let mut book = self.lock();
        let Book { jobs, counts, .. } = &mut *book;
        let job = jobs.get_mut(&ended.seq)?;
        match job.state {
            JobState::Running => counts.running = counts.running.saturating_sub(1),
            JobState::Queued => {}
            JobState::Succeeded | JobState::Failed => return None,
        }
        job.remember(AttemptRecord {
            run: ended.run,
            host,
            slot: ended.slot,
            started: UNIX_EPOCH + Duration::from_micros(ended.started),
            runtime: Some(Duration::from_micros(ended.runtime)),
            exit: Some(ended.exit.clone()),
        });
        job.runs += 1;
        job.state = match (ended.exit.is_success(), is_final) {
            (true, _) => {
                counts.succeeded += 1;
                JobState::Succeeded
            }
            (false, true) => {
                counts.failed += 1;
                JobState::Failed
            }
            (false, false) => {
                counts.retried += 1;
                JobState::Queued
            }
        };
        Some(job.clone())
    }

    /// How often a job has been run to an end.
    pub(crate) fn runs(&self, seq: u64) -> u32 {
        self.lock().jobs.get(&seq).map_or(0, |job| job.runs)
    }

    /// The oldest job that is on its way.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.lock().jobs.first_key_value().map(|(seq, _)| *seq)
    }

    /// Output waits for an older job, or no longer does.
    pub(crate) fn hold(&self, more: u64, fewer: u64) {
        let mut book = self.lock();
        book.held_bytes = (book.held_bytes + more).saturating_sub(fewer);
        drop(book);
        self.room.notify_all();
    }

    /// A job has been printed: it is past.
    pub(crate) fn release(&self, seq: u64) {
        let mut book = self.lock();
        let Some(mut job) = book.jobs.remove(&seq) else { return };
        book.input_bytes = book.input_bytes.saturating_sub(cost(&job.task));
        if job.task.stdin.is_some() {
            job.task = Arc::new(Task { args: job.task.args.clone(), stdin: None });
        }
        book.remember(job);
        drop(book);
        self.room.notify_all();
    }

    /// Whether all inputs were sent, and all that was sent is past.
    pub(crate) fn is_done(&self) -> bool {
        let book = self.lock();
        book.is_input_over && book.jobs.is_empty()
    }

    /// How many jobs there are in each state.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// How the run stands.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let book = self.lock();
        let running = book.jobs.values().filter(|job| job.state == JobState::Running).cloned().collect();
        Snapshot { counts: book.counts, elapsed: book.begun.elapsed(), running }
    }

    /// A job, on its way or past, as long as it is remembered.
    pub(crate) fn find(&self, seq: u64) -> Option<JobRecord> {
        let book = self.lock();
        book.jobs.get(&seq).or_else(|| book.past.get(&seq)).cloned()
    }

    /// A job's command.
    pub(crate) fn text(&self, seq: u64, task: &Task) -> Vec<u8> {
        self.composer.text(seq, &task.args, None)
    }

    /// A job's command, in words.
    pub(crate) fn describe(&self, job: &JobRecord) -> String {
        String::from_utf8_lossy(&self.text(job.seq, &job.task)).into_owned()
    }

    /// The book is whole after every statement that changes it.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Keeps a job that is past, and forgets older ones where there are too many, or they are too large.
    fn remember(&mut self, job: JobRecord) {
        let kept = if job.state == JobState::Failed { &mut self.failed } else { &mut self.recent };
        kept.push_back(job.seq);
        self.past_bytes += cost(&job.task);
        self.past.insert(job.seq, job);
        let (has_many_failed, has_many) = (self.failed.len() > FAILED, self.recent.len() > RECENT);
        if has_many_failed {
            self.forget_oldest(true);
        }
        if has_many {
            self.forget_oldest(false);
        }
        while self.past_bytes > PAST_BYTES {
            // Those that failed are looked for longest.
            let is_failed = self.recent.is_empty();
            self.forget_oldest(is_failed);
        }
    }

    fn forget_oldest(&mut self, is_failed: bool) {
        let kept = if is_failed { &mut self.failed } else { &mut self.recent };
        if let Some(job) = kept.pop_front().and_then(|seq| self.past.remove(&seq)) {
            self.past_bytes = self.past_bytes.saturating_sub(cost(&job.task));
        }
    }
}

/// What a job's inputs take.
fn cost(task: &Task) -> usize {
    let stdin = task.stdin.as_ref().map_or(0, bytes::Bytes::len);
    task.args.iter().map(|arg| arg.len() + INPUT_COST).sum::<usize>() + stdin
}

impl JobRecord {
    /// Enters a run, or what has become of it.
    fn remember(&mut self, attempt: AttemptRecord) {
        if let Some(known) = self.attempts.iter_mut().find(|known| known.run == attempt.run) {
            *known = attempt;
            return;
        }
        if self.attempts.len() == ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}
