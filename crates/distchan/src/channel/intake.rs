//! How a receiver gets its next value: from the current batch, else from the inbox. On a worker, it also keeps promise 3: what was
//! taken is in hand until the next is asked for.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use distchan_proto::batch::{Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::error::{JobFailed, RecvError, TryRecvError};
use crate::channel::inbox::{End, Inbox};
use crate::channel::outgoing::{Label, Outgoing};
use crate::channel::panics;
use crate::channel::port::{Alive, Decode, Port};
use crate::codec::CodecError;

/// A job, which delivery of it this is, and its value.
pub(crate) type Delivered<T> = (JobId, Attempt, T);

/// The untyped half of a receiver, with the one typed function it needs.
#[derive(Debug)]
pub(crate) struct Intake<T> {
    ends: Stopper,
    decode: Decode<T>,
    /// Whether the user is told of a value that does not decode; a job's failure is told to the server.
    tells: bool,
    /// What `recv_many` met behind values that it had already taken: for the next call.
    held: Option<RecvError>,
    _alive: Alive,
}

/// Ends a receiver, also from elsewhere while its owner waits in it.
#[derive(Clone, Debug)]
pub(crate) struct Stopper {
    inbox: Arc<Inbox>,
    /// On a worker: where the jobs' ends are said.
    answers: Option<Arc<Outgoing>>,
    port: Arc<dyn Port>,
}

impl Stopper {
    /// Takes nothing more. What is here and was not begun is given back; whoever waits learns that there is no more.
    pub(crate) fn stop(&self) {
        // Said first, or what is given back would come here again.
        self.port.close_receiver();
        let left = self.inbox.close(End::Finished);
        match &self.answers {
            Some(answers) => give_back(answers, left.entries()),
            None => self.port.consumed(left.cost()),
        }
    }
}

/// An entry, decoded as far as it has a value.
enum Taken<T> {
    Value(Entry, T),
    Undecodable(Entry, CodecError),
    Failed(JobFailed),
    /// Says how a job ended, and nothing that the user sees.
    Silent,
}

