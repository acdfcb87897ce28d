//! Who has a job of the batch that a worker's receiver takes: the receiver, from when it claims it, or whoever took it away before. A job is
//! claimed, or found unclaimed, under the one lock under which its end is said: so nobody says it twice, and nobody never.
//!
//! A plain loop whose jobs are short claims several at once, and goes through them without the lock: it only says how far it is. Whoever
//! has the lock next catches up with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use distchan_proto::batch::{Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};
use parking_lot::MutexGuard;

use crate::channel::delivery::Delivery;
use crate::channel::inbox::Arrived;
use crate::channel::outgoing::{Label, Outgoing, State, Taking};

/// What has been claimed of the current batch.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// `None` where there is none, or it was taken away.
    batch: Option<Arc<Arrived>>,
    /// Everything before this was taken, as far as was seen under the lock.
    seen: usize,
    /// Everything before this is claimed.
    next: usize,
    /// Nothing from here on can be claimed.
    limit: usize,
    /// Taken out between the two.
    void: BTreeSet<usize>,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The job is in the claimer's hand. It may go on to those before this index with [`Outgoing::go_on`].
    Granted(usize),
    /// This one job was taken out.
    Void,
    /// The whole batch was.
    Gone,
    /// The server must know first that it begins. Whoever asked is woken then.
    TooEarly,
}

impl Claims {
    /// What nobody has claimed.
    fn unclaimed(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.batch.iter().flat_map(|arrived| &arrived.batch.entries);
        let between = entries.enumerate().take(self.limit).skip(self.next);
        let whole = between.filter(|(index, _)| !self.void.contains(index));
        whole.map(|(_, entry)| entry).filter(|entry| entry.kind == Kind::Value)
    }

    /// Whether there are jobs that may be taken without a word.
    pub(super) const fn is_ahead(&self) -> bool {
        self.seen < self.next
    }

    /// So many jobs the batch had, where all of them were taken.
    pub(super) fn all(&self) -> Option<usize> {
        (self.batch.is_some() && self.seen >= self.limit).then_some(self.limit)
    }
}

impl Outgoing {
    /// The receiver takes this batch from now on.
    pub(crate) fn adopt(&self, arrived: &Arc<Arrived>) {
        let mut state = self.lock_caught_up();
        self.taken.store(0, Ordering::Release);
        state.pace.begin(Instant::now());
        let limit = arrived.batch.entries.len();
        state.claims = Claims { batch: Some(Arc::clone(arrived)), limit, ..Claims::default() };
    }

    /// The receiver takes the job at `index` of its batch in hand; `waker` is woken when it is too early for that and no longer.
    pub(crate) fn claim(
        &self,
        index: usize,
        delivery: Delivery,
        taking: Taking,
        waker: Option<&Waker>,
    ) -> Claim {
        let mut state = self.lock_caught_up();
        let State { claims, pace, .. } = &mut *state;
        if claims.batch.is_none() || index >= claims.limit {
            return Claim::Gone;
        }
        if !claims.void.is_empty() && claims.void.remove(&index) {
            claims.seen = claims.seen.max(index + 1);
            claims.next = claims.next.max(index + 1);
            return Claim::Void;
        }
        let mut until = index + 1;
        if taking == Taking::Next && !delivery.is_risky() {
            until = (index + pace.at_once()).min(claims.limit);
            until = claims.void.first().map_or(until, |void| until.min(*void));
        }
        let is_worth_it = taking == Taking::Next && state.complete_current() && state.has_gathered();
        if delivery.is_risky() && !state.is_announced(delivery, waker) {
            // What was completed, and the announcement, are to be written.
            drop(state);
            self.wake();
            return Claim::TooEarly;
        }
        match taking {
            Taking::Next | Taking::Beside => state.take_up(delivery),
            Taking::Handle => state.begun.insert(delivery),
        }
        state.pace.takes();
        state.claims.seen = index + 1;
        state.claims.next = state.claims.next.max(until);
        self.taken.store(index + 1, Ordering::Release);
        let until = state.claims.next;
        let starts_ticking = state.starts_ticking();
        self.unlock_and_wake(state, is_worth_it);
        if starts_ticking {
            self.port.begun();
        }
        Claim::Granted(until)
    }

