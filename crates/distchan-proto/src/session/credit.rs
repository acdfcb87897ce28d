//! Window arithmetic for answers and values on their way to a server's receiver. Pure numbers.
//!
//! Credit is the sum of all costs since the channel was opened: `granted` only grows. A sender may begin an entry while it has
//! spent less than it was granted, so that one value larger than the window still passes.

use crate::error::ProtocolError;

/// The sender's side: what it may still send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    granted: u64,
    spent: u64,
}

impl Allowance {
    /// Nothing may be sent before the first grant.
    pub(crate) const fn new() -> Self {
        Self { granted: 0, spent: 0 }
    }

    /// Whether a further entry may be sent.
    pub(crate) const fn is_open(&self) -> bool {
        self.spent < self.granted
    }

    pub(crate) const fn spend(&mut self, cost: u64) {
        self.spent = self.spent.saturating_add(cost);
    }

    /// Raises the grant to `total`; a grant never shrinks.
    pub(crate) fn grant(&mut self, total: u64) {
        self.granted = self.granted.max(total);
    }
}

/// The receiver's side: what it has granted, and what its user has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    size: u64,
    granted: u64,
    arrived: u64,
    consumed: u64,
}

impl Window {
    pub(crate) const fn new(size: u64) -> Self {
        Self { size, granted: size, arrived: 0, consumed: 0 }
    }

    /// A window of which nothing is granted yet.
    pub(crate) const fn withheld(size: u64) -> Self {
        Self { size, granted: 0, arrived: 0, consumed: 0 }
    }

    /// The first grant.
    pub(crate) const fn granted(&self) -> u64 {
        self.granted
    }

    /// Counts what has arrived: entries of `cost` in all, the last of which costs `last`.
    pub(crate) const fn arrive(&mut self, cost: u64, last: u64) -> Result<(), ProtocolError> {
        self.arrived = self.arrived.saturating_add(cost);
        if self.arrived.saturating_sub(last) >= self.granted {
            return Err(ProtocolError::Overrun("answers"));
        }
        Ok(())
    }

    /// Counts what the receiver has taken, and returns the new grant when it is worth a frame: at half a window.
    pub(crate) fn consume(&mut self, cost: u64) -> Option<u64> {
        self.consumed = self.consumed.saturating_add(cost);
        debug_assert!(self.consumed <= self.arrived, "nobody takes what has not arrived");
        let target = self.consumed.saturating_add(self.size);
        (target - self.granted >= self.size / 2).then(|| {
            self.granted = target;
            target
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_overdraws_by_one_entry_and_no_more() {
        let mut window = Window::new(100);
        let mut allowance = Allowance::new();
        allowance.grant(window.granted());
        allowance.spend(99);
        assert!(allowance.is_open());
        allowance.spend(1_000_000);
        assert!(!allowance.is_open());
        assert_eq!(window.arrive(1_000_099, 1_000_000), Ok(()));
        assert!(window.arrive(1, 1).is_err(), "a second one is a lie");
    }

    #[test]
    fn a_grant_is_sent_at_half_a_window() {
        let mut window = Window::new(100);
        window.arrive(120, 50).unwrap();
        assert_eq!(window.consume(49), None);
        assert_eq!(window.consume(1), Some(150));
        assert_eq!(window.consume(10), None);
        assert_eq!(window.consume(60), Some(220));
    }
}
