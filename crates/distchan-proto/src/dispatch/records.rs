//! What is known of the few jobs of which there is more to know than where they are: a deadline, a start, attempts that went wrong.
//! It keeps and finds; what follows from it is decided in `endings`.

use std::collections::{BTreeMap, BTreeSet};

use crate::dispatch::lease::MemberId;
use crate::failure::{AttemptEnd, AttemptRecord};
use crate::ids::{Attempt, JobId};
use crate::limits;
use crate::time::Time;

/// One job's record.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Attempts that did not complete it, oldest first; the newest few.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// Attempts whose worker was lost after it had begun.
    pub(crate) crashes: u32,
    pub(crate) failures: u32,
    pub(crate) timeouts: u32,
    /// It was with a worker that was lost without having begun anything, as far as is known: this job may have been it.
    pub(crate) is_suspected: bool,
    /// When the worker said that it has begun with the current attempt.
    pub(crate) started: Option<Time>,
    deadline: Option<Time>,
    due: Option<(Time, Due)>,
    /// Another worker that has it at the same time.
    pub(crate) twin: Option<Twin>,
    /// The highest attempt that a twin had.
    pub(crate) last_twin: u32,
}

/// A job's second delivery, beside the one that its slot knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twin {
    pub(crate) member: MemberId,
    pub(crate) attempt: Attempt,
    /// When it was handed, unless it still waits for its worker's connection.
    pub(crate) handed: Option<Time>,
    /// When its worker said that it has begun.
    pub(crate) started: Option<Time>,
}

impl Twin {
    /// Whether `member` has this very delivery.
    pub(crate) fn is_with(&self, member: MemberId, attempt: Attempt) -> bool {
        self.handed.is_some() && (self.member, self.attempt) == (member, attempt)
    }
}

/// What a job's record waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The end of the wait before its next attempt.
    Retry,
    /// The end of the time that its attempt may take.
    Timeout,
    /// Its deadline.
    Deadline,
}

/// The records of one channel's jobs, and when which of them is due.
#[derive(Debug, Default)]
pub(crate) struct Records {
    by_job: BTreeMap<JobId, Record>,
    agenda: BTreeSet<(Time, JobId, Due)>,
}

impl Record {
    /// Remembers an attempt. Of older ones less is kept, so that a job that is tried for ever costs a bounded number of bytes.
    pub(crate) fn note(&mut self, attempt: AttemptRecord) {
        if let Some(AttemptRecord { end: AttemptEnd::Failed(reason), .. }) = self.attempts.last_mut() {
            shorten(reason, limits::MAX_OLD_REASON);
            reason.shrink_to_fit();
        }
        if self.attempts.len() == limits::MAX_HISTORY {
            self.attempts.remove(0);
        }
        self.attempts.reserve_exact(1);
        self.attempts.push(attempt);
    }

    /// Whether it has brought down as many workers as the limit allows. A suspicion counts where there is proof besides.
    pub(crate) fn is_deadly(&self, crash_limit: u32) -> bool {
        self.crashes >= 1 && self.crashes.saturating_add(self.is_suspected.into()) >= crash_limit
    }
}

impl Records {
    /// The job's record, new where it has none.
    pub(crate) fn open(&mut self, job: JobId) -> &mut Record {
        self.by_job.entry(job).or_default()
    }

    /// The second delivery of a job, where it has one.
    pub(crate) fn twin(&self, job: JobId) -> Option<Twin> {
        self.by_job.get(&job)?.twin
    }

    pub(crate) fn get_mut(&mut self, job: JobId) -> Option<&mut Record> {
        self.by_job.get_mut(&job)
    }

    /// All second deliveries.
    #[cfg(any(debug_assertions, test))]
    pub(crate) fn twins(&self) -> impl Iterator<Item = (JobId, Twin)> {
        self.by_job.iter().filter_map(|(job, record)| Some((*job, record.twin?)))
    }

    pub(crate) fn get(&self, job: JobId) -> Option<&Record> {
        self.by_job.get(&job)
    }

    /// Takes a job's record out: it has its outcome.
    pub(crate) fn close(&mut self, job: JobId) -> Record {
        let record = self.by_job.remove(&job).unwrap_or_default();
        for (time, due) in record.due.into_iter().chain(record.deadline.map(|time| (time, Due::Deadline))) {
            self.agenda.remove(&(time, job, due));
        }
        record
    }

