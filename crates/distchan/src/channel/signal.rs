//! Says once, to any number of waiters, that there is no use in working on a job any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Fires once.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    has_fired: AtomicBool,
    notify: Notify,
}

impl Signal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn fire(&self) {
        self.has_fired.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.has_fired.load(Ordering::Acquire)
    }

    /// Waits until it fires.
    pub(crate) async fn fired(&self) {
        let mut notified = std::pin::pin!(self.notify.notified());
        // Enabled before the look, so that a signal between the two is not missed.
        notified.as_mut().enable();
        if !self.has_fired() {
            notified.await;
        }
    }
}
