//! The receiving end of a channel: a server's results, or a one-way channel's values on either side.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::channel::aside::FailedJobs;
use crate::channel::error::{RecvError, TryRecvError};
use crate::channel::intake::Intake;

/// Receives values of one type from the other side.
///
/// On a server it yields the results of a channel as their jobs complete, or what workers send unasked. On a worker it yields what
/// the server sends: a value is this worker's until it asks for the next one, and goes to another worker if this one dies before.
///
/// It is a [`Stream`] of `Result<T, RecvError>` as well.
pub struct Receiver<T> {
    intake: Intake<T>,
}

impl<T> Receiver<T> {
    pub(crate) const fn new(intake: Intake<T>) -> Self {
        Self { intake }
    }

    /// The next value; `Ok(None)` when the channel is closed and drained: every job has its outcome, and all results were taken.
    ///
    /// # Errors
    /// [`RecvError`]. After a failed job the next call goes on with the others; a lost connection is final, and never looks
    /// like the end of the work.
    ///
    /// # Cancel safety
    /// No value is lost when the future is dropped. On a worker, calling it is what completes the value before, whether the future
    /// is polled to its end or not.
    pub async fn recv(&mut self) -> Result<Option<T>, RecvError> {
        poll_fn(|cx| self.intake.poll_recv(cx)).await
    }

    /// The next value, if it is here.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] where [`Receiver::recv`] would wait, [`TryRecvError::Closed`] where it would return `None`.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.intake.try_recv()
    }

    /// Appends up to `limit` values to `values` and returns how many: waits for the first, takes those that are here besides.
    /// 0 when the channel is closed and drained (or `limit` is 0). On a worker all of them are in hand until the next call.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    ///
    /// # Cancel safety
    /// No value is lost when the future is dropped.
    pub async fn recv_many(&mut self, values: &mut Vec<T>, limit: usize) -> Result<usize, RecvError> {
        poll_fn(|cx| self.intake.poll_recv_many(cx, values, limit)).await
    }

    /// [`Receiver::recv`] for code that is not async: blocks the thread. Must not be called from async code.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn blocking_recv(&mut self) -> Result<Option<T>, RecvError> {
        pollster::block_on(self.recv())
    }

    /// [`Receiver::recv`] for hand-written futures.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, RecvError>> {
        self.intake.poll_recv(cx)
    }

    /// Sets failed jobs aside: as long as what this returns (or a clone of it) lives, a job that was not completed is kept there, instead of
    /// being an error of [`Receiver::recv`]. It is set aside as its turn comes, so the receiver is to be read all the same.
    ///
    /// What is kept there counts as unread, like results that nobody takes: at 16 MiB the channel gives out no further jobs until some are
    /// taken. On a worker, and on a channel from the workers, nothing fails, and nothing is ever there.
    pub fn failed(&mut self) -> FailedJobs {
        FailedJobs::new(self.intake.set_aside())
    }

    /// Takes nothing more: the other side is not held up by this receiver any longer. On a worker, what it has in hand goes to others.
    pub fn close(&mut self) {
        self.intake.close();
    }

    /// Whether [`Receiver::recv`] would return at once that there is nothing more.
    pub fn is_closed(&self) -> bool {
        self.intake.is_closed()
    }
}

impl<T> Stream for Receiver<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().intake.poll_recv(cx).map(Result::transpose)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
