//! One run: the storm, the healing, the end. It hands each event to whom it concerns, and decides nothing that the seed does not decide.

mod healing;
mod weather;

use std::time::Duration;

use distchan_proto::time::Time;
use rand::RngExt;

use crate::network::{Due, LinkNo, Side};
use crate::oracle::Verdict;
use crate::plan::Plan;
use crate::plan::faults::Fault;
use crate::server::ServerHost;
use crate::trace::Trace;
use crate::worker::{End, WorkerHost};
use crate::world::{Event, WorkerEvent, World};

/// How long a worker waits for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// How many events there were.
    pub steps: u64,
    /// How much time passed in it.
    pub simulated: Duration,
    /// Everything that happened.
    pub trace: Trace,
    /// What was promised and not kept, if anything.
    pub verdict: Result<(), String>,
}

/// Runs a plan to its end, or to the first broken promise.
#[must_use]
pub fn run(plan: Plan, keep_trace: bool) -> Report {
    let mut cluster = Cluster::new(plan, keep_trace);
    let verdict = cluster.run();
    let World { plan, now, trace, .. } = cluster.world;
    Report { plan, steps: cluster.steps, simulated: now.since_origin(), trace, verdict }
}

#[derive(Debug)]
struct Cluster {
    world: World,
    server: ServerHost,
    places: Vec<Place>,
    steps: u64,
    lives: u32,
}

/// A place for a worker; empty between two lives.
#[derive(Debug, Default)]
struct Place {
    worker: Option<WorkerHost>,
    /// How many things block its way to the server, and the way back.
    blocked: [u32; 2],
    /// Whether another worker will come.
    is_awaited: bool,
}

impl Cluster {
    fn new(plan: Plan, keep_trace: bool) -> Self {
        Self {
            server: ServerHost::new(&plan, 1),
            places: (0..plan.workers).map(|_| Place::default()).collect(),
            world: World::new(plan, keep_trace),
            steps: 0,
            lives: 0,
        }
    }

    fn run(&mut self) -> Verdict {
        for place in 0..self.places.len() {
            let delay = Duration::from_millis(self.world.dice.workers.random_range(0..3000));
            self.expect(place, delay);
        }
        self.plan_weather();
        let ends = self.world.plan.storm_ends();
        self.world.queue.push(ends, Event::StormEnds);
        self.world.after(Duration::from_secs(1), Event::Audit);
        self.server.begin(&mut self.world)?;
        let end = ends + self.world.plan.patience();
        while let Some((time, event)) = self.world.queue.pop_before(end) {
            self.world.now = self.world.now.max(time);
            self.steps += 1;
            self.handle(event)?;
            if self.world.is_healing && self.is_over()? {
                return self.server.check_end(&self.world);
            }
        }
        Err(format!("stuck: {}", self.describe()))
    }

    /// Another worker will come to this place.
    fn expect(&mut self, place: usize, delay: Duration) {
        if let Some(slot) = self.places.get_mut(place)
            && !std::mem::replace(&mut slot.is_awaited, true)
        {
            self.world.after(delay, Event::Start { place });
        }
    }

    fn handle(&mut self, event: Event) -> Verdict {
        match event {
            Event::Worker { place, life, what } => {
                let Some(worker) = self.worker(place).filter(|worker| worker.life == life) else {
                    return self.unclaimed(what);
                };
                if worker.is_stopped {
                    worker.missed.push(event);
                    return Ok(());
                }
                self.with_worker(place, |worker, world| worker.handle(world, what))
            }
            Event::Network(
                Due::Arrive { link, at: Side::Worker } | Due::Writable { link, side: Side::Worker },
            )
            | Event::Notice { link, side: Side::Worker, .. } => self.handle_at_worker(event, link),
            Event::Dial { link } => self.dial(link),
            Event::TwinEnds { link } => {
                self.world.close(link, Side::Worker);
                Ok(())
            }
            Event::Start { place } => self.start(place),
            Event::Strike(fault) => self.strike(fault),
            Event::Relief(relief) => self.relieve(relief),
            Event::Audit => self.audit(),
            Event::StormEnds => self.heal(),
            _ if !self.server.is_up => Ok(()),
            _ if self.server.is_stopped => {
                self.server.missed.push(event);
                Ok(())
            }
            other => self.handle_at_server(other),
        }
    }

    /// A connection that was made for a worker that is gone by now.
    fn unclaimed(&mut self, what: WorkerEvent) -> Verdict {
        if let WorkerEvent::Connected(link) = what {
            self.world.close(link, Side::Worker);
        }
        Ok(())
    }

    fn handle_at_worker(&mut self, event: Event, link: LinkNo) -> Verdict {
        let Some(owner) = self.world.network.get(link).map(|link| link.owner) else {
            return Ok(());
        };
        let Some((place, life)) = owner else {
            // Somebody who repeats what others have said reads, and does not understand.
            self.world.network.read(self.world.now, link, Side::Worker, &mut self.world.queue);
            return Ok(());
        };
        let Some(worker) = self.worker(place).filter(|worker| worker.life == life) else {
            return Ok(());
        };
        if worker.is_stopped {
            worker.missed.push(event);
            return Ok(());
        }
        self.with_worker(place, |worker, world| match event {
            Event::Network(Due::Arrive { .. }) => worker.read(world, link),
            Event::Notice { .. } => worker.lose(world, link),
            _ => worker.settle(world),
        })
    }

