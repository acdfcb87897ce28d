//! A worker in a cluster: its machine, its inbox, and what its user does with the jobs. It never touches the other end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo, ConnectionId, JobId, SessionId};
use distchan_proto::worker::{WorkerEvent, WorkerMachine};

use crate::reader::Reader;

/// A job in a worker's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) no: ChannelNo,
    pub(crate) id: JobId,
    pub(crate) attempt: Attempt,
    pub(crate) bytes: Vec<u8>,
    /// What was left until its deadline when the server wrote it.
    pub(crate) left: Option<Duration>,
}

/// What a worker does once its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It makes no other.
    GivesUp,
    /// It makes another one when the test says so.
    Waits,
    /// It makes another one at once.
    Reconnects,
}

/// What a worker was told of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Welcomed {
    pub(crate) session: SessionId,
    pub(crate) epoch: u64,
    pub(crate) resumed: bool,
}

/// A worker with its connection.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) machine: WorkerMachine,
    pub(crate) connection: ConnectionId,
    /// Bytes on their way to the server, and to this worker.
    pub(crate) up: VecDeque<u8>,
    pub(crate) down: VecDeque<u8>,
    /// What has arrived and is not yet a whole frame.
    pub(crate) reader: Reader,
    pub(crate) server_reader: Reader,
    /// Whether each end still has its transport.
    pub(crate) is_open: bool,
    pub(crate) server_is_open: bool,
    /// Whether this worker reads from its transport.
    pub(crate) reads: bool,
    /// What this worker sees of its connections' ends, and what the server sees.
    pub(crate) routes: (String, String),
    pub(crate) after: After,
    /// So many bytes still arrive, both ways together, then the connection is cut. One for each connection, in turn.
    pub(crate) fuses: VecDeque<usize>,
    /// So many frames are still written in peace; then a bit of the next one changes.
    pub(crate) damage: VecDeque<usize>,
    /// How many bytes have arrived so far, both ways together.
    pub(crate) arrived: usize,
    /// What this side writes vanishes, and the end of its stream too.
    pub(crate) is_mute: bool,
    pub(crate) server_is_mute: bool,
    /// This worker's process does nothing at all.
    pub(crate) is_stopped: bool,
    /// How many bytes may arrive for now, up and down.
    pub(crate) budget: Option<(usize, usize)>,
    pub(crate) welcomed: Vec<Welcomed>,
    pub(crate) disconnected: Vec<String>,
    pub(crate) was_reset: Vec<ChannelNo>,
    pub(crate) lost_values: Vec<ChannelNo>,
    /// Every delivery that came.
    pub(crate) delivered: Vec<(ChannelNo, JobId, Attempt)>,
    pub(crate) inbox: VecDeque<Job>,
    /// Deliveries that nobody wants any more, as this worker was told.
    pub(crate) cancelled: Vec<(JobId, Attempt)>,
    /// Answers that wait until the machine wants them.
    answers: BTreeMap<ChannelNo, VecDeque<Submission>>,
    pub(crate) opened: BTreeMap<ChannelNo, usize>,
    pub(crate) refused: BTreeMap<ChannelNo, (Code, String)>,
    pub(crate) finished: Vec<ChannelNo>,
    /// For each handshake, whether the session of before went on.
    pub(crate) sessions: Vec<bool>,
    pub(crate) resets: u32,
    pub(crate) values_lost: bool,
    pub(crate) closed: Option<(Code, String)>,
}

impl Node {
    pub(crate) fn new(machine: WorkerMachine, connection: ConnectionId) -> Self {
        Self {
            machine,
            connection,
            up: VecDeque::new(),
            down: VecDeque::new(),
            reader: Reader::default(),
            server_reader: Reader::default(),
            is_open: true,
            server_is_open: true,
            reads: true,
            routes: (String::new(), String::new()),
            after: After::GivesUp,
            fuses: VecDeque::new(),
            damage: VecDeque::new(),
            arrived: 0,
            is_mute: false,
            server_is_mute: false,
            is_stopped: false,
            budget: None,
            welcomed: Vec::new(),
            disconnected: Vec::new(),
            was_reset: Vec::new(),
            lost_values: Vec::new(),
            delivered: Vec::new(),
            inbox: VecDeque::new(),
            cancelled: Vec::new(),
            answers: BTreeMap::new(),
            opened: BTreeMap::new(),
            refused: BTreeMap::new(),
            finished: Vec::new(),
            sessions: Vec::new(),
            resets: 0,
            values_lost: false,
            closed: None,
        }
    }

    /// The transport is gone. Who would give up does not where the machine itself has closed this one to have a better one.
    pub(crate) fn hang_up(&mut self, reason: &str) {
        let wants_another = self.machine.is_closing() && !self.machine.is_over();
        self.machine.handle_disconnected(reason);
        if self.after == After::GivesUp && !wants_another {
            self.machine.give_up(reason);
        }
        self.drain();
    }

