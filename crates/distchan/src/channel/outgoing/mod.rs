//! Values on their way out, encoded, until the driver fetches them: the batch that a channel's senders fill together.
//! A lock that is held for one encoding is all that a send costs; nobody hops through another task.

mod announce;
mod begun;
mod claims;
mod hurry;
mod in_hand;
mod label;
mod pace;
mod queue;
mod room;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use distchan_proto::batch::{Kind, Sealed, Submission};
use distchan_proto::ids::JobId;
use distchan_proto::scattered::ScatteredMut;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::channel::error::SendErrorKind;
use crate::channel::outgoing::announce::{Announcing, Current};
use crate::channel::outgoing::begun::Begun;
pub(crate) use crate::channel::outgoing::claims::Claim;
use crate::channel::outgoing::claims::Claims;
use crate::channel::outgoing::hurry::{Hurry, Lent};
pub(crate) use crate::channel::outgoing::in_hand::Taking;
pub(crate) use crate::channel::outgoing::label::Label;
use crate::channel::outgoing::pace::Pace;
use crate::channel::outgoing::queue::Queue;
use crate::channel::outgoing::room::Quick;
pub(crate) use crate::channel::outgoing::room::{PushError, Reservation, Room};
use crate::channel::port::{Encode, Port};
use crate::channel::waiters::Waiters;

/// How much may wait here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) values: usize,
    pub(crate) bytes: usize,
    pub(crate) max_value: usize,
}

/// The shared outgoing side of one channel.
#[derive(Debug)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
    /// On a worker: how many jobs of the current batch the receiver has taken. It is the only one who goes on with it.
    taken: AtomicUsize,
    /// The driver, which had found nothing here when it looked last, has to look again.
    has_news: AtomicBool,
    port: Arc<dyn Port>,
    ended: Notify,
}

/// What the driver finds when it looks.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The oldest batch.
    pub(crate) batch: Option<Submission>,
    /// Whether this side has ended the channel, and everything that was sent has been fetched.
    pub(crate) is_spent: bool,
    /// Whether something was fetched before its turn: see [`Outgoing::limit_lent`].
    pub(crate) has_lent: bool,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Room that permits hold.
    reserved: usize,
    bounds: Bounds,
    quick: Quick,
    /// The driver sleeps until something is here.
    is_wanted: bool,
    end: Option<SendErrorKind>,
    senders: usize,
    waiters: Waiters,
    /// Maps that want to try again when there is room and nobody waits for it.
    observers: Vec<Waker>,
    /// On a server: what cannot wait for a worker to have room.
    hurry: Hurry,
    /// On a worker: the batch that the receiver takes, as far as others are concerned.
    claims: Claims,
    pace: Pace,
    /// ... and the jobs that the plain loop has in hand.
    current: Vec<Current>,
    /// What the plain loop has in hand is with another worker by now: what it says of it is dropped.
    is_stale: bool,
    /// On a worker: the jobs that handles have in hand.
    begun: Begun,
    announcing: Announcing,
    /// How often everything in hand was lost with its session.
    generation: u32,
}