    fn handle_at_server(&mut self, event: Event) -> Verdict {
        let Self { server, world, .. } = self;
        match event {
            Event::Network(Due::Arrive { link, .. }) => server.read(world, link),
            Event::Network(Due::Writable { link, .. }) => {
                if let Some(connection) = world.network.get(link).and_then(|link| link.connection) {
                    server.write(world, connection);
                }
                server.settle(world)
            }
            Event::Notice { link, loss, .. } => server.lose(world, link, loss),
            Event::Accept { link } => server.accept(world, link).and_then(|()| server.read(world, link)),
            Event::Linger { link } => server.linger(world, link),
            Event::ServerTimer => server.timer(world),
            Event::OpenChannel { epoch, channel } if epoch == server.epoch => {
                server.open_channel(world, channel)
            }
            Event::Send { epoch, channel, sender } if epoch == server.epoch => {
                server.send(world, channel, sender)
            }
            Event::Read { epoch, channel } if epoch == server.epoch => server.read_results(world, channel),
            Event::Cancel { epoch, channel, job } if epoch == server.epoch => {
                server.cancel(world, channel, job)
            }
            Event::CancelSink { epoch, channel, sink } if epoch == server.epoch => {
                server.cancel_sink(world, channel, sink)
            }
            _ => Ok(()),
        }
    }

    /// Somebody wants a connection: the system of the server's machine answers, if there is a way and somebody listens.
    fn dial(&mut self, link: LinkNo) -> Verdict {
        let (is_up, latency) = (self.server.is_up, self.world.network.latency());
        let Some(owner) = self.world.network.get(link).map(|link| link.owner) else {
            return Ok(());
        };
        let blocked =
            owner.and_then(|(place, _)| self.places.get(place)).map_or([0, 0], |place| place.blocked);
        let is_blocked = blocked != [0, 0];
        if is_up && !is_blocked {
            self.world.after(Duration::ZERO, Event::Accept { link });
        } else {
            self.world.network.drop_end(link, Side::Server);
            self.world.network.drop_end(link, Side::Worker);
        }
        if let Some((place, life)) = owner {
            let what =
                if is_up && !is_blocked { WorkerEvent::Connected(link) } else { WorkerEvent::Unreachable };
            self.world
                .after(if is_blocked { PATIENCE } else { latency }, Event::Worker { place, life, what });
        }
        Ok(())
    }

    fn start(&mut self, place: usize) -> Verdict {
        let Some(slot) = self.places.get_mut(place) else { return Ok(()) };
        slot.is_awaited = false;
        if slot.worker.is_none() && !self.world.is_closing {
            self.lives += 1;
            self.world.note("start", place as u64, u64::from(self.lives));
            slot.worker = Some(WorkerHost::new(&mut self.world, place, self.lives));
        }
        Ok(())
    }

    fn worker(&mut self, place: usize) -> Option<&mut WorkerHost> {
        self.places.get_mut(place)?.worker.as_mut()
    }

    /// Lets something happen in a worker's process; if it comes to its end thereby, its place is free.
    fn with_worker(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut WorkerHost, &mut World) -> Verdict,
    ) -> Verdict {
        let Some(worker) = self.places.get_mut(place).and_then(|place| place.worker.as_mut()) else {
            return Ok(());
        };
        act(worker, &mut self.world)?;
        if worker.has_crashed {
            let is_abrupt = self.world.dice.workers.random_range(0..4) == 0;
            self.kill(place, if is_abrupt { End::Abruptly } else { End::Quietly });
        } else if worker.is_over && worker.link.is_none() {
            self.kill(place, End::Quietly);
        }
        Ok(())
    }

    /// A process ends, and another one comes some time.
    fn kill(&mut self, place: usize, how: End) {
        let Some(mut worker) = self.places.get_mut(place).and_then(|place| place.worker.take()) else {
            return;
        };
        worker.end(&mut self.world, how);
        // Connections that it was just making, too.
        for link in self.world.network.of_place(place) {
            if !self.world.network.get(link).is_some_and(|link| link.is_held(Side::Worker)) {
                continue;
            }
            if how == End::WithItsMachine {
                self.world.network.kill(link);
                self.world.network.drop_end(link, Side::Worker);
            } else {
                self.world.close(link, Side::Worker);
            }
        }
        let most = if self.world.is_healing { 500 } else { 8000 };
        let delay = Duration::from_millis(self.world.dice.workers.random_range(10..most));
        self.expect(place, delay);
    }

    /// The oracle looks at what nobody says: who should have been noticed.
    fn audit(&mut self) -> Verdict {
        self.world.after(Duration::from_secs(1), Event::Audit);
        if self.server.is_up && !self.server.is_stopped {
            self.world.oracle.sessions.audit(self.world.now)?;
        }
        let mut workers = self.places.iter().filter_map(|place| place.worker.as_ref());
        workers.try_for_each(|worker| worker.audit(&self.world))
    }

    fn describe(&self) -> String {
        let workers = self.places.iter().filter_map(|place| place.worker.as_ref());
        let workers: Vec<String> = workers.map(WorkerHost::describe).collect();
        format!(
            "{}\n{}; server up {} stopped {}: {}\n{}",
            self.world.oracle.describe(),
            self.world.network.describe(),
            self.server.is_up,
            self.server.is_stopped,
            self.server.describe(),
            workers.join("\n")
        )
    }

    /// A chance to draw that is only about this fault.
    fn draw(&mut self, fault: Fault, below: usize) -> usize {
        self.world.dice.of(fault).random_range(0..below.max(1))
    }

    const fn now(&self) -> Time {
        self.world.now
    }
}
