//! Room in a channel: who may push, who waits for it, and who holds it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::channel::error::SendErrorKind;
use crate::channel::outgoing::{Outgoing, State};
use crate::channel::waiters::Ticket;

/// Where the room for a value comes from.
#[derive(Debug)]
pub(crate) enum Room<'a> {
    /// There must be some, and nobody waiting for it.
    Free,
    /// It is held already; given back where nothing is pushed after all.
    Reserved(Reservation<'a>),
}

/// Why nothing was pushed.
#[derive(Debug)]
pub(crate) enum PushError {
    Full,
    Failed(SendErrorKind),
}

/// How far the open batch may be filled before anything is looked at again: there is room for it, and nobody waits for that. Whatever makes this
/// less sets it to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quick {
    values: usize,
    bytes: usize,
}

/// Room for one value, held until it is used or dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    outgoing: &'a Outgoing,
    pub(super) is_used: bool,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            let mut state = self.outgoing.state.lock();
            state.reserved -= 1;
            state.offer_room();
        }
    }
}

impl Outgoing {
    /// Waits for room and holds it.
    pub(crate) async fn reserve(&self) -> Result<Reservation<'_>, SendErrorKind> {
        let mut turn = Turn { outgoing: self, ticket: None };
        poll_fn(|cx| turn.poll(cx)).await?;
        Ok(Reservation { outgoing: self, is_used: false })
    }

    pub(crate) fn try_reserve(&self) -> Result<Reservation<'_>, PushError> {
        let mut state = self.state.lock();
        if let Some(end) = &state.end {
            return Err(PushError::Failed(end.clone()));
        }
        if !state.is_free() {
            return Err(PushError::Full);
        }
        state.reserved += 1;
        state.quick = Quick::default();
        Ok(Reservation { outgoing: self, is_used: false })
    }

    /// Ready when it is worth trying again. Whoever waits like this has no place in the line, and so holds up nobody.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.is_free() || state.end.is_some() {
            return Poll::Ready(());
        }
        if !state.observers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.observers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl State {
    /// Whether a value can be pushed by whoever has not waited, as far as was seen when that was looked for last.
    #[inline]
    pub(super) fn has_quick_room(&self) -> bool {
        let open = self.queue.open();
        open.len() < self.quick.values && open.payload.len() < self.quick.bytes
    }

    /// Looks whether a value can be pushed by whoever has not waited.
    pub(super) fn find_room(&mut self) -> Result<(), PushError> {
        self.quick = Quick::default();
        if let Some(end) = &self.end {
            return Err(PushError::Failed(end.clone()));
        }
        if !self.is_free() {
            return Err(PushError::Full);
        }
        let open = self.queue.open();
        self.quick = Quick {
            values: open.len() + self.bounds.values - self.taken_values(),
            bytes: open.payload.len() + self.bounds.bytes - self.taken_bytes(),
        };
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        self.taken_values() < self.bounds.values && self.taken_bytes() < self.bounds.bytes
    }

    /// Whether a value can be pushed by whoever has not waited.
    pub(super) fn is_free(&self) -> bool {
        self.waiters.is_empty() && self.has_room()
    }

    /// There is more room than there was: for those who wait, else for those who watch.
    pub(super) fn offer_room(&mut self) {
        // As many as there is room for, all at once: where each had to take its turn before the next is woken, several senders would be as slow
        // as a scheduler.
        while self.has_room() && self.waiters.grant_first() {
            self.reserved += 1;
            self.quick = Quick::default();
        }
        if self.is_free() {
            self.observers.drain(..).for_each(std::task::Waker::wake);
        }
    }
}

/// A sender's wait for room; dropping it leaves the line.
#[derive(Debug)]
struct Turn<'a> {
    outgoing: &'a Outgoing,
    ticket: Option<Ticket>,
}

impl Turn<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendErrorKind>> {
        let mut state = self.outgoing.state.lock();
        if let Some(end) = &state.end {
            let end = end.clone();
            return Poll::Ready(Err(end));
        }
        match self.ticket {
            Some(ticket) if state.waiters.take(ticket) => {
                self.ticket = None;
                return Poll::Ready(Ok(()));
            }
            Some(ticket) => state.waiters.update(ticket, cx.waker()),
            None if state.is_free() => {
                state.reserved += 1;
                state.quick = Quick::default();
                return Poll::Ready(Ok(()));
            }
            None => {
                self.ticket = Some(state.waiters.join(cx.waker().clone()));
                state.quick = Quick::default();
            }
        }
        Poll::Pending
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.outgoing.state.lock();
            if state.waiters.take(ticket) {
                state.reserved -= 1;
            } else {
                state.waiters.leave(ticket);
            }
            state.offer_room();
        }
    }
}
