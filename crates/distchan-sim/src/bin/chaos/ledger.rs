//! The books: what was sent, how it may end, how it ended. It waits for nothing.

use std::fmt;
use std::iter::Sum;

use distchan::{AttemptEnd, JobFailed, Outcome};

use crate::job::{Answer, Expected, Job};

/// Crashes after which a job is dead.
pub(crate) const CRASH_LIMIT: u32 = 3;

/// Deviations that are kept in words.
const KEPT: usize = 20;

/// The jobs of one channel.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    is_ordered: bool,
    entries: Vec<Entry>,
    /// On an ordered channel: the job whose outcome came last.
    newest: u64,
    pub(crate) counts: Counts,
    /// What was wrong, in words.
    pub(crate) deviations: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    /// The job itself, until it has its outcome.
    job: Option<Job>,
    /// Its results that have come.
    results: u32,
}

/// What became of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) attempted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) dead: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) unexpected: u64,
}

impl Ledger {
    pub(crate) fn new(is_ordered: bool) -> Self {
        Self { is_ordered, ..Self::default() }
    }

    /// The number of the next job.
    pub(crate) fn next(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A job is being sent.
    pub(crate) fn enter(&mut self, job: Job) {
        self.counts.attempted += 1;
        self.entries.push(Entry { job: Some(job), results: 0 });
    }

    /// A job was cancelled by whoever sent it: nothing is expected of it.
    pub(crate) fn strike(&mut self, number: u64) {
        if self.entry(number).is_some_and(|entry| entry.job.take().is_some()) {
            self.counts.attempted -= 1;
        }
    }

    /// A result has come.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let number = answer.number;
        let Some(entry) = self.entry(number) else {
            return self.deviate(format!("a result of job {number}, which was never sent"));
        };
        let next = entry.results;
        let Some(job) = entry.job.take_if(|_| answer.index >= next) else {
            self.counts.duplicated += 1;
            return self.note(format!("job {number}: result {} came again", answer.index));
        };
        entry.results += 1;
        let is_last = entry.results >= answer.of;
        let (expected, right) = (job.kind.expected(), job.answer(answer.index));
        if !is_last {
            entry.job = Some(job);
        }
        if answer != right || answer.index != next || expected != Expected::Results(answer.of) {
            self.deviate(format!(
                "job {number}: {answer:?}, where {right:?} and number {next} of {expected:?} is right"
            ));
        }
        if next == 0 {
            self.follow(number);
        }
        self.counts.completed += u64::from(is_last);
    }

    /// A job has ended without its results. Jobs of one sender are counted from 1.
    pub(crate) fn failure(&mut self, number: u64, failed: &JobFailed) {
        let Some(entry) = self.entry(number) else {
            return self.deviate(format!("an outcome of job {number}, which was never sent: {failed}"));
        };
        let results = entry.results;
        let Some(job) = entry.job.take() else {
            self.counts.duplicated += 1;
            return self.note(format!("job {number} has its outcome, and this as well: {failed}"));
        };
        match failed.outcome() {
            Outcome::Dead => self.counts.dead += 1,
            _ => self.counts.failed += 1,
        }
        if results > 0 {
            self.deviate(format!("job {number}: {results} results are visible, but it ended so: {failed}"));
        }
        if let Err(why) = judge(&job, failed) {
            self.deviate(format!("job {number}, {:?}: {why}: {failed}", job.kind));
        }
        self.follow(number);
    }

    /// Something else that is wrong.
    pub(crate) fn deviate(&mut self, what: String) {
        self.counts.unexpected += 1;
        self.note(what);
    }

    /// No more will come: what has no outcome is lost.
    pub(crate) fn close(&mut self) {
        let lost: Vec<u64> =
            self.entries.iter().filter_map(|entry| entry.job.as_ref()).map(|job| job.number).collect();
        self.counts.lost = lost.len() as u64;
        if !lost.is_empty() {
            let some: Vec<_> = lost.iter().take(10).collect();
            self.note(format!("lost: {} jobs, among them {some:?}", lost.len()));
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        usize::try_from(number).ok().and_then(|number| self.entries.get_mut(number))
    }

    /// The first sight of a job's outcome.
    fn follow(&mut self, number: u64) {
        if self.is_ordered && number < self.newest {
            self.deviate(format!("job {number} came after job {}", self.newest));
        }
        self.newest = self.newest.max(number);
    }

    fn note(&mut self, what: String) {
        if self.deviations.len() < KEPT {
            self.deviations.push(what);
        }
    }
}

/// Whether a job may end like this, and if not, why.
fn judge(job: &Job, failed: &JobFailed) -> Result<(), &'static str> {
    let value = failed.value::<Job>().map_err(|_| "it carries no value")?;
    if value != *job {
        return Err("it carries another job's value");
    }
    let crashes =
        failed.attempts().iter().filter(|attempt| matches!(attempt.end, AttemptEnd::Crashed { .. })).count();
    match (failed.outcome(), job.kind.expected()) {
        // Whoever is killed with it three times is dead, however harmless.
        (Outcome::Dead, _) if crashes >= CRASH_LIMIT as usize => Ok(()),
        (Outcome::Dead, _) => Err("it is dead, with fewer crashes than the limit"),
        (Outcome::Failed, Expected::Failure(reason)) if failed.reason().contains(reason) => Ok(()),
        (Outcome::Failed, Expected::Failure(_)) => Err("it failed for another reason"),
        (Outcome::Failed, _) => Err("it must not fail"),
        _ => Err("nobody cancelled it"),
    }
}