    pub(crate) fn set_deadline(&mut self, job: JobId, time: Time) {
        self.open(job).deadline = Some(time);
        self.agenda.insert((time, job, Due::Deadline));
    }

    /// The milliseconds left until the job's deadline, rounded up, and one; 0 without.
    pub(crate) fn left(&self, job: JobId, now: Time) -> u32 {
        let Some(deadline) = self.by_job.get(&job).and_then(|record| record.deadline) else {
            return 0;
        };
        let millis = (deadline - now).as_nanos().div_ceil(1_000_000);
        u32::try_from(millis).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Sets the end of a wait, or of an attempt. A job has one of them at a time.
    pub(crate) fn set_due(&mut self, job: JobId, time: Time, due: Due) {
        self.clear_due(job);
        self.open(job).due = Some((time, due));
        self.agenda.insert((time, job, due));
    }

    pub(crate) fn clear_due(&mut self, job: JobId) {
        if let Some((time, due)) = self.by_job.get_mut(&job).and_then(|record| record.due.take()) {
            self.agenda.remove(&(time, job, due));
        }
    }

    /// When [`Records::pop_due`] has something.
    pub(crate) fn next(&self) -> Option<Time> {
        self.agenda.first().map(|(time, _, _)| *time)
    }

    /// The next job whose time has come.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(JobId, Due)> {
        let (_, job, due) = self.agenda.first().copied().filter(|(time, _, _)| *time <= now)?;
        self.agenda.pop_first();
        if let Some(record) = self.by_job.get_mut(&job) {
            match due {
                Due::Deadline => record.deadline = None,
                Due::Retry | Due::Timeout => record.due = None,
            }
        }
        Some((job, due))
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn check_invariants(&self) {
        let dates = |(job, record): (&JobId, &Record)| {
            let deadline = record.deadline.map(|time| (time, Due::Deadline));
            let all: Vec<_> = record.due.into_iter().chain(deadline).collect();
            let job = *job;
            all.into_iter().map(move |(time, due)| (time, job, due))
        };
        let dates: BTreeSet<_> = self.by_job.iter().flat_map(dates).collect();
        assert_eq!(dates, self.agenda, "the agenda has every record's dates, and no other");
        assert!(self.by_job.values().all(|record| record.attempts.len() <= limits::MAX_HISTORY));
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn len(&self) -> usize {
        self.by_job.len()
    }

    /// What the job waits for besides its deadline.
    #[cfg(any(debug_assertions, test))]
    pub(crate) fn due(&self, job: JobId) -> Option<Due> {
        self.by_job.get(&job).and_then(|record| record.due).map(|(_, due)| due)
    }
}

/// A peer's reason as text, of which a bounded number of bytes is kept.
pub(crate) fn reason(bytes: &[u8]) -> String {
    let mut reason = String::from_utf8_lossy(bytes.get(..limits::MAX_REASON).unwrap_or(bytes)).into_owned();
    shorten(&mut reason, limits::MAX_REASON);
    reason
}

fn shorten(text: &mut String, limit: usize) {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Attempt, SessionId};

    #[test]
    fn the_history_keeps_the_newest_attempts_and_the_newest_reason_whole() {
        let mut record = Record::default();
        for attempt in 1..=20 {
            record.note(AttemptRecord {
                attempt: Attempt(attempt),
                session: SessionId(1),
                worker: "w".into(),
                started: Time::ZERO,
                ended: Time::ZERO,
                end: AttemptEnd::Failed("ä".repeat(1000)),
            });
        }
        assert_eq!(
            record.attempts.iter().map(|it| it.attempt.0).collect::<Vec<_>>(),
            (5..=20).collect::<Vec<_>>()
        );
        let lengths = record.attempts.iter().map(|it| {
            let AttemptEnd::Failed(reason) = &it.end else { panic!("{it:?}") };
            reason.len()
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [vec![256; 15], vec![2000]].concat());
    }

    #[test]
    fn a_reason_is_cut_at_a_character_whatever_the_bytes_are() {
        assert_eq!(reason(b"no"), "no");
        assert_eq!(reason(&[b'a'; 5000]).len(), limits::MAX_REASON);
        assert!(reason(&[0xff; 5000]).len() <= limits::MAX_REASON);
        assert_eq!(reason(&[0xff; 5000]).chars().next(), Some('\u{fffd}'));
    }
}
