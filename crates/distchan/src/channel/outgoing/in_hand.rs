//! How a worker's jobs end, beside their results: what the plain loop has in hand is completed when the next is asked for, and whatever
//! else is said about a job goes here too. None of this waits for room: there are no more such words than jobs in hand.

use distchan_proto::batch::Kind;
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::limits;

use crate::channel::outgoing::{Label, Outgoing, State};

impl Outgoing {
    /// The plain loop has asked for the next job: those in hand are completed, and `next` is in hand.
    pub(crate) fn advance(&self, next: Option<(JobId, Attempt)>) {
        let mut state = self.state.lock();
        let had_some = state.complete_current();
        state.current.extend(next);
        self.unlock_and_wake(state, had_some);
    }

    /// One more job is in hand, beside those that are.
    pub(crate) fn take_up(&self, job: (JobId, Attempt)) {
        self.state.lock().current.push(job);
    }

    /// The plain loop is over: those in hand are given back.
    pub(crate) fn give_back_current(&self) {
        let mut state = self.state.lock();
        for job in std::mem::take(&mut state.current) {
            state.note(Label::answer(Kind::Returned, job));
        }
        self.unlock_and_wake(state, true);
    }

    /// Says how a job ended, where that has no value. Never waits: there are no more of these than jobs in hand.
    pub(crate) fn note(&self, label: Label) {
        let mut state = self.state.lock();
        state.current.retain(|(job, _)| *job != label.job);
        state.note(label);
        self.unlock_and_wake(state, true);
    }

    /// Says that a job failed, and why.
    pub(crate) fn note_failed(&self, job: (JobId, Attempt), reason: &str) {
        let mut end = reason.len().min(limits::MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut state = self.state.lock();
        state.current.retain(|current| *current != job);
        // The limit on values does not hold for reasons, which have one of their own.
        state.open.payload.extend_from_slice(&reason.as_bytes()[..end]);
        state.record(Label::answer(Kind::Failed, job), end);
        self.unlock_and_wake(state, true);
    }
}

impl State {
    fn note(&mut self, label: Label) {
        self.record(label, 0);
    }

    fn complete_current(&mut self) -> bool {
        if let [one] = self.current.as_slice() {
            let one = *one;
            self.current.clear();
            self.complete(one);
            return true;
        }
        let several = std::mem::take(&mut self.current);
        several.iter().for_each(|job| self.complete(*job));
        !several.is_empty()
    }

    /// Completes a job: its last result says so, if that is still here, or a run of completed jobs grows by one.
    fn complete(&mut self, job: (JobId, Attempt)) {
        if let Some(last) = self.open.last_mut()
            && last.attempt == job.1
        {
            if last.kind == Kind::Result && last.job == job.0 {
                last.kind = Kind::Last;
                return;
            }
            let is_next = last.job.0.checked_add(u64::from(last.extra) + 1) == Some(job.0.0);
            if last.kind == Kind::Done && is_next && u64::from(last.extra) + 1 < limits::MAX_RUN {
                last.extra += 1;
                return;
            }
        }
        self.note(Label::answer(Kind::Done, job));
    }
}
