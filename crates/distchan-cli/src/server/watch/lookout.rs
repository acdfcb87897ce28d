//! Puts together how the run stands: what the ledger knows of the jobs, and the library of the workers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use distchan::Server;

use crate::report::{Bottleneck, Explained, Jobs, MOST_RUNNING, RunningJob, SCHEMA, Status, WorkerStatus};
use crate::server::ledger::{JobRecord, Ledger, Snapshot};
use crate::server::notice::Notify;
use crate::server::roster::Roster;
use crate::server::watch::explain::explain;
use crate::server::watch::pace::{Pace, as_f64};

/// Where the run can be seen from.
#[derive(Debug)]
pub(in crate::server) struct Lookout {
    server: Server,
    ledger: Arc<Ledger>,
    roster: Arc<Roster>,
    /// Tells whether the conductor is behind.
    notify: Notify,
    pace: Mutex<Pace>,
}

impl Lookout {
    pub(in crate::server) fn new(
        server: Server,
        ledger: Arc<Ledger>,
        roster: Arc<Roster>,
        notify: Notify,
    ) -> Self {
        Self { server, ledger, roster, notify, pace: Mutex::default() }
    }

    /// How the run stands.
    pub(super) fn status(&self) -> Status {
        let Snapshot { counts, elapsed, running } = self.ledger.snapshot();
        let done = counts.succeeded + counts.failed;
        let jobs = Jobs {
            read: counts.sent,
            is_total: counts.is_total,
            queued: counts.sent.saturating_sub(done + counts.running),
            running: counts.running,
            succeeded: counts.succeeded,
            failed: counts.failed,
            retried: counts.retried,
            skipped: counts.skipped,
        };
        let workers = self.workers();
        let rate_per_s = self.rate(elapsed, done);
        let left = as_f64(counts.sent - done.min(counts.sent));
        Status {
            schema: SCHEMA,
            elapsed_s: elapsed.as_secs_f64(),
            jobs,
            rate_per_s,
            eta_s: (counts.is_total && rate_per_s > 0.0).then(|| left / rate_per_s),
            bottleneck: self.bottleneck(jobs, &workers),
            workers,
            running: running.iter().take(MOST_RUNNING).filter_map(|job| self.running(job)).collect(),
        }
    }

    /// Whether a worker is there.
    pub(super) fn is_ready(&self) -> bool {
        self.workers().iter().any(|worker| worker.is_connected)
    }

    /// What has become of a job.
    pub(super) fn explain(&self, seq: u64) -> Explained {
        let Snapshot { counts, .. } = self.ledger.snapshot();
        let has_workers = self.is_ready();
        let job = self.ledger.find(seq);
        let command = job.as_ref().map(|job| self.ledger.describe(job));
        explain(seq, job.as_ref(), command, counts, has_workers)
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        let known = self.server.workers().into_iter().filter_map(|info| {
            let entry = self.roster.find(&info.name)?;
            Some(WorkerStatus {
                host: entry.host,
                pid: entry.pid,
                peer: info.peer,
                slots: entry.slots,
                in_flight: info.in_flight,
                completed: info.completed,
                is_connected: info.is_connected,
            })
        });
        known.collect()
    }

    fn rate(&self, elapsed: Duration, done: u64) -> f64 {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).see(elapsed, done)
    }

    fn bottleneck(&self, jobs: Jobs, workers: &[WorkerStatus]) -> Bottleneck {
        let slots: u64 =
            workers.iter().filter(|worker| worker.is_connected).map(|w| u64::from(w.slots)).sum();
        // The conductor prints: where it cannot keep up, what it is told piles up.
        let is_behind = self.notify.capacity() == 0;
        let done = jobs.succeeded + jobs.failed;
        match jobs {
            _ if jobs.is_total && done == jobs.read => Bottleneck::Nothing,
            _ if is_behind => Bottleneck::Reader,
            _ if slots == 0 => Bottleneck::NoWorkers,
            _ if jobs.queued > 0 => Bottleneck::Workers,
            _ if jobs.is_total => Bottleneck::LastJobs,
            _ if jobs.running >= slots => Bottleneck::Workers,
            _ => Bottleneck::Inputs,
        }
    }

    fn running(&self, job: &JobRecord) -> Option<RunningJob> {
        let attempt = job.attempts.iter().rev().find(|attempt| attempt.runtime.is_none())?;
        Some(RunningJob {
            job: job.seq,
            host: attempt.host.to_string(),
            slot: attempt.slot,
            // A worker's clock may be ahead of ours.
            runtime_s: attempt.started.elapsed().unwrap_or_default().as_secs_f64(),
            run: job.runs + 1,
            command: self.ledger.describe(job),
        })
    }
}
