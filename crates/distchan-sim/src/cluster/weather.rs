//! Faults that strike out of the blue, and how each ends. What it means that something goes wrong stands here; how often, in the plan.

use std::time::Duration;

use distchan_proto::server::Loss;
use rand::RngExt;

use crate::cluster::Cluster;
use crate::network::{Due, LinkNo, Side};
use crate::oracle::Verdict;
use crate::plan::faults::{Fault, Level};
use crate::server::ServerHost;
use crate::worker::End;
use crate::world::{Event, Relief};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Cluster {
    /// Plans when each kind of fault strikes first.
    pub(super) fn plan_weather(&mut self) {
        for fault in Fault::ALL {
            self.plan_next(*fault);
        }
    }

    fn plan_next(&mut self, fault: Fault) {
        let (Some([rare, frequent]), false) = (fault.interval(), self.world.is_healing) else {
            return;
        };
        let mean = match self.world.plan.faults.level(fault) {
            Level::Absent => return,
            Level::Rare => rare,
            Level::Frequent => frequent,
        };
        let wait = mean.mul_f64(self.world.dice.of(fault).random_range(0.05..2.0));
        self.world.after(wait, Event::Strike(fault));
    }

    pub(super) fn strike(&mut self, fault: Fault) -> Verdict {
        if self.world.is_healing {
            return Ok(());
        }
        self.plan_next(fault);
        let place = self.draw(fault, self.places.len());
        self.world.note(fault.name(), place as u64, 0);
        match fault {
            Fault::Cut => self.cut(place),
            Fault::OneWay => {
                let from = Side::BOTH[self.draw(fault, 2)];
                self.block(place, &[from], fault);
            }
            Fault::Partition => self.partition(place),
            Fault::HalfOpen => {
                self.world.network.of_place(place).into_iter().for_each(|link| self.world.network.kill(link))
            }
            Fault::Vanish => self.kill(place, End::WithItsMachine),
            Fault::Crash => self.crash(place),
            Fault::Stop => self.stop(place),
            Fault::Stall => self.stall(place),
            Fault::Lag => {
                self.world.network.lag = self.world.spell(fault, Duration::from_millis(1500));
                self.relieve_after(fault, seconds(10), Relief::Unlag);
            }
            Fault::Twin => self.twin(place),
            Fault::Leave => return self.leave(place),
            Fault::LeaveChannel => return self.with_running(place, |worker, world| worker.leave_one(world)),
            Fault::Drain => return self.with_running(place, |worker, world| worker.drain_one(world)),
            Fault::SlowReader => {
                let channel = self.draw(fault, self.world.plan.channels.len());
                let reluctance = self.world.spell(fault, seconds(10));
                self.server.set_reluctance(channel, reluctance);
                let epoch = self.server.epoch;
                self.relieve_after(fault, seconds(60), Relief::ReaderIsBack { epoch, channel });
            }
            Fault::ServerStop if self.server.is_up && !self.server.is_stopped => {
                self.server.is_stopped = true;
                self.relieve_after(fault, seconds(40), Relief::ServerContinues);
            }
            Fault::Restart if self.server.is_up => self.restart(),
            _ => {}
        }
        Ok(())
    }

    fn relieve_after(&mut self, fault: Fault, most: Duration, relief: Relief) {
        let spell = self.world.spell(fault, most);
        self.world.after(spell, Event::Relief(relief));
    }

    /// Cuts a worker's connections where they are; each side notices when it does, or hears nothing any more.
    fn cut(&mut self, place: usize) {
        for link in self.world.network.of_place(place) {
            self.world.network.kill(link);
            for side in Side::BOTH {
                let loss = [Loss::Closed, Loss::Broken][self.draw(Fault::Cut, 2)];
                let most = [Duration::ZERO, Duration::from_millis(300), seconds(8)];
                if let Some(most) = most.get(self.draw(Fault::Cut, 4)) {
                    let delay = self.world.spell(Fault::Cut, *most);
                    self.world.after(delay, Event::Notice { link, side, loss });
                }
            }
        }
    }

    /// Stops what leads away from some sides of a place, for a while: from a moment to longer than anyone waits.
    fn block(&mut self, place: usize, sides: &[Side], fault: Fault) {
        let spell = self.world.spell(fault, seconds(60));
        let links = self.world.network.of_place(place);
        for from in sides {
            if let Some(slot) = self.places.get_mut(place) {
                slot.blocked[*from as usize] += 1;
            }
            links.iter().for_each(|link| self.world.network.freeze(*link, *from));
            self.world.after(spell, Event::Relief(Relief::Thaw { place, from: *from }));
        }
    }

    /// One worker, or many, have no way to the server.
    fn partition(&mut self, place: usize) {
        let many = self.draw(Fault::Partition, 4) == 0;
        let places = if many { 0..self.places.len() / 2 + 1 } else { place..place + 1 };
        for place in places {
            self.block(place, &Side::BOTH, Fault::Partition);
        }
    }

    fn crash(&mut self, place: usize) {
        let how = if self.draw(Fault::Crash, 3) == 0 { End::Abruptly } else { End::Quietly };
        self.kill(place, how);
    }

    fn stop(&mut self, place: usize) {
        if let Some(worker) = self.worker(place).filter(|worker| !worker.is_stopped) {
            worker.is_stopped = true;
            let life = worker.life;
            self.relieve_after(Fault::Stop, seconds(60), Relief::Continue { place, life });
        }
    }

    fn stall(&mut self, place: usize) {
        if let Some(worker) = self.worker(place) {
            worker.is_stalled = true;
            let life = worker.life;
            self.relieve_after(Fault::Stall, seconds(30), Relief::Unstall { place, life });
        }
    }

    /// Somebody repeats a worker's greeting: an old connection that arrives late, or a program that heard it.
    fn twin(&mut self, place: usize) {
        let Some(link) = self.worker(place).and_then(|worker| worker.link) else { return };
        let Some((greeting, route)) =
            self.world.network.get(link).map(|link| (link.greeting.clone(), link.route))
        else {
            return;
        };
        let latency = self.world.network.latency();
        let twin = self.world.network.open(None, route);
        for bytes in greeting {
            self.world.write(twin, Side::Worker, bytes);
        }
        self.world.after(latency, Event::Dial { link: twin });
        let spell = self.world.spell(Fault::Twin, seconds(20));
        self.world.after(latency * 2 + spell, Event::TwinEnds { link: twin });
    }

    /// A worker goes: at once, or when it has finished what it has begun.
    fn leave(&mut self, place: usize) -> Verdict {
        let drains = self.draw(Fault::Leave, 2) == 0;
        self.with_running(place, |worker, world| {
            if drains {
                return worker.drain_all(world);
            }
            worker.close(world);
            worker.settle(world)
        })
    }

    /// The server's process dies, alone or with its machine, and comes again.
    fn restart(&mut self) {
        let with_its_machine = self.draw(Fault::Restart, 4) == 0;
        self.server.die(&mut self.world, with_its_machine);
        self.relieve_after(Fault::Restart, seconds(20), Relief::ServerStarts);
    }

    pub(super) fn relieve(&mut self, relief: Relief) -> Verdict {
        match relief {
            Relief::Thaw { place, from } => self.thaw(place, from),
            Relief::Continue { place, life } => {
                let now = self.now();
                if let Some(worker) = self.worker(place).filter(|worker| worker.life == life) {
                    worker.is_stopped = false;
                    worker.last_heard = now;
                    let missed = std::mem::take(&mut worker.missed);
                    missed.into_iter().for_each(|event| self.world.after(Duration::ZERO, event));
                }
            }
            Relief::Unstall { place, life } => {
                let now = self.now();
                if let Some(worker) = self.worker(place).filter(|worker| worker.life == life) {
                    worker.is_stalled = false;
                    worker.last_heard = now;
                    if let Some(link) = worker.link {
                        self.world.after(Duration::ZERO, Due::Arrive { link, at: Side::Worker }.into());
                    }
                }
            }
            Relief::Unlag => self.world.network.lag = Duration::ZERO,
            Relief::ServerContinues if self.server.is_stopped => {
                self.server.is_stopped = false;
                self.world.oracle.server_slept(self.now());
                for event in std::mem::take(&mut self.server.missed) {
                    self.world.after(Duration::ZERO, event);
                }
            }
            Relief::ServerStarts if !self.server.is_up => {
                let epoch = self.server.epoch + 1;
                self.world.note("server starts", u64::from(epoch), 0);
                self.server = ServerHost::new(&self.world.plan, epoch);
                self.world.oracle.server_restarts(&self.world.plan, epoch);
                return self.server.begin(&mut self.world);
            }
            Relief::ReaderIsBack { epoch, channel } if epoch == self.server.epoch => {
                self.server.set_reluctance(channel, Duration::ZERO);
            }
            Relief::ServerContinues | Relief::ServerStarts | Relief::ReaderIsBack { .. } => {}
        }
        Ok(())
    }

    fn thaw(&mut self, place: usize, from: Side) {
        let Some(slot) = self.places.get_mut(place) else { return };
        let blocked = &mut slot.blocked[from as usize];
        *blocked = blocked.saturating_sub(1);
        if *blocked == 0 {
            let frozen: Vec<LinkNo> = self.world.network.of_place(place);
            for link in frozen {
                self.world.network.thaw(self.world.now, link, from, &mut self.world.queue);
            }
        }
    }
}
