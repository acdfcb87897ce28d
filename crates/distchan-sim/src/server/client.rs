//! What the server's user does on one channel: senders that send at a pace of their own, a receiver that reads when it likes, jobs that
//! are cancelled. It sees outcomes only through the oracle.

use std::ops::Range;
use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, ChannelId, JobId, SinkId};
use distchan_proto::time::Time;
use rand::RngExt;

use crate::dice::draw;
use crate::job::{self, Fate, JobName};
use crate::oracle::Verdict;
use crate::plan::channel::ChannelPlan;
use crate::plan::faults::Fault;
use crate::server::ServerHost;
use crate::world::{Event, World};

/// Jobs that wait for a worker before senders wait.
const ROOM: u64 = 200;

/// One channel's user.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: Option<ChannelId>,
    /// What each sender has still to send.
    left: Vec<u64>,
    /// Jobs that were sent and wait until a worker is hungry.
    queued: Range<u64>,
    /// When each must be done, from the oldest of `queued`: `None` for most.
    deadlines: std::collections::VecDeque<Option<Time>>,
    /// Whether the machine knows that no more jobs come.
    is_closed: bool,
    unread: u64,
    is_reading: bool,
    /// How long the receiver takes before it reads.
    pub(crate) reluctance: Duration,
}

impl Client {
    pub(crate) fn new(plan: &ChannelPlan) -> Self {
        let jobs = if plan.direction == Direction::Up { 0 } else { plan.jobs };
        let share = jobs / plan.senders;
        let mut left = vec![share; usize::try_from(plan.senders).unwrap_or(1)];
        if let Some(first) = left.first_mut() {
            *first += jobs - share * plan.senders;
        }
        Self {
            id: None,
            left,
            queued: 1..1,
            deadlines: std::collections::VecDeque::new(),
            is_closed: plan.direction == Direction::Up,
            unread: 0,
            is_reading: false,
            reluctance: Duration::ZERO,
        }
    }

    /// Whether the receiver has read everything.
    pub(crate) const fn is_read(&self) -> bool {
        self.unread == 0
    }

    fn take_batch(&mut self, world: &mut World, name: impl Fn(u64) -> JobName) -> Submission {
        let most = world.dice.clients.random_range(1..=32);
        let mut batch = OpenBatch::default();
        let mut deadlines = Vec::new();
        while (batch.len() as u64) < most
            && let Some(number) = self.queued.next()
        {
            let name = name(number);
            job::put(job::payload(&world.plan, name), &mut batch.payload);
            let plan = world.plan.channels.get(name.channel as usize);
            batch.keys.extend(plan.filter(|plan| plan.policy.by_key).map(|_| job::key(name)));
            if let Some(deadline) = self.deadlines.pop_front().flatten() {
                let entry = u32::try_from(batch.len()).expect("a batch is small");
                let left = deadline - world.now;
                deadlines.push((entry, left));
                world.oracle.deadline(name, world.now + left);
            }
            batch.push(Kind::Value, JobId(0), Attempt::FIRST, Fate::of(&world.plan, name).sink.0);
        }
        Submission { deadlines, ..batch.take() }
    }
}

impl ServerHost {
    /// The server's process begins: channels are opened, at once or a little later.
    pub(crate) fn begin(&mut self, world: &mut World) -> Verdict {
        for channel in 0..self.clients.len() {
            let is_late = world.dice.clients.random_range(0..4) == 0;
            let delay =
                Duration::from_millis(if is_late { world.dice.clients.random_range(0..8000) } else { 0 });
            world.after(delay, Event::OpenChannel { epoch: self.epoch, channel });
        }
        self.settle(world)
    }

    pub(crate) fn open_channel(&mut self, world: &mut World, channel: usize) -> Verdict {
        let (Some(plan), Some(client)) = (world.plan.channels.get(channel), self.clients.get_mut(channel))
        else {
            return Ok(());
        };
        let opened = self.machine.open_channel(world.now, plan.spec(), plan.options());
        let id = opened.map_err(|_| format!("{} is taken", plan.name))?;
        client.id = Some(id);
        self.ids.insert(id, channel);
        for sender in 0..client.left.len() {
            let most = crate::job::millis(world.plan.storm) / 8;
            let delay = Duration::from_millis(world.dice.clients.random_range(0..=most));
            world.after(delay, Event::Send { epoch: self.epoch, channel, sender });
        }
        for sink in [1, 2] {
            if world.happens(Fault::Cancel) {
                let delay = world.spell(Fault::Cancel, world.plan.storm);
                world.after(delay, Event::CancelSink { epoch: self.epoch, channel, sink: SinkId(sink) });
            }
        }
        self.settle(world)
    }

    /// A sender sends a few jobs, or waits for room.
    pub(crate) fn send(&mut self, world: &mut World, channel: usize, sender: usize) -> Verdict {
        let epoch = self.epoch;
        let Some(client) = self.clients.get_mut(channel) else { return Ok(()) };
        let Some(left) = client.left.get_mut(sender) else { return Ok(()) };
        let burst = world.dice.clients.random_range(1..=24).min(*left);
        let is_full = client.queued.end - client.queued.start > ROOM;
        let mut delay = Duration::from_millis(50);
        if !is_full {
            *left -= burst;
            for _ in 0..burst {
                let name =
                    JobName { epoch, channel: crate::job::few(channel), job: JobId(client.queued.end) };
                client.queued.end += 1;
                let deadline = announce(world, name);
                client.deadlines.push_back(deadline);
            }
            delay = pause(world, channel);
        }
        if *left > 0 {
            world.after(delay, Event::Send { epoch, channel, sender });
        }
        self.settle(world)
    }

