//! How a worker's jobs end, beside their results: what the plain loop has in hand is completed when the next is asked for, and whatever
//! else is said about a job goes here too. None of this waits for room: there are no more such words than jobs in hand.
//!
//! What is said of a delivery of an earlier generation is dropped: the job is with another worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use distchan_proto::batch::{Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::limits;
use parking_lot::MutexGuard;

use crate::channel::delivery::Delivery;
use crate::channel::outgoing::claims::Claims;
use crate::channel::outgoing::room::Quick;
use crate::channel::outgoing::{Label, Outgoing, State};
use crate::channel::signal::Signal;

/// Between two batches so many bytes are worth a write by the loop itself, which is a switch between threads less than to wake the driver for them later.
const WORTH_A_WRITE: usize = 4096;

/// How a job is taken in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// By the plain loop: the one before is completed by it.
    Next,
    /// By the plain loop, beside those that it has.
    Beside,
    /// By a handle, which says how the job ends.
    Handle,
}

impl Outgoing {
    /// The plain loop has asked for the next job: those in hand are completed.
    pub(crate) fn complete_current(&self) {
        let mut state = self.lock_caught_up();
        let had_some = state.complete_batch();
        self.unlock_and_wake(state, had_some);
    }

    /// The same, where that was the last job of a batch; [`Outgoing::flush`] or [`Outgoing::flush_if_worth_it`] has to follow.
    pub(crate) fn complete_last(&self) {
        self.lock_caught_up().complete_batch();
    }

    /// Whoever has pushed here waits for what comes of it: where the driver sleeps, it is written now.
    pub(crate) fn flush(&self) {
        self.unlock_and_flush(self.state.lock());
    }

    /// The same where the next batch is here: it may wait for more.
    pub(crate) fn flush_if_worth_it(&self) {
        let state = self.state.lock();
        if state.queue.bytes() >= WORTH_A_WRITE || state.has_gathered() {
            self.unlock_and_flush(state);
        }
    }

    fn unlock_and_flush(&self, mut state: MutexGuard<'_, State>) {
        if !state.queue.is_empty() && std::mem::take(&mut state.is_wanted) {
            drop(state);
            self.has_news.store(true, Ordering::Release);
            self.port.flush();
        }
    }

    /// The plain loop is over: those in hand are given back.
    pub(crate) fn give_back_current(&self) {
        let mut state = self.lock_caught_up();
        state.is_stale = false;
        for one in std::mem::take(&mut state.current) {
            state.note(Label::answer(Kind::Returned, one.delivery));
        }
        self.unlock_and_wake(state, true);
    }

