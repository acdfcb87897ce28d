//! Tells the server what has begun: a first attempt when it is still unanswered after a tick or two, so that short jobs cost nothing; any
//! further one before it begins, since the worker that had it before may have died of it.

use std::task::Waker;

use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;
use crate::channel::outgoing::{Outgoing, State};

/// What is to be said of the beginning of jobs.
#[derive(Debug, Default)]
pub(super) struct Announcing {
    /// A receiver waits until the server knows of this one.
    waiting: Option<Waiting>,
    /// How often [`Outgoing::due_announcements`] was called with a tick.
    ticks: u32,
    /// The driver ticks, until nothing is left to announce.
    is_ticking: bool,
}

#[derive(Debug)]
struct Waiting {
    delivery: Delivery,
    phase: Phase,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The driver has to fetch it.
    Due,
    /// It is being written.
    Fetched,
    /// It is on the wire.
    Written,
}

/// A delivery that the plain loop has in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    pub(super) delivery: Delivery,
    /// How many ticks there had been when it was taken.
    since: u32,
    is_announced: bool,
}

impl Outgoing {
    /// What is to be announced now; where time has `passed`, in the least of all times between two ticks, also what was taken before the tick
    /// before and has not been answered. Each delivery is returned once.
    pub(crate) fn due_announcements(&self, passed: u32) -> Vec<(JobId, Attempt)> {
        let mut state = self.lock_caught_up();
        let State { announcing, current, begun, pace, .. } = &mut *state;
        let mut due = Vec::new();
        if let Some(waiting) = &mut announcing.waiting
            && waiting.phase == Phase::Due
        {
            waiting.phase = Phase::Fetched;
            due.push(waiting.delivery.key());
        }
        if passed > 0 {
            announcing.ticks = announcing.ticks.wrapping_add(1);
            for one in current.iter_mut() {
                if !one.is_announced && announcing.ticks.wrapping_sub(one.since) >= 2 {
                    one.is_announced = true;
                    due.push(one.delivery.key());
                }
            }
            begun.tick(&mut due);
            pace.tick(passed);
            // Whoever goes on taking jobs is not to wake the driver for each of them.
            state.announcing.is_ticking = state.has_unannounced() || state.pace.is_moving();
            // What has completed before a job that takes long does not wait for its end.
            if !state.queue.is_empty() && std::mem::take(&mut state.is_wanted) {
                self.wake();
            }
        }
        due
    }

    /// Everything that [`Outgoing::due_announcements`] has returned is on the wire.
    pub(crate) fn announcements_written(&self) {
        let waker = {
            let mut state = self.state.lock();
            let fetched = state.announcing.waiting.as_mut().filter(|one| one.phase == Phase::Fetched);
            fetched.and_then(|waiting| {
                waiting.phase = Phase::Written;
                waiting.waker.take()
            })
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether ticks have something to do, or will soon.
    pub(crate) fn is_ticking(&self) -> bool {
        self.state.lock().announcing.is_ticking
    }

    /// Whether the plain loop is so fast that the next tick will find nothing either.
    pub(crate) fn is_quick(&self) -> bool {
        self.state.lock().pace.is_quick()
    }
}

impl State {
    /// Whether the server knows that `delivery` begins; else the driver is to tell it, and `waker` is woken when that is on the wire.
    pub(super) fn is_announced(&mut self, delivery: Delivery, waker: Option<&Waker>) -> bool {
        let known = self.announcing.waiting.take_if(|one| one.delivery == delivery);
        let waiting = match known {
            Some(Waiting { phase: Phase::Written, .. }) => return true,
            Some(known) => Waiting { waker: waker.cloned().or(known.waker), ..known },
            None => Waiting { delivery, phase: Phase::Due, waker: waker.cloned() },
        };
        self.announcing.waiting = Some(waiting);
        false
    }

    /// The plain loop has one more in hand.
    pub(super) fn take_up(&mut self, delivery: Delivery) {
        let one = self.taken_up(delivery);
        self.current.push(one);
    }

    /// The plain loop has the next one in hand, and has completed those before; whether there were any.
    #[inline]
    pub(super) fn go_on_to(&mut self, delivery: Delivery) -> bool {
        let next = self.taken_up(delivery);
        if let [one] = self.current.as_mut_slice() {
            let before = std::mem::replace(one, next).delivery;
            self.is_stale = false;
            self.complete(before);
            return true;
        }
        let had_some = self.complete_current();
        self.current.push(next);
        had_some
    }

    #[inline]
    fn taken_up(&self, delivery: Delivery) -> Current {
        Current { delivery, since: self.announcing.ticks, is_announced: delivery.is_risky() }
    }

    /// Whether the driver has to be told to begin ticking.
    pub(super) fn starts_ticking(&mut self) -> bool {
        !std::mem::replace(&mut self.announcing.is_ticking, true)
    }

    /// Nobody waits any more for what has moved elsewhere, or can no longer be told.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waker) = self.announcing.waiting.take().and_then(|waiting| waiting.waker) {
            waker.wake();
        }
    }

    fn has_unannounced(&self) -> bool {
        let is_unannounced = |one: &Current| !one.is_announced;
        self.current.iter().any(is_unannounced) || self.claims.is_ahead() || self.begun.has_unannounced()
    }
}
