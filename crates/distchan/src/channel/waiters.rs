//! Who waits for room, first come first served: whoever is granted some has it, whether it is polled or not, and is in nobody's way.

use std::collections::{BTreeSet, VecDeque};
use std::task::Waker;

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The line, and those who need not wait any more.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    line: VecDeque<(Ticket, Waker)>,
    granted: BTreeSet<Ticket>,
    next: u64,
}

impl Waiters {
    /// Whether nobody waits.
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

    /// Grants the first what it waits for; false where nobody waits.
    pub(crate) fn grant_first(&mut self) -> bool {
        let Some((ticket, waker)) = self.line.pop_front() else { return false };
        self.granted.insert(ticket);
        waker.wake();
        true
    }

    /// Takes what was granted; false where nothing was yet.
    pub(crate) fn take(&mut self, ticket: Ticket) -> bool {
        self.granted.remove(&ticket)
    }

    /// Still waits, with a new waker.
    pub(crate) fn update(&mut self, ticket: Ticket, waker: &Waker) {
        if let Some((_, old)) = self.line.iter_mut().find(|(other, _)| *other == ticket) {
            old.clone_from(waker);
        }
    }

    /// Leaves the line, wherever it stood.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.line.retain(|(other, _)| *other != ticket);
    }

    /// Wakes all: there is nothing to wait for any more.
    pub(crate) fn wake_all(&self) {
        for (_, waker) in &self.line {
            waker.wake_by_ref();
        }
    }
}
