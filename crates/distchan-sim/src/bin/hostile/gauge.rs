//! What this process costs, and whether anything in it panicked. Where the system does not tell, nothing is claimed.

use std::fs;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// From now on every panic counts, also one that a task's runtime catches; it is reported as before.
pub(crate) fn count_panics() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        report(info);
    }));
}

pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// What a process has at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// Resident memory.
    pub(crate) kib: Option<u64>,
    /// Open files, sockets among them.
    pub(crate) descriptors: Option<u64>,
}

impl Gauge {
    pub(crate) fn read() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        Self { kib: resident(), descriptors }
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse().ok()
}
