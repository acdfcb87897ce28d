//! Many jobs, their results as a stream.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::iter::Fuse;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use distchan_proto::batch::{Batch, Kind};
use distchan_proto::ids::JobId;
use futures_core::Stream;

use crate::channel::direct::Direct;
use crate::channel::error::{CallError, SendError};
use crate::channel::failed::JobFailed;
use crate::channel::inbox::End;
use crate::channel::outgoing::{PushError, Room};
use crate::channel::sender::Sender;
use crate::channel::sinks::Sink;
use crate::zero_copy;

/// How many jobs of one map may be unfinished, unless [`Map::in_flight`] says otherwise.
const DEFAULT_IN_FLIGHT: usize = 8192;

/// The results of [`JobSender::map`](crate::JobSender::map), as a [`Stream`] of `Result<R, CallError<J>>`: as the jobs complete, or in the order of the
/// inputs with [`Map::ordered`]. A job that fails is an error among the results and ends nothing. Dropped early, it cancels the jobs that
/// were sent and are not done.
#[must_use = "a map does nothing until it is polled"]
pub struct Map<I, J, R> {
    /// Keeps the channel open until all inputs are sent.
    sender: Option<Sender<J>>,
    direct: Arc<Direct<J, R>>,
    inputs: Fuse<I>,
    /// An input that found no room.
    held_up: Option<J>,
    sink: Sink,
    /// By when each job must be done.
    within: Option<Duration>,
    limit: usize,
    in_flight: usize,
    ready: VecDeque<Result<R, CallError<J>>>,
    order: Option<Order<J, R>>,
    is_over: bool,
}

/// What stands at a place of the order.
enum Expected<J> {
    Job(JobId),
    /// An input that could not be sent.
    Unsent(SendError<J>),
}

/// Finished jobs that wait for an earlier one.
struct Order<J, R> {
    expected: VecDeque<Expected<J>>,
    parked: BTreeMap<JobId, Vec<Result<R, CallError<J>>>>,
}

impl<I: Iterator<Item = J>, J, R> Map<I, J, R> {
    pub(crate) fn new(sender: Sender<J>, direct: Arc<Direct<J, R>>, inputs: I) -> Self {
        let within = sender.within();
        let sink = direct.sinks.open(&direct.port);
        Self {
            sender: Some(sender),
            direct,
            inputs: inputs.fuse(),
            held_up: None,
            sink,
            within,
            limit: DEFAULT_IN_FLIGHT,
            in_flight: 0,
            ready: VecDeque::new(),
            order: None,
            is_over: false,
        }
    }

    /// Yields the results in the order of the inputs. A slow job then holds up those behind it, and no more than
    /// [`Map::in_flight`] of them are kept.
    pub fn ordered(mut self) -> Self {
        self.order = Some(Order { expected: VecDeque::new(), parked: BTreeMap::new() });
        self
    }

    /// How many jobs may be unfinished (or, in order, not yet yielded) at once; at least 1. 8192 unless set.
    pub fn in_flight(mut self, jobs: usize) -> Self {
        self.limit = jobs.max(1);
        self
    }

