//! One of the places in which a worker runs jobs: a thread that takes a job, runs it, answers it, and takes the next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use distchan::{JobReceiver, RecvError, SendErrorKind, Sender};
use tokio::runtime::Handle;

use crate::command::Composer;
use crate::wire::{Ended, Feeding, Job, News, Plan, RunId, Stream};
use crate::worker::gate::Gate;
use crate::worker::persistent::Persistent;
use crate::worker::process::{self, Surroundings, TimeLimit};
use crate::worker::reports::Reports;
use crate::worker::running::Running;
use crate::worker::spawn::Spawner;

/// What all slots of a worker share.
pub(super) struct Bench {
    pub(super) worker: u64,
    pub(super) jobs: Mutex<JobReceiver<Job, Ended>>,
    pub(super) news: Sender<News>,
    pub(super) plan: Plan,
    pub(super) composer: Composer,
    pub(super) spawner: Spawner,
    pub(super) gate: Gate,
    pub(super) limit: TimeLimit,
    pub(super) running: Arc<Running>,
    pub(super) runs: AtomicU64,
    /// No further job is to be begun.
    pub(super) is_draining: std::sync::atomic::AtomicBool,
    pub(super) runtime: Handle,
}

impl Bench {
    fn is_over(&self) -> bool {
        self.running.is_stopping() || self.is_draining.load(Ordering::SeqCst)
    }
}

/// Takes jobs until there are none.
pub(super) fn work(bench: &Bench, place: usize) -> Result<(), RecvError> {
    let mut persistent = match bench.plan.feeding {
        Feeding::Once => None,
        feeding @ (Feeding::Records(_) | Feeding::Lengths) => Some(Persistent::new(feeding)),
    };
    let end = loop {
        // Whoever waits for a job holds the lock; the others wait for the lock.
        let next = bench.jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_next_job();
        match next {
            Ok(Some(job)) => run(bench, place, job, persistent.as_mut()),
            Ok(None) | Err(RecvError::Draining) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if let Some(persistent) = &mut persistent {
        persistent.finish(&surroundings(bench, place, &|| false));
    }
    end
}

fn surroundings<'a>(bench: &'a Bench, place: usize, is_unwanted: &'a dyn Fn() -> bool) -> Surroundings<'a> {
    Surroundings { spawner: &bench.spawner, running: &bench.running, place, limit: &bench.limit, is_unwanted }
}

fn run(bench: &Bench, place: usize, job: distchan::Job<Job, Ended>, persistent: Option<&mut Persistent>) {
    // A job that is dropped is given back.
    if !bench.gate.pass(|| bench.is_over() || job.is_cancelled()) || bench.is_over() {
        return;
    }
    let (Job { seq, args, stdin }, job) = job.into_parts();
    let run = RunId { worker: bench.worker, number: bench.runs.fetch_add(1, Ordering::Relaxed) };
    let slot = u32::try_from(place + 1).unwrap_or(u32::MAX);
    let started = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    // Where the server is gone, the job's own answer says so.
    let send = |news: News| drop(bench.runtime.block_on(bench.news.send(news)));
    send(News::Begun { seq, run, slot, started });
    let send_chunk = |chunk| send(News::Chunk(chunk));
    let mut reports = Reports::new(seq, run, bench.plan.delivery, &send_chunk);
    let is_unwanted = || job.is_cancelled();
    let around = surroundings(bench, place, &is_unwanted);
    let invocation = bench.composer.invocation(seq, &args, slot);
    let begun = Instant::now();
    let exit = match persistent {
        Some(persistent) => {
            persistent.run(&invocation, (seq, stdin.unwrap_or_default()), &around, &mut reports)
        }
        None => process::run(&invocation, (seq, stdin), &around, &mut reports),
    };
    let runtime = micros(begun.elapsed());
    if bench.running.is_stopping() && !exit.is_success() {
        return;
    }
    let pauses = bench.plan.pauses.after(&exit);
    if pauses {
        bench.gate.pause();
    }
    let (stdout, stderr) = (reports.finish(Stream::Out), reports.finish(Stream::Err));
    let ended = Ended { seq, run, slot, started, runtime, exit, stdout, stderr };
    let Err(error) = bench.runtime.block_on(job.complete(ended)) else { return };
    if pauses {
        // The server will not see this ending.
        bench.gate.go_on();
    }
    // Otherwise another worker has the job.
    if !matches!(error.kind(), SendErrorKind::Disconnected(_) | SendErrorKind::Reassigned) {
        job.fail(error);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