impl Outgoing {
    pub(crate) fn new(port: Arc<dyn Port>, bounds: Bounds) -> Arc<Self> {
        let state = State {
            queue: Queue::new(),
            reserved: 0,
            bounds,
            quick: Quick::default(),
            is_wanted: true,
            end: None,
            senders: 0,
            waiters: Waiters::default(),
            observers: Vec::new(),
            hurry: Hurry::default(),
            claims: Claims::default(),
            pace: Pace::default(),
            current: Vec::new(),
            is_stale: false,
            begun: Begun::default(),
            announcing: Announcing::default(),
            generation: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            taken: AtomicUsize::new(0),
            has_news: AtomicBool::new(true),
            port,
            ended: Notify::new(),
        })
    }

    /// The way that nearly every value goes: there is room for it, and nothing is to be said but itself. False, and nothing done, where there is
    /// more to it; then the longer way also says what.
    #[inline]
    pub(crate) fn push_quickly<T: ?Sized>(&self, value: &T, encode: Encode<T>) -> bool {
        let mut state = self.state.lock();
        let done = state.has_quick_room() && state.append_quickly(value, encode, Label::VALUE);
        if done {
            self.unlock_and_wake(state, true);
        }
        done
    }

    /// The same for a result of the job that the plain loop has in hand.
    #[inline]
    pub(crate) fn push_result_quickly<T>(&self, value: &T, encode: Encode<T>) -> bool {
        let mut state = self.lock_caught_up();
        let [one] = state.current.as_slice() else { return false };
        let label = Label::answer(Kind::Result, one.delivery);
        let done = state.has_quick_room() && state.append_quickly(value, encode, label);
        if done {
            // It can wait for its job's end.
            self.unlock_and_wake(state, false);
        }
        done
    }

    /// Encodes a value into the batch; returns its number in the order of pushing, from 1.
    pub(crate) fn push<T: ?Sized>(
        &self,
        value: &T,
        encode: Encode<T>,
        label: Label,
        room: Room<'_>,
    ) -> Result<JobId, PushError> {
        self.push_labelled(value, encode, room, |_| Ok(label))
    }

    /// Encodes a result of the job that the plain loop has in hand. Where that is with another worker by now, it goes nowhere.
    pub(crate) fn push_result<T>(
        &self,
        value: &T,
        encode: Encode<T>,
        room: Room<'_>,
    ) -> Result<(), PushError> {
        let label = |state: &State| match state.current.as_slice() {
            [one] => Ok(Label::answer(Kind::Result, one.delivery)),
            [] if state.is_stale => Err(SendErrorKind::Reassigned),
            _ => Err(SendErrorKind::NoJob),
        };
        match self.push_labelled(value, encode, room, label) {
            Ok(_) | Err(PushError::Failed(SendErrorKind::Reassigned)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn push_labelled<T: ?Sized>(
        &self,
        value: &T,
        encode: Encode<T>,
        mut room: Room<'_>,
        label: impl FnOnce(&State) -> Result<Label, SendErrorKind>,
    ) -> Result<JobId, PushError> {
        let mut state = self.lock_caught_up();
        match &room {
            Room::Free => state.find_room()?,
            Room::Reserved(_) => state.end.clone().map_or(Ok(()), |end| Err(PushError::Failed(end)))?,
        }
        let label = label(&state).map_err(PushError::Failed)?;
        if label.kind != Kind::Value && label.delivery.generation != state.generation {
            return Err(PushError::Failed(SendErrorKind::Reassigned));
        }
        let limit = state.bounds.max_value;
        state
            .append(label, limit, |payload| encode(value, payload).map_err(SendErrorKind::Encode))
            .map_err(PushError::Failed)?;
        if let Room::Reserved(reservation) = &mut room {
            reservation.is_used = true;
            state.reserved -= 1;
        }
        let number = JobId(state.queue.next() - 1);
        if let Some(within) = label.within {
            state.hurry.expect(number, within);
        }
        if label.kind == Kind::Last {
            state.let_go(label.delivery);
        }
        self.unlock_and_wake(state, label.kind != Kind::Result);
        Ok(number)
    }

    /// What the driver fetches. Where nothing is here, the driver is woken for the next value if it `wants` one. What cannot wait is
    /// returned also where it does not.
    pub(crate) fn fetch(&self, wants: bool) -> Fetched {
        let mut state = self.lock_caught_up();
        let batch = state.fetch(wants);
        let is_spent = state.end.is_some() && state.queue.is_empty();
        let has_lent = state.hurry.lent.values > 0;
        // What remains to be done with the batch holds up nobody.
        drop(state);
        Fetched { batch: batch.map(Submission::from), is_spent, has_lent }
    }

    /// Whether something has happened here since the driver found nothing; asked once.
    pub(crate) fn take_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire) && self.has_news.swap(false, Ordering::AcqRel)
    }

    /// Wakes the driver.
    pub(super) fn wake(&self) {
        self.has_news.store(true, Ordering::Release);
        self.port.wake();
    }

    /// Nothing more can be sent. What was sent still goes out.
    pub(crate) fn end(&self, kind: SendErrorKind) {
        let mut state = self.state.lock();
        if matches!(kind, SendErrorKind::Disconnected(_)) {
            // Whatever is in hand is with other workers, or will be: whoever works on it is told.
            state.begun.reset();
        }
        if state.end.is_none() {
            state.end = Some(kind);
        }
        state.quick = Quick::default();
        state.stop_waiting();
        state.waiters.wake_all();
        state.observers.drain(..).for_each(Waker::wake);
        drop(state);
        self.ended.notify_waiters();
        self.wake();
    }

    pub(crate) fn ended_with(&self) -> Option<SendErrorKind> {
        self.state.lock().end.clone()
    }

    /// Waits until nothing more can be sent.
    pub(crate) async fn closed(&self) {
        let mut notified = std::pin::pin!(self.ended.notified());
        notified.as_mut().enable();
        if self.ended_with().is_none() {
            notified.await;
        }
    }

    pub(crate) fn set_max_value(&self, max_value: usize) {
        self.state.lock().bounds.max_value = max_value;
    }

    /// Values that were sent and not fetched.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().queue.values()
    }

    /// Values that can be sent at once.
    pub(crate) fn room(&self) -> usize {
        let state = self.state.lock();
        if state.has_room() { state.bounds.values - state.taken_values() } else { 0 }
    }

    pub(crate) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    /// With the last sender, the channel closes.
    pub(crate) fn remove_sender(&self) {
        let is_last = {
            let mut state = self.state.lock();
            state.senders -= 1;
            state.senders == 0
        };
        if is_last {
            self.end(SendErrorKind::Closed);
        }
    }

    /// Wakes the driver where it waits for this and the value is worth it: a result of a job that goes on can wait for the job's end.
    #[inline]
    fn unlock_and_wake(&self, mut state: parking_lot::MutexGuard<'_, State>, is_urgent: bool) {
        if !state.is_wanted && !state.hurry.is_due {
            return;
        }
        let is_wanted = state.is_wanted && (is_urgent || state.queue.has_sealed());
        let wake = is_wanted || state.hurry.is_due;
        state.is_wanted &= !wake;
        drop(state);
        if wake {
            self.wake();
        }
    }
}