impl Counts {
    /// Whether every promise was kept.
    pub(crate) const fn is_kept(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.unexpected == 0
            && self.attempted == self.completed + self.failed + self.dead
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |a, b| Self {
            attempted: a.attempted + b.attempted,
            completed: a.completed + b.completed,
            failed: a.failed + b.failed,
            dead: a.dead + b.dead,
            lost: a.lost + b.lost,
            duplicated: a.duplicated + b.duplicated,
            unexpected: a.unexpected + b.unexpected,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempted, completed, failed, dead, lost, duplicated, unexpected } = self;
        write!(
            f,
            "attempted {attempted} completed {completed} failed {failed} dead {dead} lost {lost} duplicated {duplicated} unexpected {unexpected}"
        )
    }
}

/// The books must be able to find fault.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Kind;

    fn ledger(is_ordered: bool, kinds: &[Kind]) -> Ledger {
        let mut ledger = Ledger::new(is_ordered);
        for kind in kinds {
            let number = ledger.next();
            ledger.enter(Job { number, kind: kind.clone() });
        }
        ledger
    }

    fn job(number: u64, of: u32) -> Job {
        Job { number, kind: Kind::Results(of) }
    }

    #[test]
    fn right_results_in_any_order_of_jobs_are_right() {
        let mut ledger = ledger(false, &[Kind::Results(2), Kind::Wait(1), Kind::Large(vec![1, 2])]);
        ledger.answer(Job { number: 2, kind: Kind::Large(vec![1, 2]) }.answer(0));
        ledger.answer(job(0, 2).answer(0));
        ledger.answer(Job { number: 1, kind: Kind::Wait(1) }.answer(0));
        ledger.answer(job(0, 2).answer(1));
        ledger.close();
        assert!(ledger.counts.is_kept(), "{:?}", ledger.deviations);
        assert_eq!(ledger.counts.completed, 3);
    }

    #[test]
    fn a_job_without_an_outcome_is_lost() {
        let mut ledger = ledger(false, &[Kind::Results(1), Kind::Results(2)]);
        ledger.answer(job(1, 2).answer(0));
        ledger.close();
        assert_eq!((ledger.counts.lost, ledger.counts.is_kept()), (2, false));
    }

    #[test]
    fn a_job_that_was_cancelled_is_not_attempted() {
        let mut ledger = ledger(false, &[Kind::Results(1)]);
        ledger.strike(0);
        ledger.close();
        assert_eq!(ledger.counts, Counts::default());
    }

    #[test]
    fn a_result_that_comes_again_is_a_duplicate() {
        let mut ledger = ledger(false, &[Kind::Results(1), Kind::Results(2)]);
        ledger.answer(job(0, 1).answer(0));
        ledger.answer(job(0, 1).answer(0));
        ledger.answer(job(1, 2).answer(0));
        ledger.answer(job(1, 2).answer(0));
        assert_eq!((ledger.counts.duplicated, ledger.counts.is_kept()), (2, false));
    }

    #[test]
    fn wrong_results_are_unexpected() {
        let wrong: [fn(Answer) -> Answer; 4] = [
            |right| Answer { check: right.check ^ 1, ..right },
            |right| Answer { index: 1, ..right },
            |right| Answer { of: 3, ..right },
            |right| Answer { number: 7, ..right },
        ];
        for wrong in wrong {
            let mut ledger = ledger(false, &[Kind::Results(2)]);
            ledger.answer(wrong(job(0, 2).answer(0)));
            assert_eq!((ledger.counts.unexpected, ledger.counts.is_kept()), (1, false));
        }
        let mut ledger = ledger(false, &[Kind::Fail]);
        ledger.answer(Job { number: 0, kind: Kind::Fail }.answer(0));
        assert_eq!(ledger.counts.unexpected, 1, "a job that must fail has a result");
    }

    #[test]
    fn where_order_is_promised_another_order_is_unexpected() {
        for (is_ordered, unexpected) in [(true, 1), (false, 0)] {
            let mut ledger = ledger(is_ordered, &[Kind::Results(1), Kind::Results(1)]);
            ledger.answer(job(1, 1).answer(0));
            ledger.answer(job(0, 1).answer(0));
            assert_eq!(ledger.counts.unexpected, unexpected);
        }
    }
}
