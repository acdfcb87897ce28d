//! A worker process: serves all channels, each in another way, until the end of the work or SIGTERM. It checks nothing.

use std::process::ExitCode;

use distchan::{Code, OpenError, RecvError, ServeError, Worker};
use tokio::signal::unix::{SignalKind, signal};

use crate::Problem;
use crate::job::{Answer, CALLS, Job, MIXED, ORDERED};

/// How a worker ends that never was connected: whoever tries while nobody answers may give up.
pub(crate) const NEVER_CONNECTED: u8 = 2;

/// Serves until every job has its outcome, or until this process is asked to go.
pub(crate) async fn work(address: &str, name: &str) -> Result<ExitCode, Problem> {
    // What the panicking jobs say is not wanted on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let mut term = signal(SignalKind::terminate())?;
    let Ok(worker) = Worker::builder().name(name).connect(address).await else {
        return Ok(NEVER_CONNECTED.into());
    };
    let leaving = worker.clone();
    tokio::spawn(async move {
        term.recv().await;
        // Where the connection is lost on the way out, the server knows what to do.
        let _ = leaving.drain().await;
    });
    let mixed = async {
        let serve = worker.try_serve(MIXED, async |job: Job| job.work().await.map(|()| job.answer(0)));
        serve.concurrency(4).await.map_err(Problem::from)
    };
    let calls = async {
        let serve = worker.try_serve_blocking(CALLS, |job: Job| job.work_blocking().map(|()| job.answer(0)));
        serve.concurrency(2).await.map_err(Problem::from)
    };
    match tokio::try_join!(mixed, calls, ordered(&worker)) {
        // Who is asked to go before it has opened everything has nothing of it to give back.
        Err(problem) if came_too_late(&problem) => _ = worker.drain().await,
        joined => _ = joined?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a channel was not opened because this worker was asked to go meanwhile.
fn came_too_late(problem: &Problem) -> bool {
    let open = match problem.downcast_ref::<ServeError>() {
        Some(ServeError::Open(error)) => Some(error),
        _ => problem.downcast_ref::<OpenError>(),
    };
    open.is_some_and(|error| error.code == Code::Normal)
}

/// The plain loop, with several results a job.
async fn ordered(worker: &Worker) -> Result<(), Problem> {
    let (mut jobs, results) = worker.channel::<Job, Answer>(ORDERED).await?;
    loop {
        let job = match jobs.recv().await {
            Ok(Some(job)) => job,
            Ok(None) | Err(RecvError::Draining) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        job.work().await?;
        for index in 0..job.answer(0).of {
            results.send(job.answer(index)).await.map_err(|error| error.kind().clone())?;
        }
    }
}
