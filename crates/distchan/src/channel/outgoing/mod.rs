//! Values on their way out, encoded, until the driver fetches them: the batch that a channel's senders fill together.
//! A lock that is held for one encoding is all that a send costs; nobody hops through another task.

mod in_hand;
mod room;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::ids::{Attempt, JobId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::channel::error::SendErrorKind;
pub(crate) use crate::channel::outgoing::room::Reservation;
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
    port: Arc<dyn Port>,
    ended: Notify,
}

#[derive(Debug)]
struct State {
    sealed: VecDeque<Batch>,
    open: OpenBatch,
    values: usize,
    bytes: usize,
    /// Room that permits hold.
    reserved: usize,
    bounds: Bounds,
    /// The driver sleeps until something is here.
    is_wanted: bool,
    end: Option<SendErrorKind>,
    senders: usize,
    waiters: Waiters,
    /// Maps that want to try again when there is room and nobody waits for it.
    observers: Vec<Waker>,
    next_job: u64,
    /// On a worker: the jobs that the plain loop has in hand.
    current: Vec<(JobId, Attempt)>,
}

/// What is pushed, besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) kind: Kind,
    pub(crate) job: JobId,
    pub(crate) attempt: Attempt,
    pub(crate) extra: u32,
}

impl Label {
    /// A value that needs no more than its place in the order.
    pub(crate) const VALUE: Self =
        Self { kind: Kind::Value, job: JobId(0), attempt: Attempt::FIRST, extra: 0 };

    pub(crate) const fn answer(kind: Kind, (job, attempt): (JobId, Attempt)) -> Self {
        Self { kind, job, attempt, extra: 0 }
    }
}

/// Where the room for a value comes from.
#[derive(Debug)]
pub(crate) enum Room<'a> {
    /// There must be some, and nobody waiting for it.
    Free,
    /// It is held already; given back where nothing is pushed after all.
    Reserved(Reservation<'a>),
}

/// Why nothing was pushed.
#[derive(Debug)]
pub(crate) enum PushError {
    Full,
    Failed(SendErrorKind),
}

impl Outgoing {
    pub(crate) fn new(port: Arc<dyn Port>, bounds: Bounds) -> Arc<Self> {
        let state = State {
            sealed: VecDeque::new(),
            open: OpenBatch::default(),
            values: 0,
            bytes: 0,
            reserved: 0,
            bounds,
            is_wanted: true,
            end: None,
            senders: 0,
            waiters: Waiters::default(),
            observers: Vec::new(),
            next_job: 1,
            current: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), port, ended: Notify::new() })
    }

    /// Encodes a value into the batch; returns its number in the order of pushing, from 1.
    pub(crate) fn push<T>(
        &self,
        value: &T,
        encode: Encode<T>,
        label: Label,
        room: Room<'_>,
    ) -> Result<JobId, PushError> {
        self.push_labelled(value, encode, room, |_| Ok(label))
    }

    /// Encodes a result of the job that the plain loop has in hand.
    pub(crate) fn push_result<T>(
        &self,
        value: &T,
        encode: Encode<T>,
        room: Room<'_>,
    ) -> Result<(), PushError> {
        let label = |state: &State| match state.current.as_slice() {
            [one] => Ok(Label::answer(Kind::Result, *one)),
            _ => Err(SendErrorKind::NoJob),
        };
        self.push_labelled(value, encode, room, label).map(|_| ())
    }

    fn push_labelled<T>(
        &self,
        value: &T,
        encode: Encode<T>,
        mut room: Room<'_>,
        label: impl FnOnce(&State) -> Result<Label, SendErrorKind>,
    ) -> Result<JobId, PushError> {
        let mut state = self.state.lock();
        if let Some(end) = &state.end {
            return Err(PushError::Failed(end.clone()));
        }
        if matches!(room, Room::Free) && !state.is_free() {
            return Err(PushError::Full);
        }
        let label = label(&state).map_err(PushError::Failed)?;
        let limit = state.bounds.max_value;
        state
            .append(label, limit, |payload| encode(value, payload).map_err(SendErrorKind::Encode))
            .map_err(PushError::Failed)?;
        if let Room::Reserved(reservation) = &mut room {
            reservation.is_used = true;
            state.reserved -= 1;
        }
        let number = JobId(state.next_job);
        state.next_job += 1;
        self.unlock_and_wake(state, label.kind != Kind::Result);
        Ok(number)
    }

    /// What the driver fetches: the oldest batch, or nothing. Where nothing is here, the driver is woken for the next value if it
    /// `wants` one.
    pub(crate) fn fetch(&self, wants: bool) -> Option<Batch> {
        let mut state = self.state.lock();
        if !wants {
            state.is_wanted = false;
            return None;
        }
        let batch = match state.sealed.pop_front() {
            Some(batch) => batch,
            None if !state.open.is_empty() => state.open.take(),
            None => {
                state.is_wanted = true;
                return None;
            }
        };
        state.is_wanted = false;
        state.values -= batch.entries.len();
        state.bytes -= batch.payload.len();
        state.offer_room();
        Some(batch)
    }

    /// Whether this side has ended the channel, and everything that was sent has been fetched.
    pub(crate) fn is_spent(&self) -> bool {
        let state = self.state.lock();
        state.end.is_some() && state.open.is_empty() && state.sealed.is_empty()
    }

    /// Nothing more can be sent. What was sent still goes out.
    pub(crate) fn end(&self, kind: SendErrorKind) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(kind);
        }
        state.waiters.wake_all();
        state.observers.drain(..).for_each(Waker::wake);
        drop(state);
        self.ended.notify_waiters();
        self.port.wake();
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
        self.state.lock().values
    }

    /// Values that can be sent at once.
    pub(crate) fn room(&self) -> usize {
        let state = self.state.lock();
        if state.has_room() { state.bounds.values - state.values - state.reserved } else { 0 }
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
    fn unlock_and_wake(&self, mut state: parking_lot::MutexGuard<'_, State>, is_urgent: bool) {
        let wake = state.is_wanted && (is_urgent || !state.sealed.is_empty());
        state.is_wanted &= !wake;
        drop(state);
        if wake {
            self.port.wake();
        }
    }
}

impl State {
    fn append(
        &mut self,
        label: Label,
        limit: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), SendErrorKind>,
    ) -> Result<(), SendErrorKind> {
        let before = self.open.payload.len();
        encode(&mut self.open.payload)?;
        let size = self.open.payload.len() - before;
        if size > limit {
            self.open.payload.truncate(before);
            return Err(SendErrorKind::TooLarge { size, limit });
        }
        self.record(label, size);
        Ok(())
    }

    /// Ends the entry whose `size` bytes were just appended.
    fn record(&mut self, label: Label, size: usize) {
        self.open.push(label.kind, label.job, label.attempt, label.extra);
        self.values += 1;
        self.bytes += size;
        if self.open.is_full() {
            let batch = self.open.take();
            self.sealed.push_back(batch);
        }
    }
}