    /// Gives back jobs of `generation` that nobody has begun.
    pub(crate) fn give_back<'a>(&self, generation: u32, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut state = self.state.lock();
        if generation != state.generation {
            return;
        }
        // An entry that is void was cancelled, and given back then.
        for entry in entries.into_iter().filter(|entry| entry.kind == Kind::Value) {
            let delivery = Delivery { job: entry.job, attempt: entry.attempt, generation };
            state.note(Label::answer(Kind::Returned, delivery));
        }
        self.unlock_and_wake(state, true);
    }

    /// Says of jobs of `generation` that they were not begun, since they are asked back.
    pub(crate) fn say_unbegun(&self, generation: u32, jobs: &[(JobId, Attempt)]) {
        let mut state = self.state.lock();
        if generation == state.generation && !jobs.is_empty() {
            state.note_unbegun(generation, jobs);
            self.unlock_and_wake(state, true);
        }
    }

    /// Says how a job ended, where that has no value. Never waits: there are no more of these than jobs in hand.
    pub(crate) fn note(&self, label: Label) {
        let mut state = self.state.lock();
        if state.let_go(label.delivery) {
            state.note(label);
            self.unlock_and_wake(state, true);
        }
    }

    /// Says that a job failed, and why.
    pub(crate) fn note_failed(&self, delivery: Delivery, reason: &str) {
        let mut end = reason.len().min(limits::MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut state = self.state.lock();
        if state.let_go(delivery) {
            // The limit on values does not hold for reasons, which have one of their own.
            state.queue.payload().own().extend_from_slice(&reason.as_bytes()[..end]);
            state.record(Label::answer(Kind::Failed, delivery));
            self.unlock_and_wake(state, true);
        }
    }

    /// The server wants no answer to a delivery that is in hand any more. Whoever has it is told, and still says how it ends.
    pub(crate) fn cancel(&self, job: JobId, attempt: Attempt) {
        self.state.lock().begun.cancel((job, attempt));
    }

    /// What fires when there is no use in working on a handle's delivery any more.
    pub(crate) fn signal(&self, delivery: Delivery) -> Arc<Signal> {
        let mut state = self.state.lock();
        if delivery.generation == state.generation {
            return state.begun.signal(delivery.key());
        }
        drop(state);
        let signal = Signal::new();
        signal.fire();
        signal
    }

    /// Whether there is no use in working on a handle's delivery any more.
    pub(crate) fn is_pointless(&self, delivery: Delivery) -> bool {
        let mut state = self.state.lock();
        delivery.generation != state.generation || state.begun.is_pointless(delivery.key())
    }

    /// The session was lost for good, and with it everything that this worker had in hand: answers that wait here are dropped, and those
    /// to come of what came before are, too. Values that stand for themselves stay.
    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        state.generation = state.generation.wrapping_add(1);
        state.is_stale |= !state.current.is_empty() || state.claims.is_ahead();
        state.current.clear();
        state.begun.reset();
        state.claims = Claims::default();
        state.stop_waiting();
        state.queue.drop_answers();
        state.quick = Quick::default();
        state.offer_room();
    }

    /// How often this was reset.
    pub(crate) fn generation(&self) -> u32 {
        self.state.lock().generation
    }
}

impl State {
    pub(super) fn note(&mut self, label: Label) {
        self.record(label);
    }

    /// One word for jobs that follow on each other.
    pub(super) fn note_unbegun(&mut self, generation: u32, jobs: &[(JobId, Attempt)]) {
        for run in jobs.chunk_by(|(a, first), (b, second)| a.0 + 1 == b.0 && first == second) {
            let (Some(&(job, attempt)), Ok(further)) = (run.first(), u32::try_from(run.len() - 1)) else {
                continue;
            };
            let label = Label::answer(Kind::Unbegun, Delivery { job, attempt, generation });
            self.note(Label { extra: further, ..label });
        }
    }

    /// A delivery is in nobody's hand any more; false where it was not this worker's any more.
    pub(super) fn let_go(&mut self, delivery: Delivery) -> bool {
        if delivery.generation != self.generation {
            return false;
        }
        self.current.retain(|one| one.delivery != delivery);
        self.begun.remove(delivery.key());
        true
    }

    /// Whether so much has completed that the driver is to be woken for it, where it sleeps.
    pub(super) fn has_gathered(&self) -> bool {
        self.queue.has_sealed() || self.pace.has_gathered(self.queue.bytes() > 0)
    }

    /// As [`State::complete_current`], where that may have been the last of a batch.
    fn complete_batch(&mut self) -> bool {
        let had_some = self.complete_current();
        if let Some(jobs) = self.claims.all() {
            self.pace.end(jobs, Instant::now);
        }
        had_some
    }

    pub(super) fn complete_current(&mut self) -> bool {
        self.is_stale = false;
        let mut current = std::mem::take(&mut self.current);
        let had_some = !current.is_empty();
        current.drain(..).for_each(|one| self.complete(one.delivery));
        // Its memory is for the next.
        self.current = current;
        had_some
    }

    /// Completes a job: its last result says so, if that is still here, or a run of completed jobs grows by one.
    #[inline]
    pub(super) fn complete(&mut self, delivery: Delivery) {
        self.pace.completes();
        if let Some(last) = self.queue.last_mut()
            && last.attempt == delivery.attempt
        {
            if last.kind == Kind::Result && last.job == delivery.job {
                last.kind = Kind::Last;
                return;
            }
            let is_next = last.job.0.checked_add(u64::from(last.extra) + 1) == Some(delivery.job.0);
            if last.kind == Kind::Done && is_next && u64::from(last.extra) + 1 < limits::MAX_RUN {
                last.extra += 1;
                return;
            }
        }
        self.note(Label::answer(Kind::Done, delivery));
    }
}
