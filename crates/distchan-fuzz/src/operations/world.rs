//! Everybody, and what can happen next.

use std::collections::BTreeSet;
use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::carrier::Carrier;
use distchan_proto::ids::{ConnectionId, JobId, SinkId};
use distchan_proto::server::{ChannelOptions, Loss, ServerConfig, ServerMachine};
use distchan_proto::time::Time;

use crate::operations::forge;
use crate::operations::lane::{self, Lane, NAMES};
use crate::operations::node::Node;
use crate::operations::stranger::Stranger;
use crate::script::Script;
use crate::wire;

/// Honest workers, and strangers, at once.
const NODES: usize = 3;
const STRANGERS: usize = 3;

/// What is sent in all, in bytes.
const BYTES: usize = 400_000;

/// What both ends of a direct connection see of it, and what is seen where somebody stands between.
const ROUTES: [&str; 2] = ["a>b", "c>d"];

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Time,
    pub(super) server: ServerMachine,
    pub(super) lanes: Vec<Lane>,
    pub(super) nodes: Vec<Node>,
    pub(super) strangers: Vec<Stranger>,
    /// Connections that only the server still believes in.
    pub(super) lingering: Vec<ConnectionId>,
    pub(super) writable: BTreeSet<ConnectionId>,
    /// Nobody has lied so far, to either side.
    pub(super) is_pure: bool,
    /// The server's user takes results as they come.
    pub(super) reads: bool,
    pub(super) is_up: bool,
    bytes_left: usize,
    options: ChannelOptions,
}

impl World {
    pub(super) fn new(script: &mut Script<'_>) -> Self {
        let how = script.byte();
        let grace = Duration::from_secs(if how & 2 == 0 { 30 } else { 0 });
        let config = ServerConfig { signature: "app".into(), epoch: 7, grace, ..ServerConfig::default() };
        let mut world = Self {
            now: Time::ZERO,
            server: ServerMachine::new(config),
            lanes: Vec::new(),
            nodes: Vec::new(),
            strangers: Vec::new(),
            lingering: Vec::new(),
            writable: BTreeSet::new(),
            is_pure: true,
            reads: true,
            is_up: how & 1 != 0,
            bytes_left: BYTES,
            options: lane::options(script),
        };
        (0..NAMES.len() - usize::from(how & 4 != 0)).for_each(|_| world.open_lane());
        (0..usize::from(how >> 3 & 3)).for_each(|_| world.join());
        world
    }

    /// The next channel is opened.
    pub(super) fn open_lane(&mut self) {
        let index = self.lanes.len();
        if index < NAMES.len() {
            let options = match index {
                1 => self.options,
                2 => ChannelOptions { ordered: self.is_up, ..ChannelOptions::default() },
                _ => ChannelOptions::default(),
            };
            let spec = lane::spec(index, self.is_up);
            let id = self.server.open_channel(self.now, spec.clone(), options).expect("names differ");
            self.lanes.push(Lane::new(u8::try_from(index).expect("four"), id, spec, options));
        }
    }

    /// A new worker, which connects and opens all channels.
    pub(super) fn join(&mut self) {
        let mut node = Node::new(self.nodes.len(), ROUTES[self.nodes.len() & 1]);
        (0..self.lanes.len()).for_each(|lane| node.open(lane, self.is_up, Default::default()));
        self.nodes.push(node);
        self.connect(self.nodes.len() - 1);
    }

    /// A worker that has no connection makes one.
    pub(super) fn connect(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.is_open || node.machine.is_over() {
            return;
        }
        if node.server_is_open {
            self.lingering.push(node.connection);
        }
        node.up.clear();
        node.down.clear();
        node.input.clear();
        node.server_input.clear();
        (node.is_open, node.server_is_open) = (true, true);
        let guards_bytes = guards_bytes(index);
        node.machine.handle_connected(self.now, Carrier { route: node.route, guards_bytes });
        node.connection = self.server.accept(self.now, Carrier { route: ROUTES[0], guards_bytes });
    }

    pub(super) fn step(&mut self, script: &mut Script<'_>) {
        match script.below(32) {
            0..=4 => self.send(script),
            5..=8 => self.with_node(script, |node, script| node.act(script)),
            9 | 10 => self.settle(),
            11 => self.move_some(script),
            12 | 13 => self.pass(script),
            14 => self.come(script),
            15 => self.go(script),
            16 => self.user(script),
            17 => self.open_lane(),
            18 => self.with_node(script, |node, script| {
                let options = Node::options(script);
                node.open(script.below(NAMES.len()), script.byte() & 1 != 0, options);
            }),
            19 | 20 => self.stranger_comes(script),
            21..=26 => self.stranger_speaks(script),
            27 => self.stranger_goes(script),
            28 => self.deceive(script),
            29 => self.lie_for(script),
            30 => self.damage(script),
            _ => self.with_node(script, |node, _| node.answer_all()),
        }
        self.drain();
        for node in &mut self.nodes {
            node.drain(&self.lanes);
        }
    }

