//! One direction of a connection: bytes on their way, in order, with a latency, a bandwidth and a bound. It keeps order and loses nothing
//! until it is dead. It never looks at its bytes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use distchan_proto::time::Time;

use crate::plan::NetworkPlan;

/// What becomes of bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They arrive.
    Open,
    /// They wait: a network without a way through, over which everything is sent again and again.
    Frozen,
    /// They are lost, and so is everything behind them.
    Dead,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    segments: VecDeque<Segment>,
    /// Bytes on their way, or arrived and not read.
    bytes: usize,
    plan: NetworkPlan,
    /// When the line is free for the next byte.
    free_at: Time,
    /// When the newest segment arrives: none overtakes another.
    newest: Time,
    pub(crate) flow: Flow,
    /// Somebody wanted to write and could not.
    pub(crate) is_wanted: bool,
    /// Bytes that were written, and that were read.
    pub(crate) written: u64,
    pub(crate) read: u64,
}

#[derive(Debug)]
struct Segment {
    at: Time,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    End,
}

/// What a reader gets.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) has_ended: bool,
}

impl Pipe {
    pub(crate) const fn new(plan: NetworkPlan) -> Self {
        Self {
            segments: VecDeque::new(),
            bytes: 0,
            plan,
            free_at: Time::ZERO,
            newest: Time::ZERO,
            flow: Flow::Open,
            is_wanted: false,
            written: 0,
            read: 0,
        }
    }

    /// Whether a writer need not wait.
    pub(crate) const fn has_room(&self) -> bool {
        self.bytes < self.plan.capacity
    }

    /// Takes bytes, which arrive after the line's time, the latency and `extra`. Returns when.
    pub(crate) fn write(&mut self, now: Time, bytes: Bytes, extra: Duration) -> Option<Time> {
        self.written += bytes.len() as u64;
        if self.flow == Flow::Dead {
            // It fills the writer's buffer all the same.
            self.bytes += bytes.len();
            return None;
        }
        let nanos = bytes.len() as u64 * 1_000_000_000 / self.plan.bandwidth;
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos);
        self.bytes += bytes.len();
        Some(self.push(self.free_at + self.plan.latency + extra, Content::Bytes(bytes)))
    }

    /// Nothing more will be written. Returns when that arrives.
    pub(crate) fn end(&mut self, now: Time) -> Option<Time> {
        (self.flow != Flow::Dead).then(|| self.push(self.free_at.max(now) + self.plan.latency, Content::End))
    }

    fn push(&mut self, at: Time, content: Content) -> Time {
        self.newest = self.newest.max(at);
        self.segments.push_back(Segment { at: self.newest, content });
        self.newest
    }

    /// Takes what has arrived.
    pub(crate) fn take(&mut self, now: Time) -> Arrived {
        let mut arrived = Arrived::default();
        if self.flow != Flow::Open {
            return arrived;
        }
        while self.segments.front().is_some_and(|segment| segment.at <= now)
            && let Some(segment) = self.segments.pop_front()
        {
            match segment.content {
                Content::Bytes(bytes) => {
                    self.bytes -= bytes.len();
                    self.read += bytes.len() as u64;
                    arrived.pieces.push(bytes);
                }
                Content::End => arrived.has_ended = true,
            }
        }
        arrived
    }

    /// What is on its way is lost, and so is what will be written.
    pub(crate) fn kill(&mut self) {
        self.flow = Flow::Dead;
        self.segments.clear();
    }

    /// What is on its way is lost; what comes behind it arrives.
    pub(crate) fn forget(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    pub(crate) fn freeze(&mut self) {
        if self.flow == Flow::Open {
            self.flow = Flow::Frozen;
        }
    }

    /// The way is free again. Returns when what waited arrives.
    pub(crate) fn thaw(&mut self, now: Time) -> Vec<Time> {
        if self.flow != Flow::Frozen {
            return Vec::new();
        }
        self.flow = Flow::Open;
        let soonest = now + self.plan.latency;
        self.newest = self.newest.max(soonest);
        let arrive = |segment: &mut Segment| {
            segment.at = segment.at.max(soonest);
            segment.at
        };
        let mut times: Vec<Time> = self.segments.iter_mut().map(arrive).collect();
        times.dedup();
        times
    }
}
