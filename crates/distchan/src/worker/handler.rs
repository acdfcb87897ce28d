//! The kinds of handler that a worker can serve a channel with. They appear in the type of [`Serve`](crate::Serve) and nowhere else.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::channel::stopper::Stopper;
use crate::channel::{Job, JobReceiver, RecvError, SendErrorKind, panics};
use crate::worker::context::JobContext;

/// A handler that is async.
#[derive(Debug)]
pub struct Async<F>(pub(crate) F);

/// A handler that is async and can fail.
#[derive(Debug)]
pub struct TryAsync<F>(pub(crate) F);

/// A handler that computes or blocks.
#[derive(Debug)]
pub struct Blocking<F>(pub(crate) F);

/// A handler that computes or blocks, and can fail.
#[derive(Debug)]
pub struct TryBlocking<F>(pub(crate) F);

/// Does jobs until there are none. Implemented by the kinds of handler here.
pub trait Handler<J, R>: Send + 'static {
    /// Does `concurrency` jobs at once, until the channel is closed and drained, or this worker drains.
    fn run(self, jobs: JobReceiver<J, R>, concurrency: usize) -> Running;
}

/// The work of a handler.
pub type Running = Pin<Box<dyn Future<Output = Result<(), RecvError>> + Send>>;

impl<J, R, F, Fut> Handler<J, R> for Async<F>
where
    J: Send + 'static,
    R: Send + 'static,
    F: Fn(J) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    fn run(self, jobs: JobReceiver<J, R>, concurrency: usize) -> Running {
        let handler = Arc::new(self.0);
        Box::pin(run_async(jobs, concurrency, move |value| {
            let handler = Arc::clone(&handler);
            async move { Ok(handler(value).await) }
        }))
    }
}

impl<J, R, E, F, Fut> Handler<J, R> for TryAsync<F>
where
    J: Send + 'static,
    R: Send + 'static,
    E: Display,
    F: Fn(J) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    fn run(self, jobs: JobReceiver<J, R>, concurrency: usize) -> Running {
        let handler = Arc::new(self.0);
        Box::pin(run_async(jobs, concurrency, move |value| {
            let handler = Arc::clone(&handler);
            async move { handler(value).await.map_err(|error| error.to_string()) }
        }))
    }
}

impl<J, R, F> Handler<J, R> for Blocking<F>
where
    J: Send + 'static,
    R: Send + 'static,
    F: Fn(J) -> R + Send + Sync + 'static,
{
    fn run(self, jobs: JobReceiver<J, R>, concurrency: usize) -> Running {
        Box::pin(run_blocking(jobs, concurrency, move |value| Ok(self.0(value))))
    }
}

impl<J, R, E, F> Handler<J, R> for TryBlocking<F>
where
    J: Send + 'static,
    R: Send + 'static,
    E: Display,
    F: Fn(J) -> Result<R, E> + Send + Sync + 'static,
{
    fn run(self, jobs: JobReceiver<J, R>, concurrency: usize) -> Running {
        Box::pin(run_blocking(jobs, concurrency, move |value| {
            self.0(value).map_err(|error| error.to_string())
        }))
    }
}

