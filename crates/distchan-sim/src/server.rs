//! The server's host: drives its machine by the drain rule, and plays its user, who sends jobs and reads results at a pace of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BytesMut;
use distchan_proto::Direction;
use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelId, ConnectionId, JobId};
use distchan_proto::limits;
use distchan_proto::server::{ChannelOptions, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use rand::{Rng, RngExt};

use crate::network::Link;
use crate::oracle::{Oracle, Verdict};
use crate::plan::{ChannelPlan, Plan};
use crate::trace::Trace;

/// The words of a timeout that a stalled worker may bring about.
pub(crate) const HANDSHAKE_TIMEOUT: &str = "the handshake was not finished";

/// The server and its user.
#[derive(Debug)]
pub struct ServerHost {
    /// The machine.
    pub machine: ServerMachine,
    channels: Vec<ServerChannel>,
    inputs: BTreeMap<ConnectionId, BytesMut>,
    /// Connections that the machine has named as having something to write.
    writable: BTreeSet<ConnectionId>,
}

#[derive(Debug)]
struct ServerChannel {
    plan: ChannelPlan,
    id: Option<ChannelId>,
    /// Jobs that the user has sent.
    sent: u64,
    /// ... of which these wait until a worker is hungry.
    queued: VecDeque<Batch>,
    unread: u64,
    /// Whether the user has closed it, and whether the machine knows.
    is_closed: bool,
    is_told: bool,
}

impl ServerHost {
    /// A server with none of its channels open.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let config = ServerConfig { signature: "sim".to_owned(), epoch: plan.seed };
        let channel = |plan: &ChannelPlan| ServerChannel {
            plan: plan.clone(),
            id: None,
            sent: 0,
            queued: VecDeque::new(),
            unread: 0,
            is_closed: false,
            is_told: false,
        };
        Self {
            machine: ServerMachine::new(config),
            channels: plan.channels.iter().map(channel).collect(),
            inputs: BTreeMap::new(),
            writable: BTreeSet::new(),
        }
    }

    /// Opens a channel, if it is not open.
    ///
    /// # Errors
    /// Its name is taken.
    pub fn open(&mut self, now: Time, index: usize) -> Verdict {
        let Some(channel) = self.channels.get_mut(index).filter(|channel| channel.id.is_none()) else {
            return Ok(());
        };
        let options = ChannelOptions { ordered: channel.plan.ordered, credit: channel.plan.credit };
        let opened = self.machine.open_channel(now, channel.plan.spec(), options);
        channel.id = Some(opened.map_err(|_| format!("{} is taken", channel.plan.name))?);
        Ok(())
    }

    /// The user sends a few jobs, or closes the channel behind the last one.
    pub fn send(&mut self, index: usize, oracle: &Oracle, rng: &mut impl Rng) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let is_full = channel.queued.len() > 20;
        if channel.id.is_none() || channel.is_closed || is_full || channel.plan.direction == Direction::Up {
            return;
        }
        if channel.sent == channel.plan.jobs {
            channel.is_closed = true;
            return;
        }
        let count = rng.random_range(1..=20).min(channel.plan.jobs - channel.sent);
        let mut batch = OpenBatch::default();
        for _ in 0..count {
            channel.sent += 1;
            let job = JobId(channel.sent);
            batch.payload.extend_from_slice(&oracle.payload(index, job));
            batch.push(Kind::Value, JobId(0), Attempt::FIRST, oracle.sink(index, job).0);
        }
        channel.queued.push_back(batch.take());
    }

    /// The user reads what was released on a channel.
    pub fn read_results(&mut self, index: usize) {
        if let Some(channel) = self.channels.get_mut(index)
            && let Some(id) = channel.id
            && channel.unread > 0
        {
            self.machine.consumed(id, std::mem::take(&mut channel.unread));
        }
    }

    /// The drain rule, 1 and 2, and the first half of 3.
    ///
    /// # Errors
    /// Something came up that must not.
    pub fn drain(&mut self, oracle: &mut Oracle, trace: &mut Trace) -> Verdict {
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.note(event, oracle, trace)?;
            }
            let mut is_done = true;
            for channel in &mut self.channels {
                let Some(id) = channel.id else { continue };
                while self.machine.is_hungry(id)
                    && let Some(batch) = channel.queued.pop_front()
                {
                    self.machine.submit(id, &batch);
                }
                if channel.is_closed && channel.queued.is_empty() && !channel.is_told {
                    channel.is_told = true;
                    self.machine.close(id);
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }
        while let Some(connection) = self.machine.poll_ready() {
            self.writable.insert(connection);
        }
        Ok(())
    }

    fn note(&mut self, event: ServerEvent, oracle: &mut Oracle, trace: &mut Trace) -> Verdict {
        match event {
            ServerEvent::Results { channel, sink, batch } => {
                let index = self.index_of(channel)?;
                trace.note("released", index as u64, batch.entries.len() as u64);
                trace.bytes(&batch.payload);
                if let Some(channel) = self.channels.get_mut(index) {
                    channel.unread += batch.cost();
                }
                oracle.released(index, sink, &batch)
            }
            ServerEvent::Finished { channel } => {
                let index = self.index_of(channel)?;
                trace.note("finished", index as u64, 0);
                oracle.finished(index)
            }
            ServerEvent::Refused { code: Code::UnknownChannel, .. } => Ok(()),
            ServerEvent::Refused { reason, .. } if reason.starts_with(HANDSHAKE_TIMEOUT) => Ok(()),
            ServerEvent::Refused { connection, reason, .. } => {
                Err(format!("the server refused an honest worker on connection {connection}: {reason}"))
            }
            _ => Ok(()),
        }
    }

    fn index_of(&self, id: ChannelId) -> Result<usize, String> {
        self.channels
            .iter()
            .position(|channel| channel.id == Some(id))
            .ok_or_else(|| format!("no channel {id}"))
    }

    /// Writes to a connection what its pipe has room for: the drain rule, 3. Whether anything happened.
    pub fn write(&mut self, now: Time, id: ConnectionId, link: &mut Link, trace: &mut Trace) -> bool {
        if !self.writable.contains(&id) || !link.down.has_room() {
            return false;
        }
        let mut out = Vec::new();
        self.machine.poll_transmit(now, id, &mut out);
        trace.bytes(&out);
        link.down.write(&out);
        if out.is_empty() {
            self.writable.remove(&id);
            if self.machine.is_closing(id) {
                link.down.end();
                self.closed(id, "written");
            }
        }
        true
    }

    /// Reads up to `most` bytes of a connection, or notices its end. Whether anything happened.
    pub fn read(&mut self, now: Time, id: ConnectionId, link: &mut Link, most: usize) -> bool {
        if !link.up.is_readable() {
            return false;
        }
        if link.up.is_over() {
            self.closed(id, "the connection has ended");
            link.down.end();
            return true;
        }
        let input = self.inputs.entry(id).or_default();
        input.extend_from_slice(&link.up.read(most));
        self.machine.handle_input(now, id, input);
        true
    }

    /// The transport of a connection is gone.
    pub fn closed(&mut self, id: ConnectionId, reason: &str) {
        self.inputs.remove(&id);
        self.machine.handle_closed(id, reason);
    }

    /// What must hold at any time.
    ///
    /// # Errors
    /// A bound was exceeded, or somebody honest was refused.
    pub fn check(&self, workers: usize) -> Verdict {
        for channel in &self.channels {
            let Some(id) = channel.id else { continue };
            let stats = self.machine.stats(id);
            if stats.refused_answers > 0 {
                return Err(format!(
                    "{} answers of honest workers refused on {}",
                    stats.refused_answers, channel.plan.name
                ));
            }
            let most = limits::MAX_UNREAD_RESULTS + 2 * limits::ANSWER_WINDOW * workers as u64;
            if stats.unread_bytes > most {
                return Err(format!("{} bytes unread on {}", stats.unread_bytes, channel.plan.name));
            }
        }
        Ok(())
    }

    /// What must hold at the end.
    ///
    /// # Errors
    /// Something is left behind.
    pub fn check_end(&self) -> Verdict {
        self.check(0)?;
        for channel in &self.channels {
            let Some(id) = channel.id else { continue };
            let stats = self.machine.stats(id);
            let left = [
                stats.queued,
                stats.in_flight,
                stats.kept_bytes,
                stats.held_bytes,
                stats.unread_bytes,
                stats.workers,
            ];
            if left != [0; 6] {
                return Err(format!("{} leaves something behind: {stats:?}", channel.plan.name));
            }
            let ended = stats.completed + stats.failed;
            if channel.plan.direction == Direction::Jobs
                && (stats.submitted, ended) != (channel.plan.jobs, channel.plan.jobs)
            {
                return Err(format!("{} was not done: {stats:?}", channel.plan.name));
            }
        }
        if !self.machine.workers().is_empty() || self.machine.poll_timeout().is_some() {
            return Err("a worker or a timer is left behind".to_owned());
        }
        Ok(())
    }
}
