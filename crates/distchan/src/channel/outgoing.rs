//! Values on their way out, encoded, until the driver fetches them: the batch that a channel's senders fill together.
//! A lock that is held for one encoding is all that a send costs; nobody hops through another task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::limits;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::channel::error::SendErrorKind;
use crate::channel::port::{Encode, Port};
use crate::channel::waiters::{Ticket, Waiters};

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

/// Room for one value, held until it is used or dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    outgoing: &'a Outgoing,
    is_used: bool,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            let mut state = self.outgoing.state.lock();
            state.reserved -= 1;
            state.offer_room();
        }
    }
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

    /// Waits for room and holds it.
    pub(crate) async fn reserve(&self) -> Result<Reservation<'_>, SendErrorKind> {
        let mut turn = Turn { outgoing: self, ticket: None };
        poll_fn(|cx| turn.poll(cx)).await?;
        Ok(Reservation { outgoing: self, is_used: false })
    }

    pub(crate) fn try_reserve(&self) -> Result<Reservation<'_>, PushError> {
        let mut state = self.state.lock();
        if let Some(end) = &state.end {
            return Err(PushError::Failed(end.clone()));
        }
        if !state.is_free() {
            return Err(PushError::Full);
        }
        state.reserved += 1;
        Ok(Reservation { outgoing: self, is_used: false })
    }

    /// Ready when it is worth trying again. Whoever waits like this has no place in the line, and so holds up nobody.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.is_free() || state.end.is_some() {
            return Poll::Ready(());
        }
        if !state.observers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.observers.push(cx.waker().clone());
        }
        Poll::Pending
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
    fn has_room(&self) -> bool {
        self.values + self.reserved < self.bounds.values && self.bytes < self.bounds.bytes
    }

    /// Whether a value can be pushed by whoever has not waited.
    fn is_free(&self) -> bool {
        self.waiters.is_empty() && self.has_room()
    }

    /// There is more room than there was: for those who wait, else for those who watch.
    fn offer_room(&mut self) {
        if self.waiters.is_empty() {
            self.observers.drain(..).for_each(Waker::wake);
        } else {
            self.waiters.wake_first();
        }
    }

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

    fn note(&mut self, label: Label) {
        self.record(label, 0);
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

/// A sender's wait for room; dropping it leaves the line.
#[derive(Debug)]
struct Turn<'a> {
    outgoing: &'a Outgoing,
    ticket: Option<Ticket>,
}

impl Turn<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendErrorKind>> {
        let mut state = self.outgoing.state.lock();
        if let Some(end) = &state.end {
            let end = end.clone();
            return Poll::Ready(Err(end));
        }
        let is_first =
            self.ticket.map_or_else(|| state.waiters.is_empty(), |ticket| state.waiters.is_first(ticket));
        if is_first && state.has_room() {
            if let Some(ticket) = self.ticket.take() {
                state.waiters.leave(ticket);
            }
            state.reserved += 1;
            if state.has_room() {
                state.offer_room();
            }
            return Poll::Ready(Ok(()));
        }
        match self.ticket {
            Some(ticket) => state.waiters.update(ticket, cx.waker()),
            None => self.ticket = Some(state.waiters.join(cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.outgoing.state.lock();
            state.waiters.leave(ticket);
            if state.has_room() {
                state.offer_room();
            }
        }
    }
}
