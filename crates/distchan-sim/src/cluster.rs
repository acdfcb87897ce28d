//! One run: the schedule, the storm, the healing. It moves bytes and time, and asks the oracle; it decides nothing that the seed
//! does not decide.

use std::collections::BTreeMap;
use std::time::Duration;

use distchan_proto::ids::ConnectionId;
use distchan_proto::time::Time;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::{Faults, Moment, Verdict as Weather};
use crate::network::Link;
use crate::oracle::{Oracle, Verdict};
use crate::plan::Plan;
use crate::server::ServerHost;
use crate::trace::Trace;
use crate::worker::WorkerHost;

/// Rounds of the healing phase after which a cluster that is not done is stuck.
const PATIENCE: u64 = 20_000;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// How many steps it took.
    pub steps: u64,
    /// Everything that happened.
    pub trace: Trace,
    /// What was promised and not kept, if anything.
    pub verdict: Verdict,
}

/// Runs a plan to its end, or to the first broken promise.
#[must_use]
pub fn run(plan: Plan, keep_trace: bool) -> Report {
    let mut cluster = Cluster::new(plan, keep_trace);
    let verdict = cluster.run();
    Report { plan: cluster.plan, steps: cluster.steps, trace: cluster.trace, verdict }
}

#[derive(Debug)]
struct Cluster {
    plan: Plan,
    rng: ChaCha8Rng,
    now: Time,
    steps: u64,
    lives: u64,
    server: ServerHost,
    /// A place for each worker; empty between two lives.
    workers: Vec<Option<WorkerHost>>,
    links: BTreeMap<ConnectionId, Link>,
    oracle: Oracle,
    trace: Trace,
}

