//! The end: whoever has lied is gone, honest workers are left, and everything must come out.

use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::server::Loss;

use crate::operations::world::World;

/// So often does time go on while nothing gets done: to the next timer, and later on by more, since some timers are a millisecond apart.
const ROUNDS: u32 = 120;

impl World {
    pub(super) fn finish(mut self) {
        while self.lanes.len() < crate::operations::lane::NAMES.len() {
            self.open_lane();
        }
        self.reads = true;
        self.dismiss();
        self.join();
        let (mut round, mut done) = (0, 0);
        while round < ROUNDS {
            self.settle();
            for index in 0..self.nodes.len() {
                self.connect(index);
                self.nodes[index].answer_all();
            }
            self.settle();
            self.wind_up();
            self.settle();
            if self.lanes.iter().all(|lane| lane.is_finished) {
                return self.check();
            }
            let stats = self.server.channels();
            let now_done =
                stats.iter().map(|(_, of)| of.completed + of.failed + of.dead + of.cancelled).sum();
            // A worker may have one job at a time.
            round = if std::mem::replace(&mut done, now_done) == now_done { round + 1 } else { 0 };
            let least = Duration::from_millis(1 << (round / 8));
            self.at(self.next_timer().unwrap_or(self.now).max(self.now + least));
        }
        panic!("jobs do not come out: {:#?}", self.server.channels());
    }

    /// Strangers, and workers that were lied to, or for.
    fn dismiss(&mut self) {
        let strangers: Vec<_> = self.strangers.drain(..).map(|stranger| stranger.connection).collect();
        for connection in strangers.into_iter().chain(std::mem::take(&mut self.lingering)) {
            self.server.handle_closed(self.now, connection, Loss::Fault, "dismissed");
        }
        let deceived: Vec<usize> =
            (0..self.nodes.len()).filter(|index| self.nodes[*index].is_deceived).collect();
        for index in deceived.into_iter().rev() {
            let node = self.nodes.remove(index);
            if node.server_is_open {
                self.server.handle_closed(self.now, node.connection, Loss::Fault, "dismissed");
            }
        }
        self.drain();
    }

    /// The user reads what has come, and closes what it has not.
    fn wind_up(&mut self) {
        for lane in &mut self.lanes {
            let unread = std::mem::take(&mut lane.unread);
            self.server.consumed(lane.id, unread);
            if lane.waiting.is_empty() && !lane.is_closed {
                lane.is_closed = true;
                self.server.close(lane.id);
                if lane.spec.direction == Direction::Up {
                    lane.is_deaf = true;
                    self.server.close_receiver(lane.id);
                }
            }
        }
        self.drain();
    }

    fn check(&mut self) {
        for lane in &self.lanes {
            lane.check_end();
            assert!(self.server.is_quiet(lane.id));
        }
        self.nodes.iter_mut().for_each(|node| node.close());
        self.settle();
        self.server.shutdown();
        self.settle();
        assert!(self.server.workers().is_empty(), "{:?}", self.server.workers());
    }
}
