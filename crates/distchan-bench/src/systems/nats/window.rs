//! How many jobs may be under way: NATS drops what a subscriber cannot take, so its users count themselves. It must cost nothing a job but
//! two atomic numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Small jobs under way, at most: fewer than a subscription holds (65,536). 1,024 are a third slower, 50,000 no faster.
const SMALL: u64 = 16_384;

/// The bytes of large ones: fewer than the server keeps for a client (64 MiB).
const LARGE: usize = 16 << 20;

/// A number of jobs that may be under way.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    sent: AtomicU64,
    arrived: watch::Sender<u64>,
}

impl Window {
    /// For values of this size, in bytes; 0 for small ones.
    pub(super) fn new(value: usize) -> Self {
        let (size, sent, arrived) = (size(value), AtomicU64::new(0), watch::Sender::new(0));
        Self { size, sent, arrived }
    }

    /// Waits until one more may be under way.
    pub(super) async fn enter(&self) {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        if sent >= *self.arrived.borrow() + self.size {
            self.wait_for(sent + 1 - self.size).await;
        }
    }

    /// Waits until so many have arrived.
    pub(super) async fn wait_for(&self, count: u64) {
        // The sender lives as long as this.
        let _ = self.arrived.subscribe().wait_for(|&arrived| arrived >= count).await;
    }

    /// Says how many have arrived. To be called every [`step`], at least.
    pub(super) fn set(&self, arrived: u64) {
        self.arrived.send_replace(arrived);
    }

    /// How many have arrived, as far as is known.
    pub(super) fn arrived(&self) -> u64 {
        *self.arrived.borrow()
    }
}

/// After how many jobs it is said how many have arrived.
pub(super) fn step(value: usize) -> u64 {
    (size(value) / 8).max(1)
}

fn size(value: usize) -> u64 {
    LARGE.checked_div(value).map_or(SMALL, |size| (size as u64).clamp(2, SMALL))
}

#[cfg(test)]
mod tests {
    use super::{LARGE, SMALL, Window, step};

    #[tokio::test]
    async fn a_window_lets_its_size_through_and_then_waits() {
        let window = Window::new(LARGE / 4);
        for _ in 0..4 {
            window.enter().await;
        }
        let mut fifth = std::pin::pin!(window.enter());
        assert!(futures_util::poll!(&mut fifth).is_pending());
        window.set(1);
        fifth.await;
        assert_eq!(window.arrived(), 1);
    }

    #[test]
    fn a_window_of_many_is_told_in_steps() {
        assert_eq!((step(0), step(LARGE), step(1)), (SMALL / 8, 1, SMALL / 8));
    }
}