impl State {
    fn fetch(&mut self, wants: bool) -> Option<Sealed> {
        if wants {
            self.hurry.lent = Lent::default();
        } else if !self.hurry.is_due {
            self.is_wanted = false;
            return None;
        }
        let first = self.queue.first();
        let Some(mut batch) = self.queue.pop() else {
            self.hurry.is_due = false;
            self.is_wanted = wants;
            return None;
        };
        self.is_wanted = false;
        self.pace.is_fetched();
        self.quick = Quick::default();
        self.hurry.fetched(first, &mut batch, wants);
        self.offer_room();
        Some(batch)
    }

    #[inline(always)]
    fn append_quickly<T: ?Sized>(&mut self, value: &T, encode: Encode<T>, label: Label) -> bool {
        let payload = self.queue.payload();
        let before = payload.len();
        if encode(value, payload).is_err() {
            return false;
        }
        let is_small = payload.len() - before <= self.bounds.max_value;
        if is_small {
            self.record(label);
        } else {
            payload.truncate(before);
        }
        is_small
    }

    fn append(
        &mut self,
        label: Label,
        limit: usize,
        encode: impl FnOnce(&mut ScatteredMut) -> Result<(), SendErrorKind>,
    ) -> Result<(), SendErrorKind> {
        let payload = self.queue.payload();
        let before = payload.len();
        encode(payload)?;
        let size = payload.len() - before;
        if size > limit {
            payload.truncate(before);
            return Err(SendErrorKind::TooLarge { size, limit });
        }
        self.record(label);
        Ok(())
    }

    /// Names what was just appended.
    #[inline(always)]
    fn record(&mut self, label: Label) {
        if self.queue.push(label) {
            self.seal();
        }
    }

    #[cold]
    fn seal(&mut self) {
        self.queue.seal();
        self.quick = Quick::default();
    }
}
