//! How bytes get from one machine to the other, by the numbered drain rules of their documentation.

use distchan_proto::Direction;
use distchan_proto::ids::ConnectionId;
use distchan_proto::limits;
use distchan_proto::server::{Loss, ServerEvent};

use crate::operations::world::World;

/// A writer waits while so many bytes are on the way.
const PIPE: usize = 128 * 1024;

impl World {
    /// The drain rule of the server's machine, 1 to 3.
    pub(super) fn drain(&mut self) {
        loop {
            while let Some(event) = self.server.poll_event() {
                self.note(&event);
            }
            let now = self.now;
            let mut has_submitted = false;
            for lane in &mut self.lanes {
                while self.server.is_hungry(lane.id)
                    && let Some(batch) = lane.waiting.pop_front()
                {
                    self.server.submit(now, lane.id, batch);
                    has_submitted = true;
                }
            }
            if !has_submitted {
                break;
            }
        }
        while let Some(connection) = self.server.poll_ready() {
            self.writable.insert(connection);
        }
    }

    fn note(&mut self, event: &ServerEvent) {
        match event {
            ServerEvent::Results { channel, sink, batch } => {
                let is_pure = self.is_pure;
                let lane = self.lanes.iter_mut().find(|lane| lane.id == *channel).expect("it was opened");
                lane.take(*sink, batch, is_pure);
                if self.reads {
                    let unread = std::mem::take(&mut lane.unread);
                    self.server.consumed(*channel, unread);
                }
            }
            ServerEvent::Finished { channel } => {
                let lane = self.lanes.iter_mut().find(|lane| lane.id == *channel).expect("it was opened");
                assert!(!std::mem::replace(&mut lane.is_finished, true), "a channel ends once");
                assert!(lane.is_closed || lane.spec.direction == Direction::Up);
            }
            _ => {}
        }
    }

    /// What the server writes to a connection now; closes it where all is written.
    pub(super) fn written_to(&mut self, connection: ConnectionId) -> Vec<u8> {
        if !self.writable.contains(&connection) {
            return Vec::new();
        }
        let out = self.server.poll_transmit(self.now, connection).unwrap_or_default().into_bytes();
        assert!(out.len() <= limits::TRANSMIT_BYTES + 4 * limits::MAX_FRAME_BODY, "{} bytes", out.len());
        if out.is_empty() {
            self.writable.remove(&connection);
        }
        out.into()
    }

    /// One writes and one reads, for one of the workers; false where nothing could be done.
    pub(super) fn move_bytes(&mut self, index: usize, most: usize) -> bool {
        let moved = [
            self.server_writes(index),
            self.worker_writes(index),
            self.server_reads(index, most),
            self.worker_reads(index, most),
        ];
        self.drain();
        moved.contains(&true)
    }

    fn server_writes(&mut self, index: usize) -> bool {
        let connection = self.nodes[index].connection;
        if !self.nodes[index].server_is_open || self.nodes[index].down.len() >= PIPE {
            return false;
        }
        let out = self.written_to(connection);
        let node = &mut self.nodes[index];
        if out.is_empty() {
            if self.server.is_closing(connection) && !self.writable.contains(&connection) {
                node.server_is_open = false;
                self.server.handle_closed(self.now, connection, Loss::Broken, "written");
                return true;
            }
            return false;
        }
        node.down.extend_from_slice(&out);
        true
    }

    fn worker_writes(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if !node.is_open || node.up.len() >= PIPE {
            return false;
        }
        let out = node.machine.poll_transmit(self.now).unwrap_or_default().into_bytes();
        if out.is_empty() {
            if node.machine.is_closing() {
                node.hang_up(&self.lanes);
                return true;
            }
            return false;
        }
        node.up.extend_from_slice(&out);
        true
    }

    fn server_reads(&mut self, index: usize, most: usize) -> bool {
        let node = &mut self.nodes[index];
        if !node.server_is_open {
            node.up.clear();
            return false;
        }
        if node.up.is_empty() {
            if node.is_open {
                return false;
            }
            // The end of the stream comes behind its last byte.
            node.server_is_open = false;
            self.server.handle_closed(self.now, node.connection, Loss::Closed, "the worker's end closed");
            return true;
        }
        let count = most.min(node.up.len());
        node.server_input.extend_from_slice(&node.up.split_to(count));
        self.server.handle_input(self.now, node.connection, &mut node.server_input);
        true
    }

    fn worker_reads(&mut self, index: usize, most: usize) -> bool {
        let node = &mut self.nodes[index];
        if !node.is_open {
            node.down.clear();
            return false;
        }
        if node.down.is_empty() {
            if !node.server_is_open {
                node.hang_up(&self.lanes);
                return true;
            }
            return false;
        }
        let count = most.min(node.down.len());
        node.input.extend_from_slice(&node.down.split_to(count));
        node.machine.handle_input(self.now, &mut node.input);
        node.drain(&self.lanes);
        true
    }

    /// Until nothing happens any more at this point in time.
    pub(super) fn settle(&mut self) {
        self.drain();
        for _ in 0..2_000 {
            let moved =
                (0..self.nodes.len()).map(|index| self.move_bytes(index, usize::MAX)).collect::<Vec<_>>();
            self.write_to_others();
            if !moved.contains(&true) {
                return;
            }
        }
        panic!("the machines talk without end");
    }

    /// To strangers, and to connections that only the server believes in.
    fn write_to_others(&mut self) {
        for index in 0..self.strangers.len() {
            let out = self.written_to(self.strangers[index].connection);
            self.strangers[index].hear(&out);
            self.close_if_done(self.strangers[index].connection);
        }
        for connection in self.lingering.clone() {
            self.written_to(connection);
            self.close_if_done(connection);
        }
        self.drain();
    }

    fn close_if_done(&mut self, connection: ConnectionId) {
        if !self.writable.contains(&connection) && self.server.is_closing(connection) {
            self.server.handle_closed(self.now, connection, Loss::Broken, "written");
        }
    }
}