    /// The drain rule of the worker's machine, 1 and 2.
    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                WorkerEvent::Connected { session, epoch, resumed, .. } => {
                    if !resumed {
                        self.opened.clear();
                    }
                    self.sessions.push(resumed);
                    self.welcomed.push(Welcomed { session, epoch, resumed });
                }
                WorkerEvent::Disconnected { reason } => self.disconnected.push(reason),
                WorkerEvent::Reset { no } => {
                    // What a driver does: nothing that came, or waits to be said, counts any more.
                    self.inbox.retain(|job| job.no != no);
                    self.answers.remove(&no);
                    self.was_reset.push(no);
                    self.resets += 1;
                }
                WorkerEvent::ValuesLost { no } => {
                    self.lost_values.push(no);
                    self.values_lost = true;
                }
                WorkerEvent::Opened { no, max_value } => {
                    assert!(self.opened.insert(no, max_value).is_none(), "a channel opens once");
                }
                WorkerEvent::Refused { no, code, reason } => {
                    assert!(self.refused.insert(no, (code, reason)).is_none(), "a channel is refused once");
                }
                WorkerEvent::Jobs { no, batch } => {
                    self.delivered.extend(batch.iter().map(|(_, entry)| (no, entry.job, entry.attempt)));
                    let left: BTreeMap<u32, Duration> = batch.deadlines.iter().copied().collect();
                    self.inbox.extend((0..).zip(batch.iter()).map(|(index, (start, entry))| Job {
                        no,
                        id: entry.job,
                        attempt: entry.attempt,
                        bytes: batch.payload[start as usize..entry.end as usize].to_vec(),
                        left: left.get(&index).copied(),
                    }));
                }
                WorkerEvent::Cancelled { job, further, attempt, .. } => {
                    let jobs = (job.0..=job.0 + u64::from(further)).map(JobId);
                    self.cancelled.extend(jobs.map(|job| (job, attempt)));
                }
                WorkerEvent::Finished { no } => {
                    let is_wanted = |job: &Job| !self.cancelled.contains(&(job.id, job.attempt));
                    let has_more = self.inbox.iter().any(|job| job.no == no && is_wanted(job));
                    assert!(!has_more, "finished with a job in hand");
                    self.finished.push(no);
                }
                WorkerEvent::Closed { code, reason } => {
                    assert!(self.closed.is_none(), "a connection closes once");
                    self.closed = Some((code, reason));
                }
                _ => {}
            }
        }
        for (no, waiting) in &mut self.answers {
            while self.machine.wants(*no)
                && let Some(batch) = waiting.pop_front()
            {
                self.machine.submit(*no, batch);
            }
        }
    }

    /// Hands over answers (or, on a channel from the workers, values) when the machine wants them.
    pub(crate) fn answer(&mut self, no: ChannelNo, batch: Submission) {
        self.answers.entry(no).or_default().push_back(batch);
        self.drain();
    }

    /// Leaves a channel: what waits is submitted first, for the machine sends what it has before it leaves.
    pub(crate) fn leave(&mut self, no: ChannelNo) {
        for batch in self.answers.remove(&no).unwrap_or_default() {
            self.machine.submit(no, batch);
        }
        self.machine.leave(no);
    }

    /// Leaves everything, and says goodbye.
    pub(crate) fn close(&mut self) {
        for no in self.answers.keys().copied().collect::<Vec<_>>() {
            self.leave(no);
        }
        self.machine.close();
    }

    /// How many batches of answers wait for credit.
    pub(crate) fn held_back(&self) -> usize {
        self.answers.values().map(VecDeque::len).sum()
    }

    /// Completes a job with these results.
    pub(crate) fn complete(&mut self, job: &Job, results: &[&[u8]]) {
        let mut batch = OpenBatch::default();
        let Some((last, earlier)) = results.split_last() else {
            return self.end(job, Kind::Done, b"");
        };
        for result in earlier {
            batch.payload.own().extend_from_slice(result);
            batch.push(Kind::Result, job.id, job.attempt, 0);
        }
        batch.payload.own().extend_from_slice(last);
        batch.push(Kind::Last, job.id, job.attempt, 0);
        self.answer(job.no, batch.take());
    }

    /// Sends one entry about a job: a result, its failure, its return.
    pub(crate) fn end(&mut self, job: &Job, kind: Kind, payload: &[u8]) {
        self.answer(job.no, one(job, kind, payload));
    }

    /// Whether this worker is about to make another connection by itself.
    pub(crate) fn will_reconnect(&self) -> bool {
        self.after == After::Reconnects && !self.is_open && !self.is_stopped && !self.machine.is_over()
    }

    /// How many bytes may arrive now, of `count`; counts them.
    pub(crate) fn pass(&mut self, count: usize, is_up: bool) -> usize {
        let mut count = self.fuses.front().map_or(count, |left| count.min(*left));
        if let Some((up, down)) = &mut self.budget {
            let budget = if is_up { up } else { down };
            count = count.min(*budget);
            *budget -= count;
        }
        if let Some(left) = self.fuses.front_mut() {
            *left -= count;
        }
        self.arrived += count;
        count
    }

    /// Changes a bit of what is written, where that is due: never of a preamble, and never of a length, or its reader would wait for
    /// the rest in silence.
    pub(crate) fn damage(&mut self, mut out: Vec<u8>, bit: usize) -> Vec<u8> {
        let mut at = if out.starts_with(b"distchan") { 12 } else { 0 };
        while at < out.len()
            && let Some(left) = self.damage.front_mut()
        {
            let length = u32::from_le_bytes(out[at..at + 4].try_into().unwrap()) as usize;
            if *left > 0 || self.welcomed.is_empty() {
                *left = left.saturating_sub(1);
            } else {
                let bit = bit % ((8 + length) * 8);
                out[at + 4 + bit / 8] ^= 1 << (bit % 8);
                self.damage.pop_front();
            }
            at += 12 + length;
        }
        out
    }

    /// Takes everything out of the inbox.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        self.inbox.drain(..).collect()
    }

    /// Completes everything in the inbox: the result is the job's bytes with a `!`.
    pub(crate) fn echo(&mut self) {
        for job in self.take_jobs() {
            self.complete(&job, &[&[&job.bytes, &b"!"[..]].concat()]);
        }
    }
}

/// A batch of one entry.
pub(crate) fn one(job: &Job, kind: Kind, payload: &[u8]) -> Submission {
    let mut batch = OpenBatch::default();
    batch.payload.own().extend_from_slice(payload);
    batch.push(kind, job.id, job.attempt, 0);
    batch.take()
}