impl Cluster {
    fn new(plan: Plan, keep_trace: bool) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5eed),
            now: Time::ZERO,
            steps: 0,
            lives: 0,
            server: ServerHost::new(&plan),
            workers: (0..plan.workers).map(|_| None).collect(),
            links: BTreeMap::new(),
            oracle: Oracle::new(&plan),
            trace: Trace::new(keep_trace),
            plan,
        }
    }

    fn run(&mut self) -> Verdict {
        for _ in 0..self.plan.steps {
            self.step()?;
        }
        self.heal()?;
        self.server.check_end()
    }

    /// One step of the storm.
    fn step(&mut self) -> Verdict {
        self.steps += 1;
        let pause = Duration::from_micros(self.rng.random_range(0..3000));
        self.pass_time(pause);
        let place = self.rng.random_range(0..self.workers.len());
        let faults = self.plan.faults.clone();
        match faults.judge(Moment::Step, &mut self.rng) {
            Weather::Cut => self.cut(place)?,
            verdict => self.disturb(place, verdict),
        }
        let channel = self.rng.random_range(0..self.plan.channels.len());
        match self.rng.random_range(0..24) {
            0 => self.server.open(self.now, channel)?,
            1..=3 => self.server.send(channel, &self.oracle, &mut self.rng),
            4 | 5 if self.rng.random_range(0..10_000) < faults.read => self.server.read_results(channel),
            6 | 7 => self.join(place),
            8 => self.worker(place, |worker, cluster| worker.open_some(&cluster.plan, &mut cluster.rng)),
            _ => self.move_something(place, &faults),
        }
        self.drain()
    }

    /// A side of one connection writes or reads, or a worker works.
    fn move_something(&mut self, place: usize, faults: &Faults) {
        let most = self.rng.random_range(1..=self.plan.chunk);
        match self.rng.random_range(0..6) {
            0 => self.worker_writes(place),
            1 => self.worker_reads(place, most),
            2 | 3 => {
                let links: Vec<ConnectionId> = self.links.keys().copied().collect();
                if let Some(id) = links.get(self.rng.random_range(0..links.len().max(1))) {
                    self.serve(*id, most);
                }
            }
            _ => {
                let (plan, oracle) = (&self.plan, &self.oracle);
                if let Some(Some(worker)) = self.workers.get_mut(place) {
                    worker.act(plan, faults, oracle, &mut self.rng);
                }
            }
        }
    }

    fn disturb(&mut self, place: usize, verdict: Weather) {
        self.worker(place, |worker, cluster| match verdict {
            Weather::Leave => worker.leave(&mut cluster.rng),
            Weather::LeaveChannel => worker.leave_channel(&mut cluster.rng),
            Weather::Drain => worker.drain_channel(&mut cluster.rng),
            Weather::Stall => worker.is_stalled = !worker.is_stalled && !worker.is_leaving(),
            Weather::Pass | Weather::Cut | Weather::GiveBack => {}
        });
    }

    /// Nothing goes wrong any more: whatever happened, everything must come to its end.
    fn heal(&mut self) -> Verdict {
        let faults = Faults::none();
        let all = 0..self.workers.len();
        for channel in 0..self.plan.channels.len() {
            self.server.open(self.now, channel)?;
        }
        for round in 0..PATIENCE {
            self.steps += 1;
            self.pass_time(Duration::from_millis(1));
            for channel in 0..self.plan.channels.len() {
                self.server.send(channel, &self.oracle, &mut self.rng);
                self.server.read_results(channel);
            }
            for place in all.clone() {
                self.heal_worker(place, &faults)?;
            }
            for id in self.links.keys().copied().collect::<Vec<_>>() {
                self.serve(id, 100_000);
                self.drain()?;
            }
            if self.oracle.is_done() && self.links.is_empty() && self.workers.iter().all(Option::is_none) {
                self.trace.note("healed", round, self.lives);
                return Ok(());
            }
        }
        let workers: Vec<&WorkerHost> = self.workers.iter().flatten().collect();
        let (jobs, links) = (if self.oracle.is_done() { "done" } else { "open" }, self.links.len());
        Err(format!(
            "stuck after {PATIENCE} rounds without a fault: jobs {jobs}, {links} links, workers {workers:?}"
        ))
    }

    fn heal_worker(&mut self, place: usize, faults: &Faults) -> Verdict {
        let is_done = self.oracle.is_done();
        if !is_done {
            self.join(place);
        }
        let (plan, oracle) = (&self.plan, &self.oracle);
        if let Some(Some(worker)) = self.workers.get_mut(place) {
            worker.is_stalled = false;
            worker.leave_drained();
            let mut is_busy = false;
            for _ in 0..20 {
                is_busy |= worker.act(plan, faults, oracle, &mut self.rng);
            }
            if is_done && !is_busy {
                worker.leave(&mut self.rng);
            } else if !is_done {
                worker.open_some(plan, &mut self.rng);
            }
        }
        self.drain()?;
        self.worker_writes(place);
        self.worker_reads(place, 100_000);
        self.drain()
    }

    /// Lets somebody come to a place that is empty.
    fn join(&mut self, place: usize) {
        let Some(slot @ None) = self.workers.get_mut(place) else {
            return;
        };
        self.lives += 1;
        let connection = self.server.machine.accept(self.now);
        let mut worker = WorkerHost::new(self.now, self.lives, connection);
        worker.open_some(&self.plan, &mut self.rng);
        self.trace.note("join", place as u64, connection.0);
        self.links.insert(connection, Link::new(self.plan.pipe));
        *slot = Some(worker);
    }

    /// Cuts the connection of a worker; bytes on the way are lost.
    fn cut(&mut self, place: usize) -> Verdict {
        let Some(mut worker) = self.workers.get_mut(place).and_then(Option::take) else {
            return Ok(());
        };
        self.trace.note("cut", place as u64, worker.connection.0);
        if let Some(link) = self.links.get_mut(&worker.connection) {
            link.cut();
        }
        worker.machine.handle_closed("cut");
        worker.drain(&self.oracle, &mut self.trace)
    }

    fn worker(&mut self, place: usize, act: impl FnOnce(&mut WorkerHost, &mut Self)) {
        if let Some(mut worker) = self.workers.get_mut(place).and_then(Option::take) {
            act(&mut worker, self);
            if let Some(slot) = self.workers.get_mut(place) {
                *slot = Some(worker);
            }
        }
    }

    fn worker_writes(&mut self, place: usize) {
        self.transport(place, |worker, link, now, trace| worker.write(now, link, trace));
    }

    fn worker_reads(&mut self, place: usize, most: usize) {
        self.transport(place, |worker, link, now, _| worker.read(now, link, most));
    }

    fn transport(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut WorkerHost, &mut Link, Time, &mut Trace) -> Option<bool>,
    ) {
        let Some(slot) = self.workers.get_mut(place) else {
            return;
        };
        let Some(worker) = slot else { return };
        let Some(link) = self.links.get_mut(&worker.connection) else {
            return;
        };
        if act(worker, link, self.now, &mut self.trace).is_none() {
            self.trace.note("end", place as u64, worker.connection.0);
            link.down.abandon();
            *slot = None;
        }
    }

    /// The server reads from and writes to a connection.
    fn serve(&mut self, id: ConnectionId, most: usize) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if self.rng.random_bool(0.5) {
            self.server.write(self.now, id, link, &mut self.trace);
        } else {
            self.server.read(self.now, id, link, most);
        }
        if link.up.is_over() && link.down.is_over() {
            self.server.closed(id, "both ends are closed");
            self.links.remove(&id);
        }
    }

    /// Every machine's drain rule, and what must hold after every step.
    fn drain(&mut self) -> Verdict {
        self.server.drain(&mut self.oracle, &mut self.trace)?;
        for worker in self.workers.iter_mut().flatten() {
            worker.drain(&self.oracle, &mut self.trace)?;
        }
        self.server.check(self.workers.len())
    }

    fn pass_time(&mut self, duration: Duration) {
        self.now = self.now + duration;
        if self.server.machine.poll_timeout().is_some_and(|time| time <= self.now) {
            self.server.machine.handle_timeout(self.now);
        }
        for worker in self.workers.iter_mut().flatten() {
            if worker.machine.poll_timeout().is_some_and(|time| time <= self.now) {
                worker.machine.handle_timeout(self.now);
            }
        }
    }
}
