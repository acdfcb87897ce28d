//! What a worker's user does with channels: opens, leaves and drains them, takes jobs, sends values.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use distchan_proto::batch::{Batch, Kind, OpenBatch, Submission};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo, JobId};
use distchan_proto::worker::{OpenOptions, WorkerEvent as Said};
use distchan_proto::{Direction, Policy};
use rand::RngExt;

use crate::job::{self, JobName};
use crate::oracle::Verdict;
use crate::oracle::values::{Stream, value};
use crate::worker::WorkerHost;
use crate::world::{WorkerEvent, World};

/// One channel of a worker.
#[derive(Debug)]
pub(super) struct WorkerChannel {
    pub(super) index: usize,
    pub(super) direction: Direction,
    pub(super) options: OpenOptions,
    credit: u32,
    is_open: bool,
    pub(super) is_draining: bool,
    /// Counts the sessions: what is said of an older one's jobs is dropped.
    pub(super) generation: u32,
    pub(super) queue: VecDeque<Delivery>,
    /// The newest job of each key that came with its first attempt.
    newest_of_key: BTreeMap<u64, JobId>,
    /// Jobs that came and were not answered, and their bytes.
    in_hand: usize,
    bytes: u64,
    pub(super) running: u32,
    pub(super) answers: OpenBatch,
    full: VecDeque<Submission>,
}

/// Values that were sent unasked.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// How often a new stream was begun, because values were lost.
    pub(super) number: u32,
    pub(super) count: u64,
    /// Whether the channel was left in this session: what was on its way then may be lost with it, and nobody is told.
    has_left: bool,
}

impl Sent {
    fn begin_anew(&mut self) {
        *self = Self { number: self.number + 1, ..Self::default() };
    }
}

/// A job that has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) name: JobName,
    pub(super) attempt: Attempt,
    pub(super) bytes: u64,
}

impl WorkerChannel {
    pub(super) fn describe(&self) -> String {
        format!("{} open {} queue {} running {}", self.index, self.is_open, self.queue.len(), self.running)
    }

    /// Forgets all that came in the session that was lost.
    fn reset(&mut self) {
        self.generation += 1;
        self.queue.clear();
        self.newest_of_key.clear();
        (self.in_hand, self.bytes, self.is_open) = (0, 0, false);
        self.answers = OpenBatch::default();
        self.full.clear();
    }

    /// Says something of a job that ends this delivery.
    pub(super) fn answer(&mut self, kind: Kind, delivery: &Delivery) {
        self.in_hand = self.in_hand.saturating_sub(1);
        self.bytes -= delivery.bytes;
        let job = delivery.name.job;
        if matches!(kind, Kind::Done | Kind::Returned | Kind::Unbegun)
            && let Some(last) = self.answers.last_mut()
            && last.kind == kind
            && last.attempt == delivery.attempt
            && last.job.0 + u64::from(last.extra) + 1 == job.0
        {
            last.extra += 1;
        } else {
            self.answers.push(kind, job, delivery.attempt, 0);
        }
        if self.answers.is_full() {
            self.full.push_back(self.answers.take());
        }
    }
}

impl WorkerHost {
    /// Opens the channels that are not open: all, or some.
    pub(super) fn open_some(&mut self, world: &mut World) {
        if self.is_closing {
            return;
        }
        for (index, plan) in world.plan.channels.iter().enumerate() {
            let is_known = self.channels.values().any(|channel| channel.index == index);
            if is_known
                || self.finished.contains(&index)
                || (!world.is_healing && world.dice.workers.random_range(0..4) == 0)
            {
                continue;
            }
            let options = OpenOptions {
                concurrency: world.dice.workers.random_range(1..5),
                max_jobs: [1, 5, 50, 65_536][world.dice.workers.random_range(0..4)],
                max_bytes: [0, 100, 100_000, 1 << 20][world.dice.workers.random_range(0..4)],
                ..OpenOptions::default()
            };
            let Some(no) = self.machine.open(plan.spec(), options) else {
                return;
            };
            let channel = WorkerChannel {
                index,
                direction: plan.direction,
                options,
                credit: plan.credit.unwrap_or(u32::MAX),
                is_open: false,
                is_draining: false,
                generation: 0,
                queue: VecDeque::new(),
                newest_of_key: BTreeMap::new(),
                in_hand: 0,
                bytes: 0,
                running: 0,
                answers: OpenBatch::default(),
                full: VecDeque::new(),
            };
            self.channels.insert(no, channel);
            world.trace.note(world.now, "open", self.place as u64, u64::from(no.0));
        }
        if self.channels.len() + self.finished.len() < world.plan.channels.len() {
            self.after(world, Duration::from_secs(3), WorkerEvent::Open);
        }
    }

