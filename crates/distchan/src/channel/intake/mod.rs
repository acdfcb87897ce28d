//! How a receiver gets its next value: from the current batch, else from the inbox. On a worker, it also keeps promise 3: what was
//! taken is in hand until the next is asked for; and it holds a job back that was delivered before, until the server knows that it begins.

mod take;

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use distchan_proto::batch::{Entry, Kind};
use serde::de::DeserializeOwned;

use crate::channel::aside::Aside;
use crate::channel::delivery::Delivery;
use crate::channel::error::{RecvError, TryRecvError};
use crate::channel::failed::Origin;
use crate::channel::inbox::{Cursor, End, Inbox};
use crate::channel::intake::take::{Received, Taken};
use crate::channel::outgoing::{Outgoing, Taking};
use crate::channel::port::{Alive, DecodeTo, Port};
use crate::channel::stopper::Stopper;
use crate::codec::{Codec, CodecError};

/// A job, and which delivery of it this is.
#[derive(Debug)]
pub(crate) struct Delivered<T> {
    pub(crate) delivery: Delivery,
    pub(crate) deadline: Option<Instant>,
    pub(crate) value: T,
}

/// Which delivery was taken, and by when it must be done.
type InHand = (Delivery, Option<Instant>);

/// The untyped half of a receiver, with the one typed function it needs.
#[derive(Debug)]
pub(crate) struct Intake<T> {
    ends: Stopper,
    cursor: Cursor,
    /// On a worker: how far it may go in the current batch without a word.
    granted: usize,
    decode: DecodeTo<T>,
    /// Whether the user is told of a value that does not decode; a job's failure is told to the server.
    tells: bool,
    /// What `recv_many` met behind values that it had already taken: for the next call.
    held: Option<RecvError>,
    /// On a server: where failed jobs come from.
    origin: Option<Arc<Origin>>,
    /// ... and where they are set aside, while somebody has asked for that.
    aside: Weak<Aside>,
    /// What was set aside of the current batch is not given back as taken with it.
    withheld: u64,
    _alive: Alive,
}

impl<T> Intake<T> {
    pub(crate) fn new<C: Codec>(
        inbox: Arc<Inbox>,
        answers: Option<Arc<Outgoing>>,
        port: Arc<dyn Port>,
        alive: Alive,
    ) -> Self
    where
        T: DeserializeOwned,
    {
        Self {
            ends: Stopper { inbox, answers, port },
            cursor: Cursor::default(),
            granted: 0,
            decode: take::decode_to::<C, T>,
            tells: true,
            held: None,
            origin: None,
            aside: Weak::new(),
            withheld: 0,
            _alive: alive,
        }
    }

    /// The same for jobs: those that do not decode are passed over, since the server is told that they failed.
    pub(crate) fn passing_over_what_fails(mut self) -> Self {
        self.tells = false;
        self
    }

    /// The same for results of jobs that may fail.
    pub(crate) fn of(mut self, origin: Arc<Origin>) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The next value; on a worker, this completes the jobs in hand and takes the next one in hand.
    #[inline]
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, RecvError>> {
        let mut value = None;
        let refused = match self.take_quickly(&mut value) {
            Some(Ok(())) => return Poll::Ready(Ok(value)),
            Some(Err(refused)) => Some(refused),
            None => None,
        };
        self.poll_recv_slowly(cx, refused)
    }

    /// The same where there is more to it, as behind a value that has just been refused.
    #[inline(never)]
    fn poll_recv_slowly(
        &mut self,
        cx: &mut Context<'_>,
        refused: Option<(Delivery, CodecError)>,
    ) -> Poll<Result<Option<T>, RecvError>> {
        if let Some(error) = self.held.take() {
            return Poll::Ready(Err(error));
        }
        let mut value = None;
        let taken = match refused {
            Some((delivery, error)) => Some(Taken::Undecodable(delivery, error)),
            None => self.take(Taking::Next, &mut value, Some(cx.waker())),
        };
        match taken {
            Some(Taken::Value(..)) => return Poll::Ready(Ok(value)),
            Some(other) => {
                if let Some(ready) = self.receive_for(other, cx) {
                    return ready.map_ok(|_| None);
                }
            }
            None => {}
        }
        ready!(self.poll_next(cx, Taking::Next, &mut value))?;
        Poll::Ready(Ok(value))
    }