impl<T> Intake<T> {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        answers: Option<Arc<Outgoing>>,
        port: Arc<dyn Port>,
        decode: Decode<T>,
        alive: Alive,
    ) -> Self {
        Self { ends: Stopper { inbox, answers, port }, decode, tells: true, held: None, _alive: alive }
    }

    /// The same for jobs: those that do not decode are passed over, since the server is told that they failed.
    pub(crate) fn passing_over_what_fails(mut self) -> Self {
        self.tells = false;
        self
    }

    /// The next value; on a worker, this completes the jobs in hand and takes the next one in hand.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, RecvError>> {
        if let Some(error) = self.held.take() {
            return Poll::Ready(Err(error));
        }
        loop {
            while let Some(taken) = self.take() {
                if let Some(received) = self.receive(taken) {
                    return Poll::Ready(received.map(Some));
                }
            }
            self.advance(None);
            if let Err(end) = ready!(self.ends.inbox.poll_fill(cx)) {
                return Poll::Ready(end_of(end));
            }
        }
    }

    /// The next value, if it is here.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(error) = self.held.take() {
            return Err(TryRecvError::Failed(error));
        }
        loop {
            while let Some(taken) = self.take() {
                if let Some(received) = self.receive(taken) {
                    return received.map_err(TryRecvError::Failed);
                }
            }
            self.advance(None);
            match self.ends.inbox.try_fill() {
                Some(Ok(())) => {}
                Some(Err(End::Finished)) => return Err(TryRecvError::Closed),
                Some(Err(End::Error(error))) => return Err(TryRecvError::Failed(error)),
                None => return Err(TryRecvError::Empty),
            }
        }
    }

    /// The next values, up to `limit`: waits for the first alone. On a worker all of them are in hand until the next call.
    pub(crate) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        values: &mut Vec<T>,
        limit: usize,
    ) -> Poll<Result<usize, RecvError>> {
        if limit == 0 {
            return Poll::Ready(Ok(0));
        }
        let Some(first) = ready!(self.poll_recv(cx))? else {
            return Poll::Ready(Ok(0));
        };
        values.push(first);
        let mut count = 1;
        while count < limit && self.has_value() {
            match (self.take(), &self.ends.answers) {
                (Some(Taken::Value(entry, value)), answers) => {
                    if let Some(answers) = answers {
                        answers.take_up((entry.job, entry.attempt));
                    }
                    values.push(value);
                    count += 1;
                }
                (Some(Taken::Undecodable(entry, error)), _) => {
                    self.fail(&entry, &error);
                    self.held = Some(RecvError::Decode(error));
                    break;
                }
                (Some(Taken::Failed(_) | Taken::Silent) | None, _) => break,
            }
        }
        Poll::Ready(Ok(count))
    }

    /// Whether the next that is here is a value, be it in the next batch.
    fn has_value(&self) -> bool {
        while self.buffered() == 0 {
            // Says that the current batch was taken whole.
            let ended = self.take();
            debug_assert!(ended.is_none(), "nothing was left of it");
            if !matches!(self.ends.inbox.try_fill(), Some(Ok(()))) {
                return false;
            }
        }
        self.ends.inbox.has_value()
    }

    /// The next job and its value, not taken in hand here: whoever has the handle says how it ends.
    pub(crate) fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Delivered<T>>, RecvError>> {
        self.advance(None);
        loop {
            while let Some(taken) = self.take() {
                match taken {
                    Taken::Value(entry, value) => {
                        return Poll::Ready(Ok(Some((entry.job, entry.attempt, value))));
                    }
                    Taken::Undecodable(entry, error) => self.fail(&entry, &error),
                    Taken::Failed(_) | Taken::Silent => {}
                }
            }
            if let Err(end) = ready!(self.ends.inbox.poll_fill(cx)) {
                return Poll::Ready(end_of(end));
            }
        }
    }

    /// Entries that are here already.
    pub(crate) fn buffered(&self) -> usize {
        self.ends.inbox.buffered()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.buffered() == 0 && self.ends.inbox.is_ended()
    }

    pub(crate) fn stopper(&self) -> Stopper {
        self.ends.clone()
    }

    /// Takes nothing more. What is in hand, and what is here and was not begun, is given back.
    pub(crate) fn close(&mut self) {
        self.ends.stop();
        if let Some(answers) = &self.ends.answers {
            answers.give_back_current();
        }
    }

    fn advance(&self, next: Option<(JobId, Attempt)>) {
        if let Some(answers) = &self.ends.answers {
            answers.advance(next);
        }
    }

    /// Takes the next entry of the current batch. A `Deserialize` that panics has refused the value.
    fn take(&self) -> Option<Taken<T>> {
        let take = |entry: &Entry, bytes: &[u8]| match entry.kind {
            Kind::Value | Kind::Result | Kind::Last => match panics::catch(|| (self.decode)(bytes)) {
                Ok(Ok(value)) => Taken::Value(*entry, value),
                Ok(Err(error)) => Taken::Undecodable(*entry, error),
                Err(panic) => Taken::Undecodable(*entry, CodecError::panicked::<T>(&panic)),
            },
            Kind::Failed => {
                let reason = String::from_utf8_lossy(bytes).into_owned();
                Taken::Failed(JobFailed { job: entry.job, attempt: entry.attempt, reason })
            }
            Kind::Done | Kind::Returned | Kind::Void => Taken::Silent,
        };
        self.ends.inbox.next(take, |finished| {
            // Only a server's credit depends on what was taken: a worker's comes back with its answers.
            if self.ends.answers.is_none() {
                self.ends.port.consumed(finished.cost());
            }
        })
    }

    /// What an entry brings: a value, an error, or nothing that the user sees.
    fn receive(&self, taken: Taken<T>) -> Option<Result<T, RecvError>> {
        match (taken, &self.ends.answers) {
            (Taken::Value(entry, value), _) => {
                self.advance(Some((entry.job, entry.attempt)));
                Some(Ok(value))
            }
            (Taken::Undecodable(entry, error), _) => {
                self.fail(&entry, &error);
                self.tells.then_some(Err(RecvError::Decode(error)))
            }
            (Taken::Failed(failed), _) => Some(Err(RecvError::Failed(failed))),
            (Taken::Silent, _) => None,
        }
    }

    fn fail(&self, entry: &Entry, error: &CodecError) {
        if let Some(answers) = &self.ends.answers {
            answers.note_failed((entry.job, entry.attempt), &error.to_string());
        }
    }
}

impl<T> Drop for Intake<T> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Gives back the jobs that nobody has begun.
pub(crate) fn give_back<'a>(answers: &Outgoing, entries: impl IntoIterator<Item = &'a Entry>) {
    for entry in entries {
        answers.note(Label::answer(Kind::Returned, (entry.job, entry.attempt)));
    }
}

fn end_of<T>(end: End) -> Result<Option<T>, RecvError> {
    match end {
        End::Finished => Ok(None),
        End::Error(error) => Err(error),
    }
}
