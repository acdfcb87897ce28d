//! One server and many workers, joined in memory under virtual time. A seed chooses who reads or writes next and how many bytes
//! arrive at once; every machine is driven as `pump` has it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::error::Code;
use distchan_proto::failure::Failure;
use distchan_proto::ids::{Attempt, ChannelId, ChannelNo, ConnectionId, JobId, SinkId};
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::server::{ChannelOptions, Loss, ServerConfig, ServerMachine};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerMachine};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::node::Node;

/// A job's end, as the server's receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) job: JobId,
    pub(crate) results: Vec<Vec<u8>>,
    /// The last attempt's reason, where its handler failed.
    pub(crate) failure: Option<String>,
    /// All that is told, where it was not completed.
    pub(crate) story: Option<Failure>,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) now: Time,
    pub(crate) server: ServerMachine,
    pub(crate) nodes: Vec<Node>,
    /// How many bytes arrive at once, at most.
    pub(crate) chunk: usize,
    /// What [`Cluster::come_back`] makes connections over.
    pub(crate) guards_bytes: bool,
    /// Whether the server's user takes results as they come.
    pub(crate) consumes: bool,
    /// Released results that the user has not taken, by channel.
    pub(crate) unconsumed: BTreeMap<ChannelId, u64>,
    pub(crate) outcomes: BTreeMap<(ChannelId, SinkId), Vec<Outcome>>,
    /// Values from workers.
    pub(crate) values: Vec<Vec<u8>>,
    pub(crate) finished: Vec<ChannelId>,
    pub(crate) refused: Vec<(Option<String>, Code, String)>,
    pub(crate) gone: Vec<String>,
    pub(crate) waiting: BTreeMap<ChannelId, VecDeque<Submission>>,
    pub(crate) closing: BTreeSet<ChannelId>,
    /// Sessions whose worker went away, and came back.
    pub(crate) away: Vec<String>,
    pub(crate) back: usize,
    /// Connections that only the server still believes in, and what it wrote to them since.
    pub(crate) lingering: BTreeMap<ConnectionId, Vec<u8>>,
    /// The server's process does nothing at all.
    pub(crate) is_stopped: bool,
    /// Connections with something to write.
    pub(crate) writable: BTreeSet<ConnectionId>,
    pub(crate) rng: ChaCha8Rng,
}

