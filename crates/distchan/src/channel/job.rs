//! A job as a handle: whoever holds it says how the job ends.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use distchan_proto::batch::Kind;
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;
use crate::channel::error::{SendError, SendErrorKind};
use crate::channel::intake::Delivered;
use crate::channel::outgoing::{Label, Outgoing, PushError, Room};
use crate::channel::port::{Alive, Encode};

/// A job that this worker has in hand; its value is behind the handle's `Deref`.
///
/// It ends with [`Job::complete`], [`Job::finish`] or [`Job::fail`]. A handle that is dropped before gives the job back: another
/// worker gets it, or the same one where no other has room, and nothing is counted against anyone.
#[must_use = "a job that is dropped is given back"]
pub struct Job<J, R> {
    value: J,
    ticket: Ticket<R>,
}

/// The right to say how a job ends; it can be used once.
struct Ticket<R> {
    delivery: Delivery,
    deadline: Option<Instant>,
    link: Arc<JobLink<R>>,
    is_answered: AtomicBool,
}

/// Where a job's answers go.
#[derive(Debug)]
pub(crate) struct JobLink<R> {
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) encode: Encode<R>,
    pub(crate) _alive: Alive,
}

impl<J, R> Job<J, R> {
    pub(crate) fn new(delivered: Delivered<J>, link: Arc<JobLink<R>>) -> Self {
        let Delivered { delivery, deadline, value } = delivered;
        Self { value, ticket: Ticket { delivery, deadline, link, is_answered: AtomicBool::new(false) } }
    }

    /// The value, and the handle without it.
    pub fn into_parts(self) -> (J, Job<(), R>) {
        (self.value, Job { value: (), ticket: self.ticket })
    }

    /// The job's number, from 1 in the order in which the server sent: the same at every attempt.
    pub const fn id(&self) -> JobId {
        self.ticket.delivery.job
    }

    /// Which delivery this is, from 1.
    pub const fn attempt(&self) -> Attempt {
        self.ticket.delivery.attempt
    }

    /// By when the job must be done, where its sender has said so; it is cancelled then.
    pub const fn deadline(&self) -> Option<Instant> {
        self.ticket.deadline
    }

    /// Whether there is no use in working on this job any more: it was cancelled, its time is up, or it is with another worker. Nobody takes its
    /// results; it still takes a place of this worker's until its handle is answered, or dropped.
    ///
    /// The answer costs a lock: a loop may ask now and then, and need not ask each time around.
    pub fn is_cancelled(&self) -> bool {
        !self.ticket.is_answered.load(Ordering::Acquire) && self.outgoing().is_pointless(self.delivery())
    }

    /// Waits until [`Job::is_cancelled`].
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn cancelled(&self) {
        self.outgoing().signal(self.delivery()).fired().await;
        if self.ticket.is_answered.load(Ordering::Acquire) {
            // It has its outcome, and no other: the signal says no more than that it left this worker's hand.
            std::future::pending::<()>().await;
        }
    }

    /// Completes the job with its last result. Waits while the server's receiver is behind.
    ///
    /// # Errors
    /// [`SendError`] with the result. Where the connection is lost, or was lost for too long ([`SendErrorKind::Reassigned`]), another worker gets
    /// the job; where the result does not encode or is too large, the job is still in hand and can be failed; where it has its outcome
    /// already, nothing happens. The result of a job that was cancelled meanwhile is no error, and goes nowhere.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done sends nothing; the job is still in hand.
    pub async fn complete(&self, result: R) -> Result<(), SendError<R>> {
        self.ticket.answer(result, Kind::Last).await
    }

    /// Sends one of several results. None is visible on the server before the job completes.
    ///
    /// # Errors
    /// As [`Job::complete`].
    ///
    /// # Cancel safety
    /// Dropping the future before it is done sends nothing.
    pub async fn send(&self, result: R) -> Result<(), SendError<R>> {
        self.ticket.answer(result, Kind::Result).await
    }

    /// Completes the job without a further result. Does nothing where it has its outcome already.
    pub fn finish(self) {
        self.ticket.end(Kind::Done);
    }

    /// Says that the job failed, and why (at most 4 KiB are kept). Its results are dropped, and the server's receiver gets the reason.
    /// Does nothing where the job has its outcome already.
    pub fn fail(self, error: impl fmt::Display) {
        if !self.ticket.is_answered.swap(true, Ordering::AcqRel) {
            self.outgoing().note_failed(self.delivery(), &error.to_string());
        }
    }

    /// Gives the job back: another worker gets it. The same as dropping it, said aloud.
    pub fn give_back(self) {}

    pub(crate) fn outgoing(&self) -> &Arc<Outgoing> {
        &self.ticket.link.outgoing
    }

    pub(crate) const fn delivery(&self) -> Delivery {
        self.ticket.delivery
    }
}

impl<R> Ticket<R> {
    async fn answer(&self, result: R, kind: Kind) -> Result<(), SendError<R>> {
        if self.is_answered.load(Ordering::Acquire) {
            return Err(SendError::new(result, SendErrorKind::Answered));
        }
        match self.push(&result, kind, Room::Free) {
            Err(PushError::Full) => {}
            pushed => return finish_push(pushed, result),
        }
        match self.link.outgoing.reserve().await {
            Ok(room) => finish_push(self.push(&result, kind, Room::Reserved(room)), result),
            Err(kind) => Err(SendError::new(result, kind)),
        }
    }

    fn push(&self, result: &R, kind: Kind, room: Room<'_>) -> Result<(), PushError> {
        let label = Label::answer(kind, self.delivery);
        if kind != Kind::Last {
            return self.link.outgoing.push(result, self.link.encode, label, room).map(|_| ());
        }
        // Whoever sets the mark first answers; a push that fails, or a `Serialize` that panics, takes it back.
        if self.is_answered.swap(true, Ordering::AcqRel) {
            return Err(PushError::Failed(SendErrorKind::Answered));
        }
        let mut mark = Mark { is_answered: &self.is_answered, stays: false };
        self.link.outgoing.push(result, self.link.encode, label, room)?;
        mark.stays = true;
        Ok(())
    }

    fn end(&self, kind: Kind) {
        if !self.is_answered.swap(true, Ordering::AcqRel) {
            self.link.outgoing.note(Label::answer(kind, self.delivery));
        }
    }
}

/// The mark of an answered job, taken back unless it stays.
struct Mark<'a> {
    is_answered: &'a AtomicBool,
    stays: bool,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.is_answered.store(false, Ordering::Release);
        }
    }
}

fn finish_push<R>(pushed: Result<(), PushError>, result: R) -> Result<(), SendError<R>> {
    match pushed {
        Ok(()) => Ok(()),
        Err(PushError::Failed(kind)) => Err(SendError::new(result, kind)),
        Err(PushError::Full) => unreachable!("room was reserved"),
    }
}

impl<J, R> Deref for Job<J, R> {
    type Target = J;

    fn deref(&self) -> &J {
        &self.value
    }
}

impl<R> Drop for Ticket<R> {
    fn drop(&mut self) {
        self.end(Kind::Returned);
    }
}

impl<J: fmt::Debug, R> fmt::Debug for Job<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.ticket.delivery.job)
            .field("attempt", &self.ticket.delivery.attempt)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