async fn run_async<J, R, Fut>(
    mut jobs: JobReceiver<J, R>,
    concurrency: usize,
    handler: impl Fn(J) -> Fut,
) -> Result<(), RecvError>
where
    J: Send + 'static,
    R: Send + 'static,
    Fut: Future<Output = Result<R, String>> + Send + 'static,
{
    let mut running = JoinSet::new();
    // Dropped before the jobs that run: what they give back must not come here again.
    let _stop = StopOnDrop(jobs.stopper());
    let end = loop {
        if running.len() >= concurrency {
            running.join_next().await;
        }
        let next = tokio::select! {
            next = jobs.next_job() => next,
            Some(_) = running.join_next() => continue,
        };
        match next {
            Ok(Some(job)) => {
                let (value, job) = job.into_parts();
                let context = JobContext::of(&job);
                // A panic before the handler's first await is caught like any other.
                let work = panics::catch(|| context.run(|| handler(value)));
                running.spawn(async move {
                    match work {
                        Ok(work) => work_on(job, &context, work).await,
                        Err(panic) => answer(job, Err(panic)).await,
                    }
                });
            }
            Ok(None) | Err(RecvError::Draining) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if end.is_ok() {
        while running.join_next().await.is_some() {}
    }
    end
}

/// Does a job until it is done, or nobody wants it any more: then the handler is dropped, and with it the job, which frees its place.
async fn work_on<R>(job: Job<(), R>, context: &JobContext, work: impl Future<Output = Result<R, String>>) {
    let mut work = pin!(work);
    let in_context = poll_fn(|cx| context.run(|| work.as_mut().poll(cx)));
    let outcome = tokio::select! {
        biased; // so that a job that ends at once asks for no signal
        outcome = panics::catch_async(in_context) => outcome,
        () = job.cancelled() => return,
    };
    answer(job, outcome).await;
}

/// Each thread takes the next job under a lock, and works outside it: a job passes through no hands but its own.
async fn run_blocking<J, R>(
    jobs: JobReceiver<J, R>,
    concurrency: usize,
    handler: impl Fn(J) -> Result<R, String> + Send + Sync + 'static,
) -> Result<(), RecvError>
where
    J: Send + 'static,
    R: Send + 'static,
{
    let stop = StopOnDrop(jobs.stopper());
    let jobs = Arc::new(Mutex::new(jobs));
    let handler = Arc::new(handler);
    let (ended, mut ends) = mpsc::unbounded_channel();
    for index in 0..concurrency {
        let (jobs, handler, ended) = (Arc::clone(&jobs), Arc::clone(&handler), ended.clone());
        let runtime = Handle::current();
        let work = move || {
            let _context = runtime.enter();
            // Whoever served may be gone; then nobody wants to know.
            let _ = ended.send(work_through(&jobs, handler.as_ref()));
        };
        let spawned = std::thread::Builder::new().name(format!("distchan {index}")).spawn(work);
        if let Err(error) = spawned {
            if index == 0 {
                return Err(RecvError::Disconnected(format!("cannot start a thread: {error}").into()));
            }
            tracing::warn!(%error, threads = index, "fewer threads than asked for");
            break;
        }
    }
    drop(ended);
    drop(jobs);
    let mut result = Ok(());
    while let Some(end) = ends.recv().await {
        if result.is_ok() {
            result = end;
        }
    }
    drop(stop);
    result
}

fn work_through<J, R>(
    jobs: &Mutex<JobReceiver<J, R>>,
    handler: &impl Fn(J) -> Result<R, String>,
) -> Result<(), RecvError> {
    loop {
        let next = jobs.lock().blocking_next_job();
        match next {
            Ok(Some(job)) => {
                let (value, job) = job.into_parts();
                let context = JobContext::of(&job);
                let outcome = panics::catch(|| context.run(|| handler(value)));
                pollster::block_on(answer(job, outcome));
            }
            Ok(None) | Err(RecvError::Draining) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Ends a job as its handler did: with a result, a failure, or (the outer `Err`) a panic.
async fn answer<R>(job: Job<(), R>, outcome: Result<Result<R, String>, String>) {
    match outcome {
        Ok(Ok(result)) => match panics::catch_async(job.complete(result)).await {
            Ok(Ok(())) => {}
            // The job is with another worker.
            Ok(Err(error))
                if matches!(error.kind(), SendErrorKind::Disconnected(_) | SendErrorKind::Reassigned) => {}
            Ok(Err(error)) => job.fail(error),
            // The result's `Serialize` panicked.
            Err(panic) => job.fail(panic),
        },
        Ok(Err(reason)) | Err(reason) => job.fail(reason),
    }
}

/// Whoever stops serving leaves no thread behind that waits for a job.
struct StopOnDrop(Stopper);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
