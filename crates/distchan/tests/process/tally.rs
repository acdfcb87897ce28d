//! Counts what comes of jobs: each is to have exactly one outcome, and only right ones.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use distchan::{JobFailed, Receiver, RecvError};
use tokio::time::timeout;

use crate::task::{Answer, check};

/// A test that has not ended by then hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// The outcomes of the jobs with the numbers from 0 to the end.
#[derive(Debug)]
pub(crate) struct Tally {
    outcomes: Vec<u32>,
    pub(crate) completed: u64,
    pub(crate) duplicated: u64,
    pub(crate) unexpected: u64,
    /// Jobs that did not complete, in the order in which they ended.
    pub(crate) failures: Vec<JobFailed>,
}

impl Tally {
    pub(crate) fn new(jobs: usize) -> Self {
        Self { outcomes: vec![0; jobs], completed: 0, duplicated: 0, unexpected: 0, failures: Vec::new() }
    }

    /// Takes the next outcome; returns the name of the worker that completed a job, and `None` at the end.
    pub(crate) async fn next(&mut self, results: &mut Receiver<Answer>) -> Option<String> {
        loop {
            match results.recv().await {
                Ok(Some(answer)) => {
                    self.completed += 1;
                    self.unexpected += u64::from(answer.check != check(answer.number));
                    self.count(answer.number);
                    return Some(answer.worker);
                }
                Ok(None) => return None,
                // Jobs are counted from 1.
                Err(RecvError::Failed(failed)) => {
                    self.count(failed.job().0 - 1);
                    self.failures.push(failed);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn count(&mut self, number: u64) {
        match usize::try_from(number).ok().and_then(|number| self.outcomes.get_mut(number)) {
            Some(outcomes) => {
                *outcomes += 1;
                self.duplicated += u64::from(*outcomes > 1);
            }
            None => self.unexpected += 1,
        }
    }

    /// How many jobs have no outcome.
    pub(crate) fn lost(&self) -> usize {
        self.outcomes.iter().filter(|outcomes| **outcomes == 0).count()
    }

    /// Whether every job has one outcome, and the right one.
    pub(crate) fn is_exact(&self) -> bool {
        (self.lost(), self.duplicated, self.unexpected) == (0, 0, 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempted, lost) = (self.outcomes.len(), self.lost());
        let Self { completed, duplicated, unexpected, failures, .. } = self;
        let failed = failures.len();
        write!(
            f,
            "attempted {attempted} completed {completed} failed {failed} lost {lost} duplicated {duplicated} unexpected {unexpected}"
        )
    }
}

/// Runs a test on two threads.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(LIMIT, test).await.expect("the test hangs") });
    runtime.shutdown_background();
}
