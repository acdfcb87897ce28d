//! A worker's host: drives its machine by the drain rule, and plays its user, who works on the jobs in any order, sends results one
//! by one or together, gives jobs back, leaves and comes again.

mod channel;

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo, ConnectionId, JobId};
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};
use rand::{Rng, RngExt};

use crate::faults::Faults;
use crate::network::Link;
use crate::oracle::{Oracle, Verdict};
use crate::plan::Plan;
use crate::server::HANDSHAKE_TIMEOUT;
use crate::trace::Trace;
use crate::worker::channel::WorkerChannel;

/// One life of a worker: from a connection to its end.
#[derive(Debug)]
pub struct WorkerHost {
    /// The machine.
    pub machine: WorkerMachine,
    /// Its connection.
    pub connection: ConnectionId,
    /// Whether it reads.
    pub is_stalled: bool,
    number: u64,
    input: BytesMut,
    channels: BTreeMap<ChannelNo, WorkerChannel>,
    /// Values sent unasked, by channel.
    values: BTreeMap<usize, u64>,
    is_leaving: bool,
    is_over: bool,
}

impl WorkerHost {
    /// A worker whose connection has just been made.
    #[must_use]
    pub fn new(now: Time, number: u64, connection: ConnectionId) -> Self {
        let config = WorkerConfig { signature: "sim".to_owned(), name: format!("life-{number}") };
        Self {
            machine: WorkerMachine::new(now, config),
            connection,
            is_stalled: false,
            number,
            input: BytesMut::new(),
            channels: BTreeMap::new(),
            values: BTreeMap::new(),
            is_leaving: false,
            is_over: false,
        }
    }

    /// Opens the channels that are not open, each with some probability.
    pub fn open_some(&mut self, plan: &Plan, rng: &mut impl Rng) {
        for (index, channel) in plan.channels.iter().enumerate() {
            if self.channels.values().any(|open| open.index == index) || rng.random_bool(0.3) {
                continue;
            }
            let options = OpenOptions {
                concurrency: rng.random_range(1..4),
                max_jobs: rng.random_range(1..50),
                max_bytes: [0, 100, 100_000][rng.random_range(0..3)],
                ..OpenOptions::default()
            };
            let Some(no) = self.machine.open(channel.spec(), options) else {
                return;
            };
            let channel = WorkerChannel {
                index,
                direction: channel.direction,
                options,
                credit: channel.credit.unwrap_or(u32::MAX),
                is_open: false,
                is_drained: false,
                inbox: Vec::new(),
                answers: OpenBatch::default(),
                full: VecDeque::new(),
            };
            self.channels.insert(no, channel);
        }
    }

    /// The user leaves one channel; what waits is submitted first.
    pub fn leave_channel(&mut self, rng: &mut impl Rng) {
        if let Some(no) = self.choose(rng) {
            self.leave_one(no);
        }
    }

    fn leave_one(&mut self, no: ChannelNo) {
        if let Some(mut channel) = self.channels.remove(&no) {
            channel.full.push_back(channel.answers.take());
            for batch in channel.full {
                self.machine.submit(no, batch);
            }
            self.machine.leave(no);
        }
    }

    /// The user wants no further jobs of one channel.
    pub fn drain_channel(&mut self, rng: &mut impl Rng) {
        if let Some(no) = self.choose(rng) {
            self.machine.drain(no);
            if let Some(channel) = self.channels.get_mut(&no).filter(|channel| channel.is_open) {
                channel.is_drained = true;
            }
        }
    }

    fn choose(&self, rng: &mut impl Rng) -> Option<ChannelNo> {
        let most = self.channels.len().max(1);
        self.channels.keys().nth(rng.random_range(0..most)).copied()
    }

    /// The user leaves altogether.
    pub fn leave(&mut self, rng: &mut impl Rng) {
        if !std::mem::replace(&mut self.is_leaving, true) {
            while !self.channels.is_empty() {
                self.leave_channel(rng);
            }
            self.machine.close();
            self.is_stalled = false;
        }
    }

    /// The user leaves the channels that it drained and has no jobs of: it may open them again.
    pub fn leave_drained(&mut self) {
        let is_done = |channel: &WorkerChannel| channel.is_drained && channel.inbox.is_empty();
        let done: Vec<ChannelNo> =
            self.channels.iter().filter(|(_, channel)| is_done(channel)).map(|(no, _)| *no).collect();
        for no in done {
            self.leave_one(no);
        }
    }

