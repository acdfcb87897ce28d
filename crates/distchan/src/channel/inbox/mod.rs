//! Batches on their way in, until a receiver takes their values. The driver pushes whole batches; nothing is decoded here.
//!
//! Two locks, always taken in this order: the queue's, which the driver and the receiver share, and the current batch's, which is the
//! receiver's alone but for whoever ends, resets or cancels from elsewhere. A value is taken, and said to be taken, under the latter: so
//! whoever cancels finds a job either here or in hand.

mod arrived;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distchan_proto::batch::{Batch, Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};
use parking_lot::Mutex;

use crate::channel::error::RecvError;
use crate::channel::inbox::arrived::{Arrived, Cursor};
pub(crate) use crate::channel::inbox::arrived::{Shown, Step};

/// The incoming side of one channel, one call or one map.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    current: Mutex<Cursor>,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Arrived>,
    end: Option<End>,
    waker: Option<Waker>,
    is_closed: bool,
    /// How often this was reset.
    generation: u32,
}

/// Why no further batch will come.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The work is done, or this side wants no more of it.
    Finished,
    /// It is not.
    Error(RecvError),
}

/// What a closed or drained inbox had left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    batches: VecDeque<Arrived>,
    begun: Cursor,
    generation: u32,
}

impl Left {
    /// What nobody has taken.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let begun = self.begun.arrived.batch.entries.iter().skip(self.begun.next);
        begun.chain(self.batches.iter().flat_map(|arrived| &arrived.batch.entries))
    }

    /// The generation of all of them.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// What all of it costs, the begun batch as a whole.
    pub(crate) fn cost(&self) -> u64 {
        self.begun.arrived.batch.cost() + self.batches.iter().map(|arrived| arrived.batch.cost()).sum::<u64>()
    }
}

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Hands a batch over; gives it back where nobody will take it.
    pub(crate) fn push(&self, batch: Batch) -> Result<(), Batch> {
        let waker = {
            let mut queue = self.queue.lock();
            if queue.is_closed {
                return Err(batch);
            }
            let at = (!batch.deadlines.is_empty()).then(|| tokio::time::Instant::now().into_std());
            let generation = queue.generation;
            queue.batches.push_back(Arrived { batch, generation, at });
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Nothing more will come. The first reason counts.
    pub(crate) fn end(&self, end: End) {
        let waker = {
            let mut queue = self.queue.lock();
            queue.end.get_or_insert(end);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Shows the next value of the current batch to `take`, which may leave it there; `None` where there is none. A batch that has been taken
    /// whole is handed to `finished`.
    pub(crate) fn next<R>(
        &self,
        take: impl FnOnce(&Shown<'_>) -> Step<R>,
        finished: impl FnOnce(Batch),
    ) -> Option<R> {
        let mut current = self.current.lock();
        let Some(entry) = current.arrived.batch.entries.get(current.next).copied() else {
            let done = std::mem::take(&mut *current);
            drop(current);
            if !done.arrived.batch.entries.is_empty() {
                finished(done.arrived.batch);
            }
            return None;
        };
        let bytes = current.arrived.batch.payload.get(current.start as usize..entry.end as usize);
        match take(&Shown { entry, bytes: bytes.unwrap_or_default(), cursor: &current }) {
            Step::Taken(taken) => {
                current.next += 1;
                current.start = entry.end;
                Some(taken)
            }
            Step::Left(left) => Some(left),
        }
    }

    /// Entries of the current batch that have not been taken.
    pub(crate) fn buffered(&self) -> usize {
        let current = self.current.lock();
        current.arrived.batch.entries.len() - current.next
    }

    /// Whether the next entry of the current batch is a value.
    pub(crate) fn has_value(&self) -> bool {
        let current = self.current.lock();
        let kind = current.arrived.batch.entries.get(current.next).map(|entry| entry.kind);
        kind.is_some_and(|kind| matches!(kind, Kind::Value | Kind::Result | Kind::Last))
    }

    /// Makes the next batch the current one; to be called when the current one has been taken.
    pub(crate) fn poll_fill(&self, cx: &Context<'_>) -> Poll<Result<(), End>> {
        let mut queue = self.queue.lock();
        if let Some(filled) = self.fill(&mut queue) {
            return Poll::Ready(filled);
        }
        queue.wait(cx);
        Poll::Pending
    }

    /// [`Inbox::poll_fill`] without waiting; `None` where nothing is here.
    pub(crate) fn try_fill(&self) -> Option<Result<(), End>> {
        self.fill(&mut self.queue.lock())
    }

    fn fill(&self, queue: &mut Queue) -> Option<Result<(), End>> {
        match queue.batches.pop_front() {
            Some(arrived) => {
                *self.current.lock() = Cursor { arrived, next: 0, start: 0 };
                Some(Ok(()))
            }
            None => queue.end.clone().map(Err),
        }
    }

    /// The next batch as a whole, for calls and maps.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Result<Batch, End>> {
        let mut queue = self.queue.lock();
        if let Some(arrived) = queue.batches.pop_front() {
            return Poll::Ready(Ok(arrived.batch));
        }
        if let Some(end) = &queue.end {
            return Poll::Ready(Err(end.clone()));
        }
        queue.wait(cx);
        Poll::Pending
    }

    /// Nobody will take anything more; whoever waits learns `end`. What was left comes back.
    pub(crate) fn close(&self, end: End) -> Left {
        let (left, waker) = {
            let mut queue = self.queue.lock();
            queue.is_closed = true;
            queue.end.get_or_insert(end);
            let begun = std::mem::take(&mut *self.current.lock());
            let batches = std::mem::take(&mut queue.batches);
            (Left { batches, begun, generation: queue.generation }, queue.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        left
    }

    /// The session was lost for good: what is here is with other workers by now. What comes later is of the next generation.
    pub(crate) fn reset(&self) {
        let waker = {
            let mut queue = self.queue.lock();
            queue.generation = queue.generation.wrapping_add(1);
            queue.batches.clear();
            *self.current.lock() = Cursor::default();
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes a job out that nobody is to do any more; false where it is not here: it was taken before, or never came.
    pub(crate) fn cancel(&self, job: JobId, attempt: Attempt) -> bool {
        let (was_here, waker) = {
            let mut queue = self.queue.lock();
            let mut current = self.current.lock();
            let next = current.next;
            let was_here = current.arrived.void(next, job, attempt)
                || queue.batches.iter_mut().any(|arrived| arrived.void(0, job, attempt));
            // Whoever waits may wait until this very job is announced.
            (was_here, if was_here { queue.waker.take() } else { None })
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        was_here
    }

    /// Wakes `cx` also when something is cancelled, reset or ended here.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        self.queue.lock().wait(cx);
    }

    pub(crate) fn is_ended(&self) -> bool {
        let queue = self.queue.lock();
        queue.end.is_some() && queue.batches.is_empty()
    }
}

impl Queue {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}
