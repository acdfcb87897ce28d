//! What the tasks of a run share: a ledger for each channel, and what the trouble orders from those who send and receive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::ledger::Ledger;

/// See the module.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) mixed: Book,
    pub(crate) ordered: Book,
    pub(crate) calls: Book,
    /// Calls that were dropped before their outcome.
    pub(crate) cancelled: AtomicU64,
    /// Poison jobs that are to be sent.
    poison: AtomicU64,
    /// Nothing more is sent.
    is_over: AtomicBool,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            mixed: Book::new(false),
            ordered: Book::new(true),
            calls: Book::new(false),
            cancelled: AtomicU64::new(0),
            poison: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn order_poison(&self) {
        self.poison.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes an order for poison, if there is one.
    pub(crate) fn take_poison(&self) -> bool {
        self.poison.fetch_update(Ordering::AcqRel, Ordering::Acquire, |orders| orders.checked_sub(1)).is_ok()
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Book {
    ledger: Mutex<Ledger>,
    /// For how many milliseconds its reader is to do nothing.
    pause: AtomicU64,
}

impl Book {
    fn new(is_ordered: bool) -> Self {
        Self { ledger: Mutex::new(Ledger::new(is_ordered)), pause: AtomicU64::new(0) }
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nothing panics with a book open")
    }

    pub(crate) fn order_pause(&self, time: Duration) {
        self.pause.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Takes an order for a pause, if there is one.
    pub(crate) fn take_pause(&self) -> Option<Duration> {
        Some(self.pause.swap(0, Ordering::AcqRel)).filter(|ms| *ms > 0).map(Duration::from_millis)
    }
}