    /// Hands jobs to the machine as long as workers are hungry, and says when no more come. Whether anything was said.
    pub(crate) fn submit_some(&mut self, world: &mut World) -> bool {
        let mut has_acted = false;
        for (index, client) in self.clients.iter_mut().enumerate() {
            let Some(id) = client.id else { continue };
            while !client.queued.is_empty() && self.machine.is_hungry(id) {
                let name =
                    |job| JobName { epoch: self.epoch, channel: crate::job::few(index), job: JobId(job) };
                let batch = client.take_batch(world, name);
                world.note("submit", index as u64, batch.entries.len() as u64);
                world.oracle.submitted(index, &batch);
                self.machine.submit(world.now, id, batch);
                has_acted = true;
            }
            if !client.is_closed && client.queued.is_empty() && client.left.iter().all(|left| *left == 0) {
                client.is_closed = true;
                self.machine.close(id);
                has_acted = true;
            }
        }
        has_acted
    }

    /// Outcomes are there to be read.
    pub(crate) fn results_came(&mut self, world: &mut World, index: usize, cost: u64) {
        let epoch = self.epoch;
        let Some(client) = self.clients.get_mut(index) else { return };
        client.unread += cost;
        if !std::mem::replace(&mut client.is_reading, true) {
            let soon = Duration::from_micros(world.dice.clients.random_range(0..2000));
            world.after(client.reluctance + soon, Event::Read { epoch, channel: index });
        }
    }

    /// The receiver reads some or all of what is there.
    pub(crate) fn read_results(&mut self, world: &mut World, index: usize) -> Verdict {
        let Some(client) = self.clients.get_mut(index) else { return Ok(()) };
        client.is_reading = false;
        let is_slow = !client.reluctance.is_zero() && client.unread > 1;
        let cost = if is_slow { client.unread.div_ceil(2) } else { client.unread };
        client.unread -= cost;
        world.oracle.consumed(index, cost);
        if let Some(id) = client.id {
            self.machine.consumed(id, cost);
        }
        if client.unread > 0 {
            self.results_came(world, index, 0);
        }
        self.settle(world)
    }

    /// The receiver is slow from now on, or no longer.
    pub(crate) fn set_reluctance(&mut self, index: usize, reluctance: Duration) {
        if let Some(client) = self.clients.get_mut(index) {
            client.reluctance = reluctance;
        }
    }

    pub(crate) fn cancel(&mut self, world: &mut World, channel: usize, job: JobId) -> Verdict {
        if let Some(id) = self.clients.get(channel).and_then(|client| client.id) {
            world.note("cancel", channel as u64, job.0);
            world
                .oracle
                .cancel(world.now, JobName { epoch: self.epoch, channel: crate::job::few(channel), job });
            self.machine.cancel(world.now, id, job);
        }
        self.settle(world)
    }

    pub(crate) fn cancel_sink(&mut self, world: &mut World, channel: usize, sink: SinkId) -> Verdict {
        if let Some(client) = self.clients.get(channel)
            && let Some(id) = client.id
        {
            world.note("cancel sink", channel as u64, u64::from(sink.0));
            for job in (1..client.queued.start).map(JobId) {
                let name = JobName { epoch: self.epoch, channel: crate::job::few(channel), job };
                if Fate::of(&world.plan, name).sink == sink {
                    world.oracle.cancel(world.now, name);
                }
            }
            self.machine.cancel_sink(world.now, id, sink);
        }
        self.settle(world)
    }
}

/// A job was sent: the oracle knows it, and its client may cancel it. Returns when it must be done.
fn announce(world: &mut World, name: JobName) -> Option<Time> {
    let fate = Fate::of(&world.plan, name);
    world.oracle.sent(name);
    if let Some(delay) = fate.cancel {
        world
            .after(delay, Event::Cancel { epoch: name.epoch, channel: name.channel as usize, job: name.job });
    }
    fate.within.map(|within| world.now + within)
}

/// How long a sender waits until it sends again.
fn pause(world: &mut World, channel: usize) -> Duration {
    if world.is_healing {
        return Duration::from_millis(1);
    }
    if world.happens(Fault::SlowSender) {
        return world.spell(Fault::SlowSender, Duration::from_secs(60));
    }
    // Some send everything at once, others all the time.
    let jobs = world.plan.channels.get(channel).map_or(1, |plan| plan.jobs.max(1));
    let spread = crate::job::millis(world.plan.storm) * 1000 / 2 * 12 / jobs.max(12);
    let is_steady = draw(world.plan.seed, &[channel as u64, 31]).is_multiple_of(2);
    Duration::from_micros(world.dice.clients.random_range(0..=if is_steady { spread } else { 5000 }))
}
