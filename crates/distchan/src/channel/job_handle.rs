//! One job that was sent, and its answer to come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use distchan_proto::batch::{Batch, Kind};
use distchan_proto::ids::JobId;

use crate::channel::direct::Direct;
use crate::channel::error::CallError;
use crate::channel::failed::JobFailed;
use crate::channel::inbox::End;
use crate::channel::sinks::Sink;
use crate::zero_copy;

/// A job that was sent with [`JobSender::submit`](crate::JobSender::submit), and a future of its result: `handle.await`. Where a job has several
/// results, it yields the first.
///
/// **Dropping it cancels the job**: nobody would see its result. [`JobHandle::detach`] lets it be done all the same.
///
/// ```no_run
/// # async fn example(jobs: distchan::JobSender<String, u64>) -> Result<(), Box<dyn std::error::Error>> {
/// let slow = jobs.submit("https://example.org/slow".to_owned()).await?;
/// let fast = jobs.submit("https://example.org/fast".to_owned()).await?;
/// tokio::select! {
///     // Whichever ends first; the other is dropped, and its worker told to stop.
///     size = slow => println!("slow: {}", size?),
///     size = fast => println!("fast: {}", size?),
/// }
/// # Ok(()) }
/// ```
///
/// It does not keep its channel open: with the last sender the channel closes, and what was submitted is still done.
#[must_use = "a job whose handle is dropped is cancelled; `detach` lets it be done"]
pub struct JobHandle<J, R> {
    job: JobId,
    direct: Arc<Direct<J, R>>,
    /// Where the answer comes; `None` once it has come, or is not wanted.
    sink: Option<Sink>,
}

impl<J, R> JobHandle<J, R> {
    pub(crate) const fn new(job: JobId, direct: Arc<Direct<J, R>>, sink: Sink) -> Self {
        Self { job, direct, sink: Some(sink) }
    }

    /// The job's number, from 1 in the order of sending: the same that its worker sees.
    pub const fn id(&self) -> JobId {
        self.job
    }

    /// Cancels the job: where a worker has it, the worker is told to stop. The handle then yields [`CallError::Failed`] with
    /// [`Outcome::Cancelled`](crate::Outcome::Cancelled); or the result, where that was faster.
    pub fn cancel(&self) {
        if self.sink.is_some() {
            self.direct.port.cancel(self.job);
        }
    }

    /// Lets the job be done, without anybody who waits for its result: that is dropped, and so is its failure.
    pub fn detach(mut self) {
        self.sink = None;
    }
}

/// # Panics
/// Polled again after it was done.
impl<J, R> Future for JobHandle<J, R> {
    type Output = Result<R, CallError<J>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sink = self.sink.as_ref().expect("a job's handle is not polled after it was done");
        let answer = ready!(sink.inbox.poll_take(cx));
        self.sink = None;
        Poll::Ready(match answer {
            Ok(batch) => {
                self.direct.port.consumed(batch.cost());
                read(&self.direct, &batch)
            }
            Err(End::Finished) => Err(CallError::NoResult),
            Err(End::Error(error)) => Err(CallError::from_recv(error)),
        })
    }
}

/// All of a job's results are in one batch, since they are released together.
fn read<J, R>(direct: &Direct<J, R>, batch: &Batch) -> Result<R, CallError<J>> {
    for (start, entry) in batch.iter() {
        let payload = start as usize..entry.end as usize;
        match entry.kind {
            Kind::Result | Kind::Last | Kind::Value => {
                return zero_copy::read(&batch.payload, payload, direct.decode).map_err(CallError::Decode);
            }
            Kind::Failed => {
                let failure = batch.payload.slice(payload);
                let failed = JobFailed::read(entry.job, &failure, &direct.origin, direct.port.as_ref());
                return Err(CallError::Failed(failed));
            }
            Kind::Done | Kind::Returned | Kind::Unbegun | Kind::Void => {}
        }
    }
    Err(CallError::NoResult)
}

impl<J, R> Drop for JobHandle<J, R> {
    fn drop(&mut self) {
        // What has come has its outcome; to cancel it has no effect.
        self.cancel();
    }
}

impl<J, R> fmt::Debug for JobHandle<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("id", &self.job).finish_non_exhaustive()
    }
}