impl Cluster {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, config(7))
    }

    pub(crate) fn with(seed: u64, config: ServerConfig) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let chunk = [1, 13, 1000, 100_000][rng.random_range(0..4)];
        Self {
            now: Time::ZERO,
            server: ServerMachine::new(config),
            nodes: Vec::new(),
            chunk,
            guards_bytes: false,
            consumes: true,
            unconsumed: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            values: Vec::new(),
            finished: Vec::new(),
            refused: Vec::new(),
            gone: Vec::new(),
            waiting: BTreeMap::new(),
            closing: BTreeSet::new(),
            away: Vec::new(),
            back: 0,
            lingering: BTreeMap::new(),
            is_stopped: false,
            writable: BTreeSet::new(),
            rng,
        }
    }

    /// Opens a channel of strings on the server.
    pub(crate) fn channel(&mut self, name: &str) -> ChannelId {
        self.channel_with(spec(name), ChannelOptions::default())
    }

    pub(crate) fn channel_with(&mut self, spec: ChannelSpec, options: ChannelOptions) -> ChannelId {
        let id = self.server.open_channel(self.now, spec, options).unwrap();
        self.drain();
        id
    }

    /// Connects a worker and returns its index.
    pub(crate) fn connect(&mut self) -> usize {
        self.connect_as(WorkerConfig { signature: "app".into(), name: format!("w{}", self.nodes.len()) })
    }

    pub(crate) fn connect_as(&mut self, config: WorkerConfig) -> usize {
        let mut machine = WorkerMachine::new(config);
        machine.handle_connected(self.now, "");
        let connection = self.server.accept(self.now, "");
        self.nodes.push(Node::new(machine, connection));
        self.nodes.len() - 1
    }

    /// Connects `count` workers that open `name`, one after the other.
    pub(crate) fn join(&mut self, count: usize, name: &str) {
        for _ in 0..count {
            let index = self.connect();
            let no = self.nodes[index].machine.open(spec(name), OpenOptions::default()).unwrap();
            self.settle();
            assert!(self.nodes[index].opened.contains_key(&no), "{:?}", self.nodes[index].refused);
        }
    }

    /// Sends one job; it waits in the driver's queue until a worker is hungry.
    pub(crate) fn send(&mut self, channel: ChannelId, value: &[u8]) {
        self.send_to(channel, SinkId::RECEIVER, value);
    }

    pub(crate) fn send_to(&mut self, channel: ChannelId, sink: SinkId, value: &[u8]) {
        let mut batch = OpenBatch::default();
        batch.payload.own().extend_from_slice(value);
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, sink.0);
        self.waiting.entry(channel).or_default().push_back(batch.take());
        self.drain();
    }

    /// Closes a channel once everything that waits was submitted, as a driver does.
    pub(crate) fn close(&mut self, channel: ChannelId) {
        self.closing.insert(channel);
        self.drain();
    }

    /// Cuts a connection at whatever byte it is at; bytes on the way are lost.
    pub(crate) fn cut(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        (node.is_open, node.server_is_open) = (false, false);
        node.up.clear();
        node.down.clear();
        node.hang_up("cut");
        self.server.handle_closed(self.now, node.connection, Loss::Broken, "cut");
        self.drain();
    }

    /// The user takes everything that was released.
    pub(crate) fn consume_all(&mut self) {
        for (channel, cost) in std::mem::take(&mut self.unconsumed) {
            self.server.consumed(channel, cost);
        }
        self.drain();
    }

    /// Runs until nothing happens any more at this point in time.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// Runs up to `steps` steps; false where there was nothing left to do.
    pub(crate) fn steps(&mut self, steps: usize) -> bool {
        (0..steps).all(|_| self.step())
    }

    /// Settles with everybody at work, until nothing happens any more.
    pub(crate) fn work(&mut self) {
        loop {
            self.settle();
            if self.nodes.iter().all(|node| node.inbox.is_empty()) {
                return;
            }
            self.nodes.iter_mut().for_each(Node::echo);
        }
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let ticks = |node: &&Node| node.is_open && !node.is_stopped;
            let timers = self.nodes.iter().filter(ticks).map(|node| node.machine.poll_timeout());
            let of_server = self.server.poll_timeout().filter(|_| !self.is_stopped);
            let next = timers.chain([of_server]).flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if !self.is_stopped {
                self.server.handle_timeout(self.now);
            }
            for node in self.nodes.iter_mut().filter(|node| node.is_open && !node.is_stopped) {
                node.machine.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    /// The outcomes that a channel's own receiver has seen.
    pub(crate) fn seen(&self, channel: ChannelId) -> &[Outcome] {
        self.outcomes.get(&(channel, SinkId::RECEIVER)).map_or(&[], Vec::as_slice)
    }
}

/// A server of this run.
pub(crate) fn config(epoch: u64) -> ServerConfig {
    ServerConfig { signature: "app".into(), epoch, ..ServerConfig::default() }
}

/// A channel of strings, jobs out and results back.
pub(crate) fn spec(name: &str) -> ChannelSpec {
    ChannelSpec {
        name: name.into(),
        direction: Direction::Jobs,
        codec: "plain".into(),
        job: Schema::of::<String>(false),
        result: Schema::of::<String>(false),
        compressors: Vec::new(),
        transform: None,
        max_value: limits::DEFAULT_MAX_VALUE,
    }
}

/// The first channel of every worker here.
pub(crate) const NO: ChannelNo = ChannelNo(1);
