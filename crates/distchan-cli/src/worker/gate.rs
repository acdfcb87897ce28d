//! Holds jobs back before they start: for a time after the one before, until there is memory enough, and while the server has to see how another has
//! ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often is looked whether there is memory enough.
const LOOK: Duration = Duration::from_millis(100);

/// Holds jobs back.
#[derive(Debug)]
pub(super) struct Gate {
    delay: Duration,
    free_memory: u64,
    next: Mutex<Instant>,
    /// Endings that the server has to see first.
    unseen: AtomicUsize,
}

impl Gate {
    pub(super) fn new(delay: Duration, free_memory: u64) -> Self {
        Self { delay, free_memory, next: Mutex::new(Instant::now()), unseen: AtomicUsize::new(0) }
    }

    /// A job has ended in a way after which nothing is to begin until the server has seen it.
    pub(super) fn pause(&self) {
        self.unseen.fetch_add(1, Ordering::SeqCst);
    }

    /// The server has seen one.
    pub(super) fn go_on(&self) {
        self.unseen.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until a job may start; false where `is_over` says that none may any more.
    pub(super) fn pass(&self, is_over: impl Fn() -> bool) -> bool {
        while self.unseen.load(Ordering::SeqCst) > 0 {
            if is_over() {
                return false;
            }
            // The server's answer is on its way; nobody has to be woken for a wait that is this short.
            std::thread::sleep(Duration::from_micros(100));
        }
        if self.delay.is_zero() && self.free_memory == 0 {
            return true;
        }
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let start = (*next).max(Instant::now());
            *next = start + self.delay;
            start
        };
        loop {
            if is_over() {
                return false;
            }
            let left = start.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                std::thread::sleep(left.min(LOOK));
            } else if self.free_memory > 0 && available().is_some_and(|free| free < self.free_memory) {
                std::thread::sleep(LOOK);
            } else {
                return true;
            }
        }
    }
}

/// The memory that is free, or can be had; `None` where the system does not say.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
