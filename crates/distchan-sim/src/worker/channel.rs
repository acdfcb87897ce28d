//! What a worker's user does on one channel: it takes jobs, works on them in any order, and says what came of them.

use std::collections::{BTreeMap, VecDeque};

use distchan_proto::Direction;
use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::worker::OpenOptions;
use rand::{Rng, RngExt};

use crate::faults::{self, Faults, Moment};
use crate::oracle::{Fate, Oracle, Verdict};
use crate::plan::Plan;

#[derive(Debug)]
pub(super) struct WorkerChannel {
    pub(super) index: usize,
    pub(super) direction: Direction,
    pub(super) options: OpenOptions,
    pub(super) credit: u32,
    pub(super) is_open: bool,
    /// Whether the user takes no further jobs: nobody may wait for this worker, and it can leave once it has none.
    pub(super) is_drained: bool,
    pub(super) inbox: Vec<Job>,
    pub(super) answers: OpenBatch,
    /// Batches that wait until the machine wants them.
    pub(super) full: VecDeque<Batch>,
}

/// A job in hand.
#[derive(Debug)]
pub(super) struct Job {
    id: JobId,
    attempt: Attempt,
    bytes: u64,
    /// Results that were sent.
    sent: usize,
}

impl WorkerChannel {
    pub(super) fn has_work(&self, plan: &Plan, values: &BTreeMap<usize, u64>) -> bool {
        let left = || values.get(&self.index).copied().unwrap_or_default() < plan.channels[self.index].jobs;
        self.is_open
            && self.full.len() < 4
            && (!self.inbox.is_empty() || (self.direction == Direction::Up && left()))
    }

    pub(super) fn receive(&mut self, batch: &Batch, oracle: &Oracle) -> Verdict {
        for (start, entry) in batch.iter() {
            let bytes =
                batch.payload.get(start as usize..entry.end as usize).ok_or("a range outside its batch")?;
            oracle.delivered(self.index, entry.job, bytes)?;
            let in_hand: u64 = self.inbox.iter().map(|job| job.bytes).sum();
            if !self.inbox.is_empty() && in_hand >= self.options.max_bytes {
                return Err(format!("a job beyond {} bytes in hand", self.options.max_bytes));
            }
            let most = self.options.max_jobs.min(self.credit) as usize;
            if self.inbox.len() >= most {
                return Err(format!("more than {most} jobs in hand"));
            }
            self.inbox.push(Job {
                id: entry.job,
                attempt: entry.attempt,
                bytes: bytes.len() as u64,
                sent: 0,
            });
        }
        Ok(())
    }

    pub(super) fn work(&mut self, faults: &Faults, oracle: &Oracle, rng: &mut impl Rng) {
        let at = rng.random_range(0..self.inbox.len());
        let fate = oracle.fate(self.index, self.inbox[at].id);
        if self.inbox[at].sent == 0 && faults.judge(Moment::Job, rng) == faults::Verdict::GiveBack {
            let job = self.inbox.remove(at);
            self.settle_run(Kind::Returned, &job);
            return;
        }
        // All at once, or the next result only.
        let count = if rng.random_bool(0.6) { fate.results.len() } else { 1 };
        for _ in 0..count {
            if self.send_result(at, &fate, rng) {
                return;
            }
        }
        if self.inbox[at].sent < fate.results.len() {
            return;
        }
        let job = self.inbox.remove(at);
        if fate.fails {
            self.answers.payload.extend_from_slice(b"it must fail");
            self.answers.push(Kind::Failed, job.id, job.attempt, 0);
        } else {
            self.settle_run(Kind::Done, &job);
        }
    }

    /// Sends a job's next result; true where that has completed it.
    fn send_result(&mut self, at: usize, fate: &Fate, rng: &mut impl Rng) -> bool {
        let job = &mut self.inbox[at];
        let Some(result) = fate.results.get(job.sent) else {
            return false;
        };
        job.sent += 1;
        let is_last = job.sent == fate.results.len() && rng.random_bool(0.7);
        let kind = if is_last { Kind::Last } else { Kind::Result };
        self.answers.payload.extend_from_slice(result);
        self.answers.push(kind, job.id, job.attempt, 0);
        if is_last {
            self.inbox.remove(at);
        }
        is_last
    }

    /// Says something without a payload of a job; neighbours become one run.
    fn settle_run(&mut self, kind: Kind, job: &Job) {
        if let Some(last) = self.answers.last_mut()
            && last.kind == kind
            && last.attempt == job.attempt
            && last.job.0 + u64::from(last.extra) + 1 == job.id.0
        {
            last.extra += 1;
        } else {
            self.answers.push(kind, job.id, job.attempt, 0);
        }
    }
}
