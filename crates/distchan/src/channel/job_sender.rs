//! A server's sending end of a channel of jobs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use distchan_proto::ids::SinkId;

use crate::channel::direct::Direct;
use crate::channel::error::{CallError, SendError, SendErrorKind, TrySendError};
use crate::channel::failed::JobFailed;
use crate::channel::job_handle::JobHandle;
use crate::channel::map::Map;
use crate::channel::outgoing::{Label, PushError, Room};
use crate::channel::retry::{RetryError, RetryErrorKind};
use crate::channel::sender::{Permit, Sender};
use crate::codec::{CodecError, ScatteredMut};

/// Sends jobs, and, for those who think in calls and iterators, brings back their results.
///
/// Clones send into the same channel. With the last one (and the last unfinished call or map), the channel closes: workers see the end
/// once every job has its outcome, and then the server's receiver ends.
pub struct JobSender<J, R> {
    sender: Sender<J>,
    direct: Arc<Direct<J, R>>,
}

impl<J, R> JobSender<J, R> {
    pub(crate) fn new(sender: Sender<J>, direct: Direct<J, R>) -> Self {
        Self { sender, direct: Arc::new(direct) }
    }

    /// Sends a job whose results go to the channel's receiver. Waits while the workers are behind: while they have as many
    /// jobs as they may have, and the channel's capacity is used up.
    ///
    /// # Errors
    /// [`SendError`] with the job: the channel is closed, or the job does not encode or is too large.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done sends nothing.
    pub fn send(&self, job: J) -> impl Future<Output = Result<(), SendError<J>>> {
        self.sender.send(job)
    }

    /// Sends a job if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`] where [`JobSender::send`] would wait; else as there. Both give the job back.
    pub fn try_send(&self, job: J) -> Result<(), TrySendError<J>> {
        self.sender.try_send(job)
    }

    /// [`JobSender::send`] for code that is not async: blocks the thread. Must not be called from async code.
    ///
    /// # Errors
    /// As [`JobSender::send`].
    pub fn blocking_send(&self, job: J) -> Result<(), SendError<J>> {
        self.sender.blocking_send(job)
    }

    /// Waits for room for one job, and holds it until the permit is used or dropped.
    ///
    /// # Errors
    /// The channel is closed.
    ///
    /// # Cancel safety
    /// Dropping the future gives its place in the line up.
    pub async fn reserve(&self) -> Result<Permit<'_, J>, SendErrorKind> {
        self.sender.reserve().await
    }

    /// Takes room for one job, if there is some now. `None` where there is none.
    ///
    /// # Errors
    /// As [`JobSender::reserve`].
    pub fn try_reserve(&self) -> Result<Option<Permit<'_, J>>, SendErrorKind> {
        self.sender.try_reserve()
    }

    /// Sends a job whose result goes to the handle that this returns, and not to the channel's receiver: see [`JobHandle`]. Waits for room as
    /// [`JobSender::send`] does.
    ///
    /// # Errors
    /// As [`JobSender::send`].
    ///
    /// # Cancel safety
    /// Dropping the future before it is done sends nothing.
    pub async fn submit(&self, job: J) -> Result<JobHandle<J, R>, SendError<J>> {
        let sink = self.direct.sinks.open(&self.direct.port);
        let number = self.direct.send_to(job, sink.id, self.sender.within()).await?;
        Ok(JobHandle::new(number, Arc::clone(&self.direct), sink))
    }

    /// Sends a job and waits for its result, which goes to this call and not to the channel's receiver: [`JobSender::submit`], awaited. Where a job
    /// has several results, the first is returned.
    ///
    /// # Errors
    /// [`CallError`]: the job (given back) was not sent, it was not completed, or it has no result.
    ///
    /// # Cancel safety
    /// Dropping the future before the job was sent sends nothing; after that it cancels the job.
    pub async fn call(&self, job: J) -> Result<R, CallError<J>> {
        self.submit(job).await.map_err(CallError::Send)?.await
    }

    /// A sender on the same channel, whose jobs must be done within this time of being sent: those that are not are cancelled then, wherever they
    /// are. It holds for all that it sends: by [`JobSender::send`] and its kin, by calls and maps, and again for what it retries. The time
    /// that a job waits for room before it is sent does not count.
    ///
    /// ```no_run
    /// # async fn example(jobs: distchan::JobSender<String, u64>) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let size = jobs.within(Duration::from_secs(2)).call("https://example.org".to_owned()).await?;
    /// # Ok(()) }
    /// ```
    pub fn within(&self, time: Duration) -> Self {
        let mut hurried = self.clone();
        hurried.sender.set_within(time);
        hurried
    }

    /// Sends failed jobs of this channel once more, as they were encoded: as new jobs, whose results go to the channel's receiver. Returns how
    /// many. Waits for room as [`JobSender::send`] does.
    ///
    /// # Errors
    /// [`RetryError`], with those that were not sent: one comes from another channel, or this one is closed.
    ///
    /// # Cancel safety
    /// Dropping the future sends a part of them, and drops the rest. Clone them before, where that may happen.
    pub async fn retry(&self, jobs: impl IntoIterator<Item = JobFailed>) -> Result<usize, RetryError> {
        let mut jobs = jobs.into_iter();
        let mut sent = 0;
        while let Some(failed) = jobs.next() {
            if let Err(kind) = self.send_again(&failed).await {
                return Err(RetryError::new(sent, std::iter::once(failed).chain(jobs).collect(), kind));
            }
            sent += 1;
        }
        Ok(sent)
    }

    async fn send_again(&self, failed: &JobFailed) -> Result<(), RetryErrorKind> {
        let bytes = failed.encoded(&self.direct.origin).ok_or(RetryErrorKind::OtherChannel)?;
        let room = self.direct.outgoing.reserve().await.map_err(RetryErrorKind::Send)?;
        let key = self.direct.keying.as_ref().map(|(keying, decode)| keying.of_encoded(*decode, bytes));
        let label = Label { key, ..Label::job(SinkId::RECEIVER, self.sender.within()) };
        match self.direct.outgoing.push(bytes, put, label, Room::Reserved(room)) {
            Ok(_) => Ok(()),
            Err(PushError::Failed(kind)) => Err(RetryErrorKind::Send(kind)),
            Err(PushError::Full) => unreachable!("room was reserved"),
        }
    }

    /// Sends every input as a job and returns a [`Stream`](futures_core::Stream) of their results, as they complete: see [`Map`].
    /// Inputs are taken as there is room, never more than [`Map::in_flight`] at once. Nothing happens until the stream is polled.
    pub fn map<I>(&self, inputs: I) -> Map<I::IntoIter, J, R>
    where
        I: IntoIterator<Item = J>,
    {
        Map::new(self.sender.clone(), Arc::clone(&self.direct), inputs.into_iter())
    }

    /// Closes the channel for all its senders. What was sent is still done.
    pub fn close(&self) {
        self.sender.close();
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until nothing more can be sent.
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    /// How many jobs can be sent now without waiting (0 also when the channel's limit in bytes is reached).
    pub fn capacity(&self) -> usize {
        self.sender.capacity()
    }
}

/// Encodes what is encoded already.
#[expect(clippy::unnecessary_wraps, reason = "stands in for a codec's function")]
fn put(bytes: &Bytes, out: &mut ScatteredMut) -> Result<(), CodecError> {
    out.put(bytes);
    Ok(())
}

impl<J, R> Clone for JobSender<J, R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), direct: Arc::clone(&self.direct) }
    }
}

impl<J, R> fmt::Debug for JobSender<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSender").field("sender", &self.sender).finish_non_exhaustive()
    }
}
