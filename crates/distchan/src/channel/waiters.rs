//! Who waits for room, first come first served.

use std::collections::VecDeque;
use std::task::Waker;

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    line: VecDeque<(Ticket, Waker)>,
    next: u64,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Joins the line at its end.
    pub(crate) fn join(&mut self, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.line.push_back((ticket, waker));
        ticket
    }

    /// Whether it is this one's turn.
    pub(crate) fn is_first(&self, ticket: Ticket) -> bool {
        self.line.front().is_some_and(|(first, _)| *first == ticket)
    }

    /// Still waits, with a new waker.
    pub(crate) fn update(&mut self, ticket: Ticket, waker: &Waker) {
        if let Some((_, old)) = self.line.iter_mut().find(|(other, _)| *other == ticket) {
            old.clone_from(waker);
        }
    }

    /// Leaves the line, wherever it stood.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if self.is_first(ticket) {
            self.line.pop_front();
        } else {
            self.line.retain(|(other, _)| *other != ticket);
        }
    }

    /// Wakes the first; it stays in the line until it has taken its turn, then the next is woken.
    pub(crate) fn wake_first(&self) {
        if let Some((_, waker)) = self.line.front() {
            waker.wake_by_ref();
        }
    }

    /// Wakes all: there is nothing to wait for any more.
    pub(crate) fn wake_all(&self) {
        for (_, waker) in &self.line {
            waker.wake_by_ref();
        }
    }
}