    /// The next result; `None` when every input has had its outcome.
    ///
    /// # Errors
    /// [`CallError`]: an input could not be sent (it is in the error), or its job failed. The next call goes on with the others.
    ///
    /// # Cancel safety
    /// No result is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<R, CallError<J>>> {
        poll_fn(|cx| self.poll_result(cx)).await
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R, CallError<J>>>> {
        loop {
            if let Some(result) = self.ready.pop_front() {
                return Poll::Ready(Some(result));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let has_more = self.send_inputs(cx);
            if !self.ready.is_empty() {
                continue;
            }
            if !has_more {
                // With its last input sent, the map no longer keeps the channel open.
                self.sender = None;
                if self.in_flight == 0 {
                    self.is_over = true;
                    continue;
                }
            }
            match self.sink.inbox.poll_take(cx) {
                Poll::Ready(Ok(batch)) => self.sort_in(&batch),
                Poll::Ready(Err(End::Finished)) => self.is_over = true,
                Poll::Ready(Err(End::Error(error))) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(CallError::from_recv(error))));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends inputs while there is room; false when there are no more.
    fn send_inputs(&mut self, cx: &Context<'_>) -> bool {
        loop {
            let unfinished = self.order.as_ref().map_or(self.in_flight, |order| order.expected.len());
            if unfinished >= self.limit {
                return true;
            }
            let Some(input) = self.held_up.take().or_else(|| self.inputs.next()) else {
                return false;
            };
            let label = self.direct.label(&input, self.sink.id, self.within);
            match self.direct.outgoing.push(&input, self.direct.encode, label, Room::Free) {
                Ok(job) => {
                    self.in_flight += 1;
                    if let Some(order) = &mut self.order {
                        order.expected.push_back(Expected::Job(job));
                    }
                }
                Err(PushError::Full) => {
                    self.held_up = Some(input);
                    // A map that nobody polls must not stand in the line: it would hold up everybody behind it.
                    if self.direct.outgoing.poll_room(cx).is_pending() {
                        return true;
                    }
                }
                Err(PushError::Failed(kind)) => {
                    let error = SendError::new(input, kind);
                    match &mut self.order {
                        None => self.ready.push_back(Err(CallError::Send(error))),
                        Some(order) => {
                            order.expected.push_back(Expected::Unsent(error));
                            order.release(&mut self.ready);
                        }
                    }
                    return true;
                }
            }
        }
    }

    /// Takes what came: results go to whoever asks next, or wait for earlier jobs.
    fn sort_in(&mut self, batch: &Batch) {
        for (start, entry) in batch.iter() {
            let payload = start as usize..entry.end as usize;
            let result = match entry.kind {
                Kind::Value | Kind::Result | Kind::Last => {
                    let result = zero_copy::read(&batch.payload, payload, self.direct.decode);
                    Some(result.map_err(CallError::Decode))
                }
                Kind::Failed => {
                    let failure = batch.payload.slice(payload);
                    let Direct { origin, port, .. } = &*self.direct;
                    Some(Err(CallError::Failed(JobFailed::read(entry.job, &failure, origin, port.as_ref()))))
                }
                Kind::Done | Kind::Returned | Kind::Unbegun | Kind::Void => None,
            };
            let ends = matches!(entry.kind, Kind::Last | Kind::Done | Kind::Failed);
            match &mut self.order {
                None => self.ready.extend(result),
                Some(order) => order.park(entry.job, entry.run(), result, ends),
            }
            if ends {
                self.in_flight -= usize::try_from(entry.run()).unwrap_or(usize::MAX).min(self.in_flight);
            }
        }
        self.direct.port.consumed(batch.cost());
        if let Some(order) = &mut self.order {
            order.release(&mut self.ready);
        }
    }
}

impl<J, R> Order<J, R> {
    fn park(&mut self, first: JobId, run: u64, result: Option<Result<R, CallError<J>>>, ends: bool) {
        if run == 1 {
            let parked = self.parked.entry(first).or_default();
            parked.extend(result);
            debug_assert!(ends || !parked.is_empty());
            return;
        }
        for job in (first.0..).take(usize::try_from(run).unwrap_or(usize::MAX)) {
            self.parked.entry(JobId(job)).or_default();
        }
    }

    /// All of a job's results come in one batch, so a job that is parked is parked whole.
    fn release(&mut self, ready: &mut VecDeque<Result<R, CallError<J>>>) {
        while let Some(expected) = self.expected.pop_front() {
            match expected {
                Expected::Unsent(error) => ready.push_back(Err(CallError::Send(error))),
                Expected::Job(job) => match self.parked.remove(&job) {
                    Some(results) => ready.extend(results),
                    None => {
                        self.expected.push_front(Expected::Job(job));
                        return;
                    }
                },
            }
        }
    }
}

/// Nothing in a map is pinned: inputs are moved into the channel, futures are boxed.
impl<I, J, R> Unpin for Map<I, J, R> {}

impl<I: Iterator<Item = J>, J, R> Stream for Map<I, J, R> {
    type Item = Result<R, CallError<J>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_result(cx)
    }
}

impl<I, J, R> Drop for Map<I, J, R> {
    fn drop(&mut self) {
        // Nobody would see their results.
        if self.in_flight > 0 && !self.is_over {
            self.direct.port.cancel_sink(self.sink.id);
        }
    }
}

impl<I, J, R> fmt::Debug for Map<I, J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
