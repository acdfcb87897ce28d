//! A worker's end of a channel of jobs.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::channel::error::{RecvError, TryRecvError};
use crate::channel::intake::Intake;
use crate::channel::job::{Job, JobLink};
use crate::channel::stopper::Stopper;

/// Receives the jobs of a channel, in one of two ways.
///
/// - [`JobReceiver::recv`] returns the next job's value. **What you took is yours until you take the next**: asking for the next job
///   completes the one before, with the results that were sent meanwhile through the channel's [`Sender`](crate::Sender).
///   A worker that dies, or drops the receiver, before that gives the job back.
/// - [`JobReceiver::next_job`] returns a [`Job`], for code that works on several at once, or wants to say how a job ended.
///
/// It is a [`Stream`] of the values that `recv` returns, too.
pub struct JobReceiver<J, R> {
    intake: Intake<J>,
    link: Arc<JobLink<R>>,
}

impl<J, R> JobReceiver<J, R> {
    pub(crate) const fn new(intake: Intake<J>, link: Arc<JobLink<R>>) -> Self {
        Self { intake, link }
    }

    /// Completes the job in hand and returns the next one; `Ok(None)` when the channel is closed and **every** job has its outcome,
    /// so that an idle worker is still there to take over from a dying one. A job whose value does not decode fails, with the reason,
    /// and is passed over.
    ///
    /// # Errors
    /// [`RecvError`]: the connection is lost, or this worker drains.
    ///
    /// # Cancel safety
    /// No job is lost when the future is dropped. The job before is completed by the call, once the future is polled.
    pub async fn recv(&mut self) -> Result<Option<J>, RecvError> {
        poll_fn(|cx| self.intake.poll_recv(cx)).await
    }

    /// Completes the job in hand and returns the next one, if it is here.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] where [`JobReceiver::recv`] would wait, [`TryRecvError::Closed`] where it would return `None`.
    pub fn try_recv(&mut self) -> Result<J, TryRecvError> {
        self.intake.try_recv()
    }

    /// [`JobReceiver::recv`] for code that is not async: blocks the thread. Must not be called from async code.
    ///
    /// # Errors
    /// As [`JobReceiver::recv`].
    pub fn blocking_recv(&mut self) -> Result<Option<J>, RecvError> {
        pollster::block_on(self.recv())
    }

    /// The next job as a handle; `Ok(None)` as in [`JobReceiver::recv`]. Several can be in hand at once: as many as the channel
    /// was opened with as [`concurrency`](crate::OpenJobs::concurrency), and one more, come as fast as they can. Whoever holds these and waits is sent further
    /// ones one by one, each when the server has been told that all before it were begun: within some milliseconds and a round trip.
    ///
    /// # Errors
    /// As [`JobReceiver::recv`].
    ///
    /// # Cancel safety
    /// No job is lost when the future is dropped.
    pub async fn next_job(&mut self) -> Result<Option<Job<J, R>>, RecvError> {
        let next = poll_fn(|cx| self.intake.poll_job(cx)).await?;
        Ok(next.map(|delivered| Job::new(delivered, Arc::clone(&self.link))))
    }

    /// [`JobReceiver::next_job`] for code that is not async: blocks the thread. Must not be called from async code.
    ///
    /// # Errors
    /// As [`JobReceiver::recv`].
    pub fn blocking_next_job(&mut self) -> Result<Option<Job<J, R>>, RecvError> {
        pollster::block_on(self.next_job())
    }

    /// Appends up to `limit` jobs to `jobs` and returns how many: waits for the first, takes those that are here besides.
    /// 0 when the channel is closed and drained (or `limit` is 0).
    ///
    /// # Errors
    /// As [`JobReceiver::recv`].
    ///
    /// # Cancel safety
    /// No job is lost when the future is dropped.
    pub async fn recv_many(&mut self, jobs: &mut Vec<Job<J, R>>, limit: usize) -> Result<usize, RecvError> {
        if limit == 0 {
            return Ok(0);
        }
        let Some(first) = self.next_job().await? else {
            return Ok(0);
        };
        jobs.push(first);
        for taken in 1..limit {
            // Takes what is here, and waits for nothing; an end or an error is there for the next call, too.
            match poll_fn(|cx| Poll::Ready(self.intake.poll_job(cx))).await {
                Poll::Ready(Ok(Some(delivered))) => jobs.push(Job::new(delivered, Arc::clone(&self.link))),
                Poll::Ready(Ok(None) | Err(_)) | Poll::Pending => return Ok(taken),
            }
        }
        Ok(limit)
    }

    pub(crate) fn stopper(&self) -> Stopper {
        self.intake.stopper()
    }

    /// Takes no further jobs: what is in hand of the plain loop, and what waits here, goes to other workers. Handles stay valid.
    pub fn close(&mut self) {
        self.intake.close();
    }

    /// Whether [`JobReceiver::recv`] would return at once that there is nothing more.
    pub fn is_closed(&self) -> bool {
        self.intake.is_closed()
    }
}

impl<J, R> Stream for JobReceiver<J, R> {
    type Item = Result<J, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().intake.poll_recv(cx).map(Result::transpose)
    }
}

impl<J, R> fmt::Debug for JobReceiver<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobReceiver").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