    /// Whether the user is leaving.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// The user works: one step of one job, or a value unasked. Whether there was anything to do.
    pub fn act(&mut self, plan: &Plan, faults: &Faults, oracle: &Oracle, rng: &mut impl Rng) -> bool {
        let open: Vec<ChannelNo> = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.has_work(plan, &self.values))
            .map(|(no, _)| *no)
            .collect();
        if open.is_empty() {
            return false;
        }
        let no = open[rng.random_range(0..open.len())];
        let Some(channel) = self.channels.get_mut(&no) else {
            return false;
        };
        if channel.direction == Direction::Up {
            let next = self.values.entry(channel.index).or_default();
            channel.answers.payload.extend_from_slice(&Oracle::value_of(self.number, *next));
            channel.answers.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
            *next += 1;
        } else {
            channel.work(faults, oracle, rng);
        }
        if channel.answers.is_full() || rng.random_bool(0.5) {
            channel.full.push_back(channel.answers.take());
        }
        true
    }

    /// The drain rule, 1 and 2.
    ///
    /// # Errors
    /// Something came up that must not.
    pub fn drain(&mut self, oracle: &Oracle, trace: &mut Trace) -> Verdict {
        while let Some(event) = self.machine.poll_event() {
            self.note(event, oracle, trace)?;
        }
        for (no, channel) in &mut self.channels {
            while self.machine.wants(*no) {
                if channel.full.is_empty() && !channel.answers.is_empty() {
                    channel.full.push_back(channel.answers.take());
                }
                let Some(batch) = channel.full.pop_front() else {
                    break;
                };
                self.machine.submit(*no, batch);
            }
        }
        Ok(())
    }

    fn note(&mut self, event: WorkerEvent, oracle: &Oracle, trace: &mut Trace) -> Verdict {
        match event {
            WorkerEvent::Opened { no, .. } => {
                if let Some(channel) = self.channels.get_mut(&no) {
                    channel.is_open = true;
                }
                Ok(())
            }
            WorkerEvent::Refused { no, code: Code::UnknownChannel, .. } => {
                self.channels.remove(&no);
                Ok(())
            }
            WorkerEvent::Refused { reason, .. } => {
                Err(format!("worker {} was refused: {reason}", self.number))
            }
            WorkerEvent::Jobs { no, batch } => {
                trace.note("jobs", self.number, batch.entries.len() as u64);
                self.channels.get_mut(&no).map_or(Ok(()), |channel| channel.receive(&batch, oracle))
            }
            WorkerEvent::Finished { no } => {
                let Some(channel) = self.channels.get(&no) else {
                    return Ok(());
                };
                if !channel.inbox.is_empty() {
                    return Err(format!("worker {} has jobs of a finished channel", self.number));
                }
                oracle.told_finished(channel.index)
            }
            WorkerEvent::Closed { code, reason } => {
                self.is_over = true;
                trace.note("closed", self.number, code as u64);
                match code {
                    Code::Normal if self.is_leaving => self
                        .values
                        .iter()
                        .try_for_each(|(channel, count)| oracle.values_done(*channel, self.number, *count)),
                    Code::Other => Ok(()),
                    _ if reason.starts_with(HANDSHAKE_TIMEOUT) => Ok(()),
                    _ => Err(format!("worker {} was closed: {reason}", self.number)),
                }
            }
            _ => Ok(()),
        }
    }

    /// Writes what the pipe has room for: the drain rule, 3. `None` when this life is over.
    pub fn write(&mut self, now: Time, link: &mut Link, trace: &mut Trace) -> Option<bool> {
        if !link.up.has_room() {
            return Some(false);
        }
        let mut out = Vec::new();
        self.machine.poll_transmit(now, &mut out);
        trace.bytes(&out);
        link.up.write(&out);
        if out.is_empty() && self.machine.is_closing() {
            self.machine.handle_closed("written");
            link.up.end();
            return None;
        }
        Some(!out.is_empty())
    }

    /// Reads up to `most` bytes. `None` when the connection has ended.
    pub fn read(&mut self, now: Time, link: &mut Link, most: usize) -> Option<bool> {
        if self.is_stalled || !link.down.is_readable() {
            return Some(false);
        }
        if link.down.is_over() {
            self.machine.handle_closed("the connection has ended");
            link.up.end();
            return None;
        }
        self.input.extend_from_slice(&link.down.read(most));
        self.machine.handle_input(now, &mut self.input);
        Some(true)
    }
}