    /// The session was lost: the machine asks for the channels again. What was sent on those that were left may be lost.
    pub(super) fn ask_again(&mut self) {
        for channel in self.channels.values_mut() {
            channel.is_open = false;
        }
        self.values.values_mut().filter(|sent| sent.has_left).for_each(Sent::begin_anew);
    }

    /// What the machine says of a channel.
    pub(super) fn take_of_channel(&mut self, world: &mut World, event: Said) -> Verdict {
        match event {
            Said::Opened { no, .. } => {
                world.note("opened", self.place as u64, u64::from(no.0));
                if let Some(channel) = self.channels.get_mut(&no) {
                    channel.is_open = true;
                }
                Ok(())
            }
            Said::ValuesLost { no } => {
                if let Some(channel) = self.channels.remove(&no) {
                    self.values.entry(channel.index).or_default().begin_anew();
                }
                self.after(world, Duration::from_secs(1), WorkerEvent::Open);
                Ok(())
            }
            Said::Refused { no, code: Code::UnknownChannel, .. } => {
                if let Some(channel) = self.channels.remove(&no) {
                    // Values that were kept for it have nowhere to go.
                    self.values.entry(channel.index).or_default().begin_anew();
                }
                self.after(world, Duration::from_secs(1), WorkerEvent::Open);
                Ok(())
            }
            Said::Refused { reason, .. } => Err(format!("worker {} was refused: {reason}", self.life)),
            Said::Jobs { no, batch } => self.receive(world, no, &batch),
            Said::Finished { no } => {
                let (epoch, hand) =
                    (self.session.map_or(0, |session| session.epoch), self.machine.in_hand_of(no));
                let Some(index) = self.channels.get(&no).map(|channel| channel.index) else { return Ok(()) };
                if hand > 0
                    && world.plan.channels[index].direction == Direction::Jobs
                    && !self.may_have_revoked(world)
                {
                    return Err(format!("worker {} has {hand} jobs of a finished channel", self.life));
                }
                self.finished.insert(index);
                self.leave(world, no);
                world.oracle.told_finished(epoch, index)
            }
            Said::Reset { no } => {
                if let Some(channel) = self.channels.get_mut(&no) {
                    channel.reset();
                }
                self.drop_hanging(no);
                self.leave_if_drained(world, no);
                Ok(())
            }
            Said::Recalled { no, count } => {
                self.recalled(world, no, count);
                Ok(())
            }
            Said::Cancelled { no, job, further, attempt } => {
                for job in job.0..=job.0 + u64::from(further) {
                    self.cancelled(world, no, JobId(job), attempt);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a job can have its outcome while this worker still has it.
    fn may_have_revoked(&self, world: &World) -> bool {
        let may_revoke = |policy: &Policy| policy.job_timeout.is_some() || policy.speculate_after.is_some();
        let has_timeouts = world.plan.channels.iter().any(|plan| may_revoke(&plan.policy));
        let faults = &world.plan.faults;
        has_timeouts
            || faults.has(crate::plan::faults::Fault::Cancel)
            || faults.has(crate::plan::faults::Fault::Deadline)
    }

    fn receive(&mut self, world: &mut World, no: ChannelNo, batch: &Batch) -> Verdict {
        let session = self.session.ok_or("jobs before a session")?;
        let Some(channel) = self.channels.get_mut(&no) else { return Ok(()) };
        for (start, entry) in batch.iter() {
            let bytes =
                batch.payload.get(start as usize..entry.end as usize).ok_or("a range outside its batch")?;
            let name = job::name_of(bytes).ok_or("a job that nobody sent")?;
            let must =
                JobName { epoch: session.epoch, channel: crate::job::few(channel.index), job: entry.job };
            if name != must {
                return Err(format!("worker {} got {name:?} as {must:?}", self.life));
            }
            world.note("job", entry.job.0, u64::from(entry.attempt.0) << 16 | self.place as u64);
            world.oracle.delivered(world.now, &world.plan, (name, entry.attempt, session), bytes)?;
            let is_by_key = world.plan.channels.get(channel.index).is_some_and(|plan| plan.policy.by_key);
            if is_by_key && entry.attempt == Attempt::FIRST {
                let before = channel.newest_of_key.insert(job::key(name), entry.job);
                if before.is_some_and(|before| before >= entry.job) {
                    return Err(format!("job {} came behind {before:?} of the same key", entry.job));
                }
            }
            if channel.in_hand > 0 && channel.bytes >= channel.options.max_bytes.max(1) {
                return Err(format!("a job beyond {} bytes in hand", channel.options.max_bytes));
            }
            let most = channel.options.max_jobs.min(channel.credit) as usize;
            if channel.in_hand >= most {
                return Err(format!("more than {most} jobs in hand"));
            }
            channel.in_hand += 1;
            channel.bytes += bytes.len() as u64;
            let delivery = Delivery { name, attempt: entry.attempt, bytes: bytes.len() as u64 };
            channel.queue.push_back(delivery);
        }
        Ok(())
    }

    /// Hands answers to the machine as far as it wants them.
    pub(super) fn submit_some(&mut self) {
        for (no, channel) in &mut self.channels {
            while (!channel.full.is_empty() || !channel.answers.is_empty()) && self.machine.wants(*no) {
                let batch = channel.full.pop_front().unwrap_or_else(|| channel.answers.take());
                self.machine.submit(*no, batch);
            }
        }
    }

    /// Leaves a channel; what waits is handed over first, and what is in hand goes back.
    pub(super) fn leave(&mut self, world: &mut World, no: ChannelNo) {
        let Some(mut channel) = self.channels.remove(&no) else { return };
        world.note("leaves", self.place as u64, u64::from(no.0));
        if let Some(sent) = self.values.get_mut(&channel.index) {
            sent.has_left = true;
        }
        channel.full.push_back(channel.answers.take());
        for batch in channel.full {
            self.machine.submit(no, batch);
        }
        self.tasks.retain(|_, task| task.no != no);
        if let Some(session) = self.session {
            world.oracle.left(session, crate::job::few(channel.index));
        }
        self.machine.leave(no);
    }

    /// Leaves a channel that is open, if there is one, and may open it again.
    pub(crate) fn leave_one(&mut self, world: &mut World) -> Verdict {
        if let Some(no) = self.choose(world) {
            self.leave(world, no);
            let delay = Duration::from_millis(world.dice.workers.random_range(0..5000));
            self.after(world, delay, WorkerEvent::Open);
        }
        self.settle(world)
    }

    /// Takes no further jobs of a channel, gives back what is not begun, and leaves when the rest is finished.
    pub(crate) fn drain_one(&mut self, world: &mut World) -> Verdict {
        if let Some(no) = self.choose(world) {
            self.drain(world, no);
            self.after(world, Duration::from_secs(5), WorkerEvent::Open);
        }
        self.settle(world)
    }

    /// The same for all channels; then it closes.
    pub(crate) fn drain_all(&mut self, world: &mut World) -> Verdict {
        let all: Vec<ChannelNo> = self.channels.keys().copied().collect();
        for no in all {
            self.drain(world, no);
        }
        self.after(world, Duration::from_secs(10), WorkerEvent::Close);
        self.settle(world)
    }

    fn drain(&mut self, world: &mut World, no: ChannelNo) {
        self.machine.drain(no);
        if let Some(channel) = self.channels.get_mut(&no) {
            channel.is_draining = true;
            self.leave_if_drained(world, no);
        }
    }

    /// A drained channel is left when nothing of it is being worked on.
    pub(super) fn leave_if_drained(&mut self, world: &mut World, no: ChannelNo) {
        let is_done =
            |channel: &WorkerChannel| channel.is_draining && channel.running == 0 && channel.queue.is_empty();
        if self.channels.get(&no).is_some_and(is_done) {
            self.leave(world, no);
            self.after(world, Duration::from_secs(1), WorkerEvent::Open);
        }
    }

    fn choose(&self, world: &mut World) -> Option<ChannelNo> {
        let most = self.channels.len().max(1);
        let at = world.dice.workers.random_range(0..most);
        self.channels.iter().nth(at).filter(|(_, channel)| !channel.is_draining).map(|(no, _)| *no)
    }

    /// Sends some of the values that nobody asked for.
    pub(super) fn send_values(&mut self, world: &mut World) {
        if self.session.is_none() || self.is_closing {
            return self.after(world, Duration::from_secs(1), WorkerEvent::Values);
        }
        let mut is_done = true;
        for channel in self.channels.values_mut() {
            if channel.direction != Direction::Up {
                continue;
            }
            let most = world.plan.channels.get(channel.index).map_or(0, |plan| plan.jobs);
            let Sent { number, count: sent, .. } = self.values.entry(channel.index).or_default();
            let stream = Stream { channel: channel.index, life: self.life, number: *number };
            let count = if channel.is_open && channel.full.len() < 4 { (most - *sent).min(10) } else { 0 };
            for _ in 0..count {
                job::put(value(stream, *sent), &mut channel.answers.payload);
                channel.answers.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
                *sent += 1;
            }
            is_done &= *sent == most;
        }
        let is_idle = is_done
            && self.channels.values().all(|channel| channel.direction != Direction::Up || channel.is_open);
        let wait = if is_idle { 10_000 } else { world.dice.workers.random_range(200..2000) };
        self.after(world, Duration::from_millis(wait), WorkerEvent::Values);
    }
}
