//! Batches on their way in, until a receiver takes their values. The driver pushes whole batches; nothing is decoded here.
//!
//! Two locks, always taken in this order: the queue's, which the driver and the receiver share, and the current batch's, which is the
//! receiver's alone but for whoever ends it from elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distchan_proto::batch::{Batch, Entry, Kind};
use parking_lot::Mutex;

use crate::channel::error::RecvError;

/// The incoming side of one channel, one call or one map.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    current: Mutex<Cursor>,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    end: Option<End>,
    waker: Option<Waker>,
    is_closed: bool,
}

/// The batch that is being taken, and how far it is.
#[derive(Debug, Default)]
struct Cursor {
    batch: Batch,
    next: usize,
    start: u32,
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
    batches: VecDeque<Batch>,
    begun: Cursor,
}

impl Left {
    /// What nobody has taken.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let begun = self.begun.batch.entries.iter().skip(self.begun.next);
        begun.chain(self.batches.iter().flat_map(|batch| &batch.entries))
    }

    /// What all of it costs, the begun batch as a whole.
    pub(crate) fn cost(&self) -> u64 {
        self.begun.batch.cost() + self.batches.iter().map(Batch::cost).sum::<u64>()
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
            queue.batches.push_back(batch);
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

    /// Shows the next value of the current batch to `take`; `None` where there is none. A batch that has been taken whole is handed to
    /// `finished`.
    pub(crate) fn next<R>(
        &self,
        take: impl FnOnce(&Entry, &[u8]) -> R,
        finished: impl FnOnce(Batch),
    ) -> Option<R> {
        let mut current = self.current.lock();
        let Some(entry) = current.batch.entries.get(current.next).copied() else {
            let done = std::mem::take(&mut *current);
            drop(current);
            if !done.batch.entries.is_empty() {
                finished(done.batch);
            }
            return None;
        };
        let bytes = current.batch.payload.get(current.start as usize..entry.end as usize);
        let taken = take(&entry, bytes.unwrap_or_default());
        current.next += 1;
        current.start = entry.end;
        Some(taken)
    }

    /// Entries of the current batch that have not been taken.
    pub(crate) fn buffered(&self) -> usize {
        let current = self.current.lock();
        current.batch.entries.len() - current.next
    }

    /// Whether the next entry of the current batch is a value.
    pub(crate) fn has_value(&self) -> bool {
        let current = self.current.lock();
        let kind = current.batch.entries.get(current.next).map(|entry| entry.kind);
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
            Some(batch) => {
                *self.current.lock() = Cursor { batch, next: 0, start: 0 };
                Some(Ok(()))
            }
            None => queue.end.clone().map(Err),
        }
    }

    /// The next batch as a whole, for calls and maps.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Result<Batch, End>> {
        let mut queue = self.queue.lock();
        if let Some(batch) = queue.batches.pop_front() {
            return Poll::Ready(Ok(batch));
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
            (Left { batches: std::mem::take(&mut queue.batches), begun }, queue.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        left
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
