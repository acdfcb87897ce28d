//! Which jobs are on their way, and what has come back. It holds no job that is done, so that it does not grow.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// A job's number, and what its worker made of it.
pub(crate) type Answer = (u64, u64);

/// The right answer.
pub(crate) const fn answer(job: u64) -> Answer {
    (job, job.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ job)
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    on_their_way: BTreeSet<u64>,
    counts: Counts,
}

/// What became of the jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) done: u64,
    /// Sent, and without its result at the end.
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    /// Results that no honest worker makes.
    pub(crate) wrong: u64,
}

impl Ledger {
    /// The next job, which is about to be sent.
    pub(crate) fn send(&self) -> u64 {
        let mut entries = self.open();
        let job = entries.counts.sent;
        entries.counts.sent += 1;
        entries.on_their_way.insert(job);
        job
    }

    pub(crate) fn receive(&self, (job, made): Answer) {
        let mut entries = self.open();
        if answer(job) != (job, made) {
            entries.counts.wrong += 1;
        } else if entries.on_their_way.remove(&job) {
            entries.counts.done += 1;
        } else {
            entries.counts.duplicated += 1;
        }
    }

    /// What there is now: what is on its way counts as lost.
    pub(crate) fn counts(&self) -> Counts {
        let entries = self.open();
        Counts { lost: entries.on_their_way.len() as u64, ..entries.counts }
    }

    fn open(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("nothing panics with the ledger open")
    }
}