    /// The receiver has gone on to the job before this index, which it had claimed; those before that are completed.
    #[inline]
    pub(crate) fn go_on(&self, behind: usize) {
        self.taken.store(behind, Ordering::Release);
    }

    /// Takes the lock, and catches up with the plain loop; the driver is woken for what that has completed, where it waits for it and it is enough.
    #[inline]
    pub(super) fn lock_caught_up(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let taken = self.taken.load(Ordering::Acquire);
        if taken != state.claims.seen
            && state.catch_up(taken)
            && state.has_gathered()
            && std::mem::take(&mut state.is_wanted)
        {
            self.wake();
        }
        state
    }

    /// Gives a job of the current batch back that nobody has claimed and nobody is to do; false where it is not there.
    pub(crate) fn cancel_unclaimed(&self, job: JobId, attempt: Attempt) -> bool {
        let mut state = self.state.lock();
        let claims = &mut state.claims;
        let Some(arrived) = &claims.batch else { return false };
        let generation = arrived.generation();
        let found = arrived.find(job, attempt).filter(|index| (claims.next..claims.limit).contains(index));
        if !found.is_some_and(|index| claims.void.insert(index)) {
            return false;
        }
        state.note(Label::answer(Kind::Returned, Delivery { job, attempt, generation }));
        self.unlock_and_wake(state, true);
        true
    }

    /// Gives back up to `count` of the newest jobs of the current batch that nobody has claimed; whether there were any.
    pub(crate) fn give_back_newest_unclaimed(&self, count: usize) -> bool {
        let mut state = self.lock_caught_up();
        let State { claims, .. } = &mut *state;
        let Some(arrived) = &claims.batch else { return false };
        let generation = arrived.generation();
        let mut newest = Vec::new();
        for index in (claims.next..claims.limit).rev() {
            let job = arrived.batch.entries.get(index).filter(|entry| entry.kind == Kind::Value);
            if newest.len() == count {
                break;
            }
            if let Some(entry) = job.filter(|_| claims.void.insert(index)) {
                newest.push((entry.job, entry.attempt));
            }
        }
        newest.reverse();
        state.note_unbegun(generation, &newest);
        self.unlock_and_wake(state, true);
        !newest.is_empty()
    }

    /// Gives back what nobody has claimed: the receiver takes nothing more of it.
    pub(crate) fn give_back_unclaimed(&self) {
        let mut state = self.state.lock();
        let mut claims = std::mem::take(&mut state.claims);
        let generation = claims.batch.as_ref().map_or(0, |arrived| arrived.generation());
        for entry in claims.unclaimed() {
            let delivery = Delivery { job: entry.job, attempt: entry.attempt, generation };
            state.note(Label::answer(Kind::Returned, delivery));
        }
        claims.limit = claims.limit.min(claims.next);
        claims.void.clear();
        state.claims = claims;
        self.unlock_and_wake(state, true);
    }

    /// The receiver itself takes nothing more: what it had claimed ahead is not claimed any more.
    pub(crate) fn stop_claiming(&self) {
        let mut state = self.lock_caught_up();
        state.claims.next = state.claims.seen;
    }

    /// How many jobs of the current batch nobody has claimed.
    pub(crate) fn unclaimed(&self) -> usize {
        self.state.lock().claims.unclaimed().count()
    }
}

impl State {
    /// The plain loop has taken everything before `taken`; whether that has completed a job.
    fn catch_up(&mut self, taken: usize) -> bool {
        let mut had_some = false;
        let behind = taken.min(self.claims.next);
        while self.claims.seen < behind {
            let Some(arrived) = &self.claims.batch else { break };
            let generation = arrived.generation();
            let entry = arrived.batch.entries.get(self.claims.seen).copied();
            self.claims.seen += 1;
            // One that is void was taken out before it came here.
            if let Some(Entry { job, attempt, kind: Kind::Value, .. }) = entry {
                had_some |= self.go_on_to(Delivery { job, attempt, generation });
                self.pace.takes();
            }
        }
        had_some
    }
}