    /// The next value, if it is here.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(error) = self.held.take() {
            return Err(TryRecvError::Failed(error));
        }
        loop {
            let mut value = None;
            while let Some(taken) = self.take(Taking::Next, &mut value, None) {
                match self.receive(taken) {
                    Received::Value(..) => return Ok(value.expect("what was taken is here")),
                    Received::Error(error) => return Err(TryRecvError::Failed(error)),
                    Received::Nothing => {}
                    Received::Later => return Err(TryRecvError::Empty),
                }
            }
            self.complete_current();
            match self.try_fill() {
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
            let mut value = None;
            match self.take(Taking::Beside, &mut value, None) {
                Some(Taken::Value(..)) => {
                    values.extend(value);
                    count += 1;
                }
                Some(Taken::Undecodable(delivery, error)) => {
                    self.fail(delivery, &error);
                    self.held = Some(RecvError::Decode(error));
                    break;
                }
                Some(Taken::Silent) => {}
                Some(Taken::Failed(..) | Taken::TooEarly) | None => break,
            }
        }
        Poll::Ready(Ok(count))
    }

    /// Whether the next that is here is a value, be it in the next batch.
    fn has_value(&mut self) -> bool {
        while self.cursor.left() == 0 {
            // Says that the current batch was taken whole.
            let ended = self.take(Taking::Beside, &mut None, None);
            debug_assert!(ended.is_none(), "nothing was left of it");
            if !matches!(self.try_fill(), Some(Ok(()))) {
                return false;
            }
        }
        let is_value = |entry: &Entry| matches!(entry.kind, Kind::Value | Kind::Result | Kind::Last);
        self.cursor.entry().is_some_and(is_value)
    }

    /// The next job, in the hand of a handle: whoever has it says how it ends.
    pub(crate) fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Delivered<T>>, RecvError>> {
        self.complete_current();
        let mut value = None;
        let next = ready!(self.poll_next(cx, Taking::Handle, &mut value))?;
        let delivered = next.zip(value);
        let delivered =
            delivered.map(|((delivery, deadline), value)| Delivered { delivery, deadline, value });
        Poll::Ready(Ok(delivered))
    }

    /// Puts the next value where it is wanted; says which delivery it is, and by when it must be done.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        taking: Taking,
        value: &mut Option<T>,
    ) -> Poll<Result<Option<InHand>, RecvError>> {
        loop {
            while let Some(taken) = self.take(taking, value, Some(cx.waker())) {
                if let Some(ready) = self.receive_for(taken, cx) {
                    return ready;
                }
            }
            let answers = self.ends.answers.as_ref();
            if let Some(answers) = answers.filter(|_| taking == Taking::Next) {
                answers.complete_last();
            }
            let next = self.ends.poll_next(cx);
            if let Some(answers) = answers {
                match next {
                    Poll::Ready(Ok(_)) => answers.flush_if_worth_it(),
                    Poll::Ready(Err(_)) | Poll::Pending => answers.flush(),
                }
            }
            match ready!(next) {
                Ok(cursor) => self.begin(cursor),
                Err(End::Finished) => return Poll::Ready(Ok(None)),
                Err(End::Error(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// What an entry brings to whoever polls; `None` where it brings nothing, and the next one is to be taken.
    fn receive_for(
        &mut self,
        taken: Taken,
        cx: &Context<'_>,
    ) -> Option<Poll<Result<Option<InHand>, RecvError>>> {
        match self.receive(taken) {
            Received::Value(delivery, deadline) => Some(Poll::Ready(Ok(Some((delivery, deadline))))),
            Received::Error(error) => Some(Poll::Ready(Err(error))),
            Received::Nothing => None,
            Received::Later => {
                // It may be cancelled, or the channel end, before it is announced.
                self.ends.inbox.wait(cx);
                Some(Poll::Pending)
            }
        }
    }

    /// Makes the next batch the current one, if one is here.
    fn try_fill(&mut self) -> Option<Result<(), End>> {
        let next = self.ends.try_next()?;
        Some(next.map(|cursor| self.begin(cursor)))
    }

    fn begin(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.granted = 0;
    }

    /// From now on jobs that fail are kept for whoever holds what this returns, instead of being returned as errors.
    pub(crate) fn set_aside(&mut self) -> Arc<Aside> {
        self.aside.upgrade().unwrap_or_else(|| {
            let aside = Aside::new(Arc::clone(&self.ends.port));
            self.aside = Arc::downgrade(&aside);
            aside
        })
    }

    /// Entries that are here already.
    pub(crate) fn buffered(&self) -> usize {
        self.ends.answers.as_ref().map_or_else(|| self.cursor.left(), |answers| answers.unclaimed())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.buffered() == 0 && self.ends.inbox.is_ended()
    }

    pub(crate) fn stopper(&self) -> Stopper {
        self.ends.clone()
    }

    /// Takes nothing more. What is in hand, and what is here and was not begun, is given back.
    pub(crate) fn close(&mut self) {
        // What was not taken of the current batch counts as a whole.
        let begun = self.cursor.finish().unwrap_or_default();
        if let Some(answers) = &self.ends.answers {
            answers.stop_claiming();
        }
        self.ends.stop_with(begun.saturating_sub(std::mem::take(&mut self.withheld)));
        if let Some(answers) = &self.ends.answers {
            answers.give_back_current();
        }
    }

    fn complete_current(&self) {
        if let Some(answers) = &self.ends.answers {
            answers.complete_current();
        }
    }
}

impl<T> Drop for Intake<T> {
    fn drop(&mut self) {
        self.close();
    }
}
