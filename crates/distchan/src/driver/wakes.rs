//! Whoever is to be woken when a lock has been given up: to wake somebody under it would be to wake them for nothing.

use std::task::Waker;

/// Wakers, nearly always one at most.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakes {
    pub(super) fn add(&mut self, waker: Option<Waker>) {
        match (waker, &self.first) {
            (None, _) => {}
            (waker, None) => self.first = waker,
            (Some(waker), Some(_)) => self.others.push(waker),
        }
    }

    /// Wakes all of them.
    pub(super) fn wake(self) {
        self.first.into_iter().chain(self.others).for_each(Waker::wake);
    }
}