    fn with_node(&mut self, script: &mut Script<'_>, act: impl FnOnce(&mut Node, &mut Script<'_>)) {
        let index = script.below(NODES);
        if let Some(node) = self.nodes.get_mut(index) {
            act(node, script);
        }
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let index = script.below(NAMES.len());
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.send(script, &mut self.bytes_left);
        }
    }

    fn move_some(&mut self, script: &mut Script<'_>) {
        let (index, most) = (script.below(NODES), usize::from(script.byte()) + 1);
        if index < self.nodes.len() {
            self.move_bytes(index, most);
        }
    }

    /// Time passes: timer by timer, or at once.
    fn pass(&mut self, script: &mut Script<'_>) {
        const MILLIS: [u64; 16] = [
            1, 5, 10, 11, 50, 100, 250, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 31_000, 60_000,
            3_600_000,
        ];
        let how = script.byte();
        let end = self.now + Duration::from_millis(MILLIS[usize::from(how & 15)]);
        let steps = if how & 16 == 0 { 0 } else { 24 };
        for _ in 0..steps {
            self.settle();
            match self.next_timer().filter(|next| *next <= end) {
                Some(next) => self.at(next),
                None => break,
            }
        }
        self.at(end);
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        let of_nodes = self.nodes.iter().filter(|node| node.is_open).map(|node| node.machine.poll_timeout());
        of_nodes.chain([self.server.poll_timeout()]).flatten().min()
    }

    pub(super) fn at(&mut self, time: Time) {
        self.now = self.now.max(time);
        self.server.handle_timeout(self.now);
        for node in self.nodes.iter_mut().filter(|node| node.is_open) {
            node.machine.handle_timeout(self.now);
        }
        self.drain();
    }

    fn come(&mut self, script: &mut Script<'_>) {
        let index = script.below(NODES);
        if index < self.nodes.len() {
            self.connect(index);
        } else {
            self.join();
        }
    }

    /// A worker's connection breaks, on both ends or one, or its process ends.
    fn go(&mut self, script: &mut Script<'_>) {
        let (index, how) = (script.below(NODES), script.byte());
        let Some(node) = self.nodes.get_mut(index) else { return };
        match how % 6 {
            0 => self.cut(index),
            1 => node.close(),
            2 => node.hang_up(&self.lanes),
            3 if node.server_is_open => {
                node.server_is_open = false;
                let loss = [Loss::Closed, Loss::Broken, Loss::Fault][usize::from(how >> 4) % 3];
                self.server.handle_closed(self.now, node.connection, loss, "it broke");
            }
            4 => {
                // Its process ends: what it had written still arrives.
                let mut ended = Node::new(index, ROUTES[index & 1]);
                std::mem::swap(node, &mut ended);
                if ended.server_is_open {
                    let mut said = ended.server_input;
                    said.extend_from_slice(&ended.up);
                    self.server.handle_input(self.now, ended.connection, &mut said);
                    self.server.handle_closed(self.now, ended.connection, Loss::Closed, "it ended");
                }
            }
            _ => {
                node.machine.give_up("it gives up");
                self.cut(index);
            }
        }
    }

    pub(super) fn cut(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.up.clear();
        node.down.clear();
        node.hang_up(&self.lanes);
        if std::mem::take(&mut node.server_is_open) {
            self.server.handle_closed(self.now, node.connection, Loss::Broken, "cut");
        }
        self.drain();
    }

    /// What the server's user does besides sending.
    fn user(&mut self, script: &mut Script<'_>) {
        let (what, index, job) = (script.byte(), script.below(NAMES.len()), script.byte());
        let Some(lane) = self.lanes.get_mut(index) else { return };
        match what % 16 {
            0..=5 => {
                if let Some(job) = u64::from(job).checked_rem(lane.sent()) {
                    self.server.cancel(self.now, lane.id, JobId(job + 1));
                }
            }
            6 | 7 => self.server.cancel_sink(self.now, lane.id, SinkId(u32::from(job & 3))),
            8 => {
                if lane.waiting.is_empty() && lane.spec.direction != Direction::Up {
                    lane.is_closed = true;
                    self.server.close(lane.id);
                }
            }
            9 => {
                lane.is_deaf = true;
                self.server.close_receiver(lane.id);
            }
            10..=13 => {
                let unread = std::mem::take(&mut lane.unread);
                self.server.consumed(lane.id, unread);
            }
            _ => self.reads = !self.reads,
        }
    }

    /// A stranger comes, most often with a right preamble and a `HELLO`.
    fn stranger_comes(&mut self, script: &mut Script<'_>) {
        let how = script.byte();
        self.is_pure = false;
        let guards_bytes = how & 0x10 != 0;
        let carrier = Carrier { route: ROUTES[usize::from(how & 1)], guards_bytes };
        let connection = self.server.accept(self.now, carrier);
        let index = if self.strangers.len() < STRANGERS && how & 0x40 == 0 {
            self.strangers.push(Stranger::new(connection, guards_bytes));
            self.strangers.len() - 1
        } else if let Some(index) = usize::from(how >> 1 & 7).checked_rem(self.strangers.len()) {
            self.lingering.push(self.strangers[index].connection);
            self.strangers[index].reconnect(connection, guards_bytes);
            index
        } else {
            return self.lingering.push(connection);
        };
        let said = if how & 0x80 == 0 {
            let mut body = Vec::new();
            let kind = forge::hello(script, &mut body, &self.strangers[index].told);
            [&wire::PREAMBLE[..], &wire::frame(kind, 0, 0, &body)].concat()
        } else {
            script.bytes().to_vec()
        };
        self.say(index, &said);
    }

    fn stranger_speaks(&mut self, script: &mut Script<'_>) {
        let how = script.byte();
        let Some(index) = usize::from(how).checked_rem(self.strangers.len()) else { return };
        let said = if how >= 0xf8 {
            script.bytes().to_vec()
        } else {
            forge::to_server(script, &self.strangers[index].told)
        };
        self.say(index, &said);
    }

    fn say(&mut self, index: usize, said: &[u8]) {
        let stranger = &mut self.strangers[index];
        stranger.input.extend_from_slice(said);
        self.server.handle_input(self.now, stranger.connection, &mut stranger.input);
        self.drain();
        let out = self.written_to(self.strangers[index].connection);
        self.strangers[index].hear(&out);
    }

    fn stranger_goes(&mut self, script: &mut Script<'_>) {
        let how = script.byte();
        let Some(index) = usize::from(how & 15).checked_rem(self.strangers.len()) else { return };
        let loss = [Loss::Closed, Loss::Broken, Loss::Fault][usize::from(how >> 4) % 3];
        self.server.handle_closed(self.now, self.strangers[index].connection, loss, "it went");
    }

    /// Somebody puts a frame into what the server says to a worker.
    fn deceive(&mut self, script: &mut Script<'_>) {
        let index = script.below(NODES);
        let frame = forge::to_worker(script);
        if let Some(node) = self.nodes.get_mut(index).filter(|node| node.is_open && node.down.is_empty()) {
            self.is_pure = false;
            node.is_deceived = true;
            node.input.extend_from_slice(&frame);
            node.machine.handle_input(self.now, &mut node.input);
        }
    }

    /// Somebody puts a frame into what a worker says to the server.
    fn lie_for(&mut self, script: &mut Script<'_>) {
        let index = script.below(NODES);
        let frame = forge::to_server(script, &Default::default());
        let is_between =
            |node: &&mut Node| node.server_is_open && node.server_input.is_empty() && node.up.is_empty();
        if let Some(node) = self.nodes.get_mut(index).filter(is_between) {
            self.is_pure = false;
            node.is_deceived = true;
            node.server_input.extend_from_slice(&frame);
            self.server.handle_input(self.now, node.connection, &mut node.server_input);
        }
    }

    /// A bit changes on the way: never in the preamble, which has no checksum. What guards its bytes breaks.
    fn damage(&mut self, script: &mut Script<'_>) {
        let (index, at, change) =
            (script.below(NODES), usize::from(script.byte()) + wire::PREAMBLE.len(), script.byte());
        let Some(node) = self.nodes.get_mut(index) else { return };
        if guards_bytes(index) {
            return self.cut(index);
        }
        let pipe = if change & 1 == 0 { &mut node.up } else { &mut node.down };
        if let Some(byte) = pipe.get_mut(at) {
            *byte ^= change | 2;
        }
    }
}

/// Whether the connections of a worker notice what is damaged: those of every second pair.
const fn guards_bytes(index: usize) -> bool {
    index & 2 != 0
}
