//! An honest worker: its machine, its connection's bytes, and the jobs in its hand. It answers each delivery once, or leaves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::Direction;
use distchan_proto::batch::{Batch, Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, ChannelNo, ConnectionId, JobId};
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::operations::lane::{self, Lane};
use crate::script::Script;

#[derive(Clone, Debug)]
struct Job {
    no: ChannelNo,
    id: JobId,
    attempt: Attempt,
    payload: Vec<u8>,
    is_begun: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) machine: WorkerMachine,
    pub(super) connection: ConnectionId,
    pub(super) route: &'static str,
    /// Bytes on their way, and those that have arrived and are not yet a whole frame.
    pub(super) up: BytesMut,
    pub(super) down: BytesMut,
    pub(super) input: BytesMut,
    pub(super) server_input: BytesMut,
    /// Whether each end has its transport.
    pub(super) is_open: bool,
    pub(super) server_is_open: bool,
    /// Somebody has lied to it: what it does from now on proves nothing.
    pub(super) is_deceived: bool,
    links: BTreeMap<ChannelNo, usize>,
    inbox: VecDeque<Job>,
    answers: BTreeMap<ChannelNo, VecDeque<Submission>>,
}

impl Node {
    /// One that has not connected.
    pub(super) fn new(name: usize, route: &'static str) -> Self {
        let config = WorkerConfig { signature: "app".into(), name: format!("w{name}") };
        Self {
            machine: WorkerMachine::new(config),
            connection: ConnectionId(0),
            route,
            up: BytesMut::new(),
            down: BytesMut::new(),
            input: BytesMut::new(),
            server_input: BytesMut::new(),
            is_open: false,
            server_is_open: false,
            is_deceived: false,
            links: BTreeMap::new(),
            inbox: VecDeque::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn open(&mut self, lane: usize, is_up: bool, options: OpenOptions) {
        if let Some(no) = self.machine.open(lane::spec(lane, is_up), options) {
            self.links.insert(no, lane);
        }
    }

    /// The user does something with a channel, or with its jobs.
    pub(super) fn act(&mut self, script: &mut Script<'_>) {
        let (what, which, count) = (script.byte(), script.below(4), script.below(16) + 1);
        let Some(no) = self.links.keys().nth(which % self.links.len().max(1)).copied() else { return };
        match what % 12 {
            0 | 1 => self.answer(no, count, |job, out| finish(job, out, 1)),
            2 => self.answer(no, count, |job, out| finish(job, out, 3)),
            3 => self.answer(no, count, |job, out| finish(job, out, 0)),
            4 => self.answer(no, 1, |job, out| put(job, out, Kind::Failed, b"it failed")),
            5 => self.answer(no, count, |job, out| put(job, out, Kind::Returned, b"")),
            6 => self.begin(no, count),
            7 => self.machine.drain(no),
            8 => self.leave(no),
            9 => self.send_values(no, count),
            10 => self.answer(no, 1, out_of_turn),
            _ => self.begin(no, 1),
        }
        self.submit();
    }

    /// Leaves everything, and says goodbye.
    pub(super) fn close(&mut self) {
        self.links.keys().copied().collect::<Vec<_>>().into_iter().for_each(|no| self.leave(no));
        self.machine.close();
    }

    /// Completes everything in its hand.
    pub(super) fn answer_all(&mut self) {
        for no in self.links.keys().copied().collect::<Vec<_>>() {
            self.answer(no, usize::MAX, |job, out| finish(job, out, 1));
        }
        self.submit();
    }

    pub(super) fn options(script: &mut Script<'_>) -> OpenOptions {
        let shape = script.byte();
        OpenOptions {
            concurrency: u32::from(shape & 7),
            max_jobs: [65_536, 1, 3, 50][usize::from(shape >> 3 & 3)],
            max_bytes: [8 << 20, 100, 1 << 16, 0][usize::from(shape >> 5 & 3)],
            wait: Duration::from_secs(if shape & 0x80 == 0 { 10 } else { 0 }),
        }
    }

    fn answer(&mut self, no: ChannelNo, count: usize, mut write: impl FnMut(&Job, &mut OpenBatch)) {
        let is_up = self.machine_direction(no) == Some(Direction::Up);
        let mut left = count;
        let mut mine: Vec<Job> = Vec::new();
        self.inbox.retain(|job| {
            let is_taken = job.no == no && left > 0;
            if is_taken {
                left -= 1;
                mine.push(job.clone());
            }
            !is_taken
        });
        // A batch has jobs of one attempt only on the wire: how it is cut is the machine's affair.
        let mut batch = OpenBatch::default();
        mine.iter().for_each(|job| write(job, &mut batch));
        if !batch.is_empty() && !is_up {
            self.answers.entry(no).or_default().push_back(batch.take());
        }
    }

    fn machine_direction(&self, no: ChannelNo) -> Option<Direction> {
        self.links.get(&no).map(|lane| lane::spec(*lane, false).direction)
    }

    fn begin(&mut self, no: ChannelNo, count: usize) {
        for job in self.inbox.iter_mut().filter(|job| job.no == no && !job.is_begun).take(count) {
            job.is_begun = true;
            self.machine.started(no, job.id, job.attempt);
        }
    }

    fn send_values(&mut self, no: ChannelNo, count: usize) {
        if self.links.get(&no) != Some(&2) {
            return;
        }
        let mut batch = OpenBatch::default();
        for index in 0..count {
            batch.payload.own().extend(std::iter::repeat_n(0x11, index * 7));
            batch.push(Kind::Value, JobId(0), Attempt(0), 0);
        }
        self.answers.entry(no).or_default().push_back(batch.take());
    }

    fn leave(&mut self, no: ChannelNo) {
        for batch in self.answers.remove(&no).unwrap_or_default() {
            self.machine.submit(no, batch);
        }
        self.machine.leave(no);
        self.forget(no);
    }

    fn forget(&mut self, no: ChannelNo) {
        self.inbox.retain(|job| job.no != no);
        self.answers.remove(&no);
    }

    /// The drain rule of the worker's machine, 1 and 2.
    pub(super) fn drain(&mut self, lanes: &[Lane]) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                WorkerEvent::Reset { no } => self.forget(no),
                WorkerEvent::ValuesLost { no } | WorkerEvent::Refused { no, .. } => {
                    self.forget(no);
                    self.links.remove(&no);
                }
                WorkerEvent::Jobs { no, batch } => self.receive(no, &batch, lanes),
                WorkerEvent::Recalled { no, count } => self.give_back(no, count),
                _ => {}
            }
        }
        self.submit();
    }

    fn receive(&mut self, no: ChannelNo, batch: &Batch, lanes: &[Lane]) {
        for (start, entry) in batch.iter() {
            let payload = batch.payload[start as usize..entry.end as usize].to_vec();
            if !self.is_deceived {
                let lane = lanes.get(self.links[&no]).expect("it was opened there");
                lane.check_job(entry.job, &payload);
            }
            let job = Job { no, id: entry.job, attempt: entry.attempt, payload, is_begun: false };
            let is_new = self
                .inbox
                .iter()
                .all(|other| (other.no, other.id) != (no, job.id) || other.attempt != job.attempt);
            assert!(is_new || self.is_deceived, "{job:?} came twice");
            self.inbox.push_back(job);
        }
    }

    /// The newest that nobody has begun.
    fn give_back(&mut self, no: ChannelNo, count: u32) {
        let mut batch = OpenBatch::default();
        for _ in 0..count {
            let newest = self.inbox.iter().rposition(|job| job.no == no && !job.is_begun);
            let Some(job) = newest.and_then(|index| self.inbox.remove(index)) else { break };
            put(&job, &mut batch, Kind::Unbegun, b"");
        }
        if !batch.is_empty() {
            self.answers.entry(no).or_default().push_back(batch.take());
        }
    }

    fn submit(&mut self) {
        for (no, waiting) in &mut self.answers {
            while self.machine.wants(*no)
                && let Some(batch) = waiting.pop_front()
            {
                self.machine.submit(*no, batch);
            }
        }
    }

    /// The transport is gone.
    pub(super) fn hang_up(&mut self, lanes: &[Lane]) {
        self.is_open = false;
        self.machine.handle_disconnected("the connection is gone");
        self.drain(lanes);
    }
}

fn put(job: &Job, out: &mut OpenBatch, kind: Kind, payload: &[u8]) {
    lane::put(payload, &mut out.payload);
    out.push(kind, job.id, job.attempt, 0);
}

/// So many results, all of which are the job's bytes with a mark, and the end.
fn finish(job: &Job, out: &mut OpenBatch, results: usize) {
    for left in (0..results).rev() {
        let kind = if left == 0 { Kind::Last } else { Kind::Result };
        put(job, out, kind, &[&job.payload[..], b"!"].concat());
    }
    if results == 0 {
        put(job, out, Kind::Done, b"");
    }
}

/// A result, and the end behind it.
fn out_of_turn(job: &Job, out: &mut OpenBatch) {
    put(job, out, Kind::Result, &[&job.payload[..], b"!"].concat());
    put(job, out, Kind::Done, b"");
}
