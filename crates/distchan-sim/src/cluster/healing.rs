//! After the storm: nothing goes wrong any more, and whatever had happened, everything must come to its end. Then everybody goes.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::network::Side;
use crate::oracle::Verdict;
use crate::worker::WorkerHost;
use crate::world::{Event, Relief, World};

impl Cluster {
    /// Lets something happen in a worker's process that runs.
    pub(super) fn with_running(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut WorkerHost, &mut World) -> Verdict,
    ) -> Verdict {
        if self.worker(place).is_some_and(|worker| !worker.is_stopped) {
            self.with_worker(place, act)
        } else {
            Ok(())
        }
    }

    /// The storm is over.
    pub(super) fn heal(&mut self) -> Verdict {
        self.world.is_healing = true;
        self.world.note("healing", 0, 0);
        self.relieve(Relief::ServerStarts)?;
        self.relieve(Relief::ServerContinues)?;
        self.relieve(Relief::Unlag)?;
        for channel in 0..self.world.plan.channels.len() {
            self.server.set_reluctance(channel, Duration::ZERO);
            self.wake_senders(channel);
        }
        for place in 0..self.places.len() {
            for from in Side::BOTH {
                self.places[place].blocked[from as usize] = 0;
                self.relieve(Relief::Thaw { place, from })?;
            }
            let Some(life) = self.worker(place).map(|worker| worker.life) else {
                self.expect(place, Duration::ZERO);
                continue;
            };
            self.relieve(Relief::Continue { place, life })?;
            self.relieve(Relief::Unstall { place, life })?;
        }
        Ok(())
    }

    /// Senders that have stalled go on.
    fn wake_senders(&mut self, channel: usize) {
        let epoch = self.server.epoch;
        for sender in 0..3 {
            self.world.after(Duration::ZERO, Event::Send { epoch, channel, sender });
        }
    }

    /// Whether all is done and everybody has gone; sees everybody off when all is done.
    pub(super) fn is_over(&mut self) -> Result<bool, String> {
        if !self.world.is_closing {
            if !self.world.oracle.is_done() {
                return Ok(false);
            }
            self.world.is_closing = true;
            self.world.note("closing", 0, 0);
            for place in 0..self.places.len() {
                self.with_worker(place, |worker, world| {
                    worker.close(world);
                    worker.settle(world)
                })?;
            }
        }
        let everybody_is_gone = self.places.iter().all(|place| place.worker.is_none());
        Ok(everybody_is_gone && self.world.network.is_idle() && self.server.is_quiet())
    }
}
