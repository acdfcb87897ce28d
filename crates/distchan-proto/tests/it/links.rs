//! How a cluster's connections break and are made again. It tells the machines what a driver would, and no more.

use distchan_proto::carrier::Carrier;
use distchan_proto::ids::ConnectionId;
use distchan_proto::server::{Loss, ServerConfig, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerMachine};
use rand::RngExt;

use crate::harness::{Cluster, spec};
use crate::node::{After, Node};

/// The connection of a node that has none: no server gives this number.
const NONE: ConnectionId = ConnectionId(0);

/// What a worker sees of a connection that passes a proxy; the server sees other ends.
pub(crate) const INDIRECT: (&str, &str) = ("10.0.0.7:4000>10.0.0.1:80", "192.168.1.1:5000>192.168.1.2:80");
/// A connection with nothing between.
pub(crate) const DIRECT: (&str, &str) = ("10.0.0.7:4000>10.0.0.1:80", "10.0.0.7:4000>10.0.0.1:80");
/// A worker that cannot come back.
pub(crate) const FOREIGN: (&str, &str) = ("", "10.0.0.7:4000>10.0.0.1:80");

impl Cluster {
    /// Connects a worker that can come back, and returns its index.
    pub(crate) fn connect_over(&mut self, routes: (&str, &str), after: After) -> usize {
        let name = format!("w{}", self.nodes.len());
        let machine = WorkerMachine::new(WorkerConfig { signature: "app".into(), name });
        let mut node = Node::new(machine, NONE);
        node.routes = (routes.0.to_owned(), routes.1.to_owned());
        node.after = after;
        (node.is_open, node.server_is_open) = (false, false);
        self.nodes.push(node);
        let index = self.nodes.len() - 1;
        self.come_back(index);
        index
    }

    /// Connects a worker that waits when its connection is cut, and opens `work`.
    pub(crate) fn join_over(&mut self, routes: (&str, &str)) -> usize {
        let index = self.connect_over(routes, After::Waits);
        self.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap();
        self.settle();
        assert_eq!(self.nodes[index].opened.len(), 1);
        index
    }

    /// A node makes its first connection, or another one.
    pub(crate) fn come_back(&mut self, index: usize) {
        if self.nodes[index].server_is_open {
            // The server's end may hear of the old connection's end later than of the new one.
            self.abandon(index);
        }
        let node = &mut self.nodes[index];
        assert!(!node.is_open && !node.machine.is_over());
        (node.reader, node.server_reader) = Default::default();
        node.up.clear();
        node.down.clear();
        let guards_bytes = self.guards_bytes;
        node.machine.handle_connected(self.now, Carrier { route: &node.routes.0, guards_bytes });
        node.connection = self.server.accept(self.now, Carrier { route: &node.routes.1, guards_bytes });
        (node.is_open, node.server_is_open) = (true, true);
        (node.is_mute, node.server_is_mute) = (false, false);
        self.drain();
    }

    /// Cuts a connection at whatever byte it is at; both ends are told, what is on the way is lost.
    pub(crate) fn lose(&mut self, index: usize, loss: Loss) {
        let was_open = self.nodes[index].server_is_open;
        let connection = self.abandon(index);
        if was_open {
            self.lingering.remove(&connection);
            self.server.handle_closed(self.now, connection, loss, "cut");
        }
        self.drain();
    }

    /// Only the worker notices that its connection is gone: for the server it lingers.
    pub(crate) fn abandon(&mut self, index: usize) -> ConnectionId {
        let node = &mut self.nodes[index];
        let connection = std::mem::replace(&mut node.connection, NONE);
        if node.server_is_open {
            self.lingering.insert(connection, Vec::new());
        }
        let was_open = std::mem::replace(&mut node.is_open, false);
        node.server_is_open = false;
        node.up.clear();
        node.down.clear();
        if was_open {
            node.hang_up("cut");
        }
        connection
    }

    /// Cuts a connection whose fuse has burnt down: both ends notice, or the worker alone.
    pub(crate) fn cut_if_due(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if node.fuses.front() != Some(&0) || !(node.is_open || node.server_is_open) {
            return false;
        }
        node.fuses.pop_front();
        match self.rng.random_range(0..3) {
            0 => self.lose(index, Loss::Broken),
            1 => self.lose(index, Loss::Closed),
            _ => drop(self.abandon(index)),
        }
        true
    }

    /// One of the workers that are about to reconnect does.
    pub(crate) fn reconnect_one(&mut self) -> bool {
        let Some(index) = self.nodes.iter().position(Node::will_reconnect) else {
            return false;
        };
        self.come_back(index);
        true
    }

    /// The server writes to a connection that nobody reads any more.
    pub(crate) fn write_to_lingering(&mut self) -> bool {
        let Some(connection) = self.lingering.keys().copied().find(|id| self.writable.contains(id)) else {
            return false;
        };
        if self.is_stopped {
            return false;
        }
        match self.server.poll_transmit(self.now, connection).map(Transmit::into_bytes) {
            Some(bytes) => self.lingering.get_mut(&connection).unwrap().extend_from_slice(&bytes),
            None => {
                self.writable.remove(&connection);
                if self.server.is_closing(connection) {
                    self.server.handle_closed(self.now, connection, Loss::Broken, "written");
                }
            }
        }
        true
    }

    /// The server's process ends, and another run of it begins. Its channels are gone; what its user has seen is forgotten here too.
    pub(crate) fn restart(&mut self, config: ServerConfig) {
        for index in 0..self.nodes.len() {
            self.abandon(index);
        }
        self.server = ServerMachine::new(config);
        self.lingering.clear();
        self.writable.clear();
        self.waiting.clear();
        self.closing.clear();
        self.outcomes.clear();
        self.unconsumed.clear();
        self.finished.clear();
        self.values.clear();
    }

    /// The whole machine sleeps, with everybody on it.
    pub(crate) fn sleep(&mut self, until: Time) {
        self.now = until;
    }
}
