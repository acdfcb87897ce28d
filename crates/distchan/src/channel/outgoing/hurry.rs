//! Jobs that cannot wait here until a worker has room: those with a deadline, whose time is kept by the machine, and those before one that
//! was cancelled, which the machine must know to end it. What is fetched before its turn goes on taking up the channel's room.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distchan_proto::batch::Sealed;
use distchan_proto::ids::JobId;
use tokio::time::Instant;

use crate::channel::outgoing::{Outgoing, State};

/// What is in a hurry.
#[derive(Debug, Default)]
pub(super) struct Hurry {
    /// Everything here is to be fetched, whether a worker has room or not.
    pub(super) is_due: bool,
    /// By when the jobs here must be done, those that must, in the order of sending.
    deadlines: VecDeque<(JobId, Instant)>,
    pub(super) lent: Lent,
}

/// Room that is still taken up by what was fetched before its turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lent {
    pub(super) values: usize,
    pub(super) bytes: usize,
}

impl Outgoing {
    /// Has everything fetched, where `job` still waits here.
    pub(crate) fn hurry(&self, job: JobId) {
        let mut state = self.state.lock();
        state.hurry.is_due |= job.0 >= state.queue.first();
        self.has_news.store(true, Ordering::Release);
    }

    /// Has everything fetched that is here.
    pub(crate) fn hurry_all(&self) {
        self.state.lock().hurry.is_due = true;
        self.has_news.store(true, Ordering::Release);
    }

    /// So many jobs, of so many bytes, wait in the machine at most: what was fetched before its turn and is not among them has its outcome.
    pub(crate) fn limit_lent(&self, values: u64, bytes: u64) {
        let mut state = self.state.lock();
        let lent = &mut state.hurry.lent;
        lent.values = lent.values.min(usize::try_from(values).unwrap_or(usize::MAX));
        lent.bytes = lent.bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        state.offer_room();
    }
}

impl State {
    /// How much of the channel's room for values is taken.
    pub(super) const fn taken_values(&self) -> usize {
        self.queue.values() + self.reserved + self.hurry.lent.values
    }

    /// ... and how much of that for bytes.
    pub(super) const fn taken_bytes(&self) -> usize {
        self.queue.bytes() + self.hurry.lent.bytes
    }
}

impl Hurry {
    /// A job that was just pushed must be done within this time.
    pub(super) fn expect(&mut self, job: JobId, within: Duration) {
        let now = Instant::now();
        // A time that no clock reaches is none.
        if let Some(deadline) = now.checked_add(within) {
            self.deadlines.push_back((job, deadline));
            self.is_due = true;
        }
    }

    /// A batch is being fetched, whose first value has the number `first`.
    pub(super) fn fetched(&mut self, first: u64, batch: &mut Sealed, was_wanted: bool) {
        if !was_wanted {
            self.lent.values += batch.len();
            self.lent.bytes += batch.bytes();
        }
        let behind = first + batch.len() as u64;
        while let Some(&(job, deadline)) = self.deadlines.front()
            && job.0 < behind
        {
            self.deadlines.pop_front();
            let left = deadline.saturating_duration_since(Instant::now());
            let index = u32::try_from(job.0 - first).expect("a batch has 4096 values at most");
            batch.deadlines.push((index, left));
        }
    }
}
