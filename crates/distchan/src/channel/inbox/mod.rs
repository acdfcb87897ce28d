//! Batches on their way in, until a receiver takes them. The driver pushes whole batches, and a receiver takes whole batches: one lock is
//! paid for many values. Nothing is decoded here.

mod arrived;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distchan_proto::batch::{Batch, Entry};
use distchan_proto::ids::{Attempt, JobId};
use parking_lot::Mutex;

use crate::channel::error::RecvError;
pub(crate) use crate::channel::inbox::arrived::{Arrived, Cursor};

/// The incoming side of one channel, one call or one map.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
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

/// What a closed inbox had left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    batches: VecDeque<Arrived>,
    generation: u32,
}

impl Left {
    /// What nobody has taken.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.batches.iter().flat_map(|arrived| &arrived.batch.entries)
    }

    /// The generation of all of them.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// What all of it costs.
    pub(crate) fn cost(&self) -> u64 {
        self.batches.iter().map(|arrived| arrived.batch.cost()).sum::<u64>()
    }
}

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Hands a batch over; gives it back where nobody will take it. Returns whom to wake: by whoever calls, and holds no lock then, since
    /// who is woken may run at once, and ask for it.
    pub(crate) fn push(&self, batch: Batch) -> Result<Option<Waker>, Batch> {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Err(batch);
        }
        let at = (!batch.deadlines.is_empty()).then(|| tokio::time::Instant::now().into_std());
        let generation = queue.generation;
        queue.batches.push_back(Arrived { batch, generation, at });
        Ok(queue.waker.take())
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

    /// The next batch, to be taken one by one. `adopt` is shown it before anybody else can ask for it here.
    pub(crate) fn poll_next(
        &self,
        cx: &Context<'_>,
        adopt: impl FnOnce(&Arc<Arrived>),
    ) -> Poll<Result<Cursor, End>> {
        let mut queue = self.queue.lock();
        if let Some(next) = queue.next(adopt) {
            return Poll::Ready(next);
        }
        queue.wait(cx);
        Poll::Pending
    }

    /// [`Inbox::poll_next`] without waiting; `None` where nothing is here.
    pub(crate) fn try_next(&self, adopt: impl FnOnce(&Arc<Arrived>)) -> Option<Result<Cursor, End>> {
        self.queue.lock().next(adopt)
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
            let batches = std::mem::take(&mut queue.batches);
            (Left { batches, generation: queue.generation }, queue.waker.take())
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
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes a job out that nobody is to do any more; false where it is not here: its batch is being taken, or it never came.
    pub(crate) fn cancel(&self, job: JobId, attempt: Attempt) -> bool {
        self.queue.lock().batches.iter_mut().any(|arrived| arrived.void(job, attempt))
    }

    /// Takes up to `count` of the newest jobs out, oldest first.
    pub(crate) fn take_newest(&self, count: usize) -> Vec<(JobId, Attempt)> {
        let mut queue = self.queue.lock();
        let mut newest = Vec::new();
        for arrived in queue.batches.iter_mut().rev() {
            arrived.void_newest(count, &mut newest);
        }
        // Nobody reads a batch of nothing.
        while queue.batches.back().is_some_and(Arrived::is_void) {
            queue.batches.pop_back();
        }
        newest.reverse();
        newest
    }

    /// Wakes `cx` also when something is reset or ended here, or [`Inbox::wake`] is called.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        self.queue.lock().wait(cx);
    }

    /// Wakes whoever waits: what it waits for may have changed elsewhere.
    pub(crate) fn wake(&self) {
        let waker = self.queue.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        let queue = self.queue.lock();
        queue.end.is_some() && queue.batches.is_empty()
    }
}

impl Queue {
    fn next(&mut self, adopt: impl FnOnce(&Arc<Arrived>)) -> Option<Result<Cursor, End>> {
        match self.batches.pop_front() {
            Some(arrived) => {
                let arrived = Arc::new(arrived);
                adopt(&arrived);
                Some(Ok(Cursor::new(arrived)))
            }
            None => self.end.clone().map(Err),
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}
