//! What handlers do with jobs: work for a while, answer in pieces or at once, fail, hang, take their process with them; and go on for a
//! while with what nobody wants any more.

use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::batch::Kind;
use distchan_proto::ids::{Attempt, ChannelNo, JobId};
use rand::RngExt;

use crate::job::{self, Behaviour, Fate, ResultName};
use crate::network::{LinkNo, Side};
use crate::oracle::Verdict;
use crate::oracle::failures::REASON;
use crate::plan::faults::Fault;
use crate::worker::WorkerHost;
use crate::worker::channels::Delivery;
use crate::world::{Announcement, WorkerEvent, World};

/// A first attempt that takes longer is announced.
const TICK: Duration = Duration::from_millis(8);

/// A job that a handler has.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) no: ChannelNo,
    delivery: Delivery,
    generation: u32,
    fate: Fate,
    stage: Stage,
    /// Results that were said.
    said: u32,
    is_cancelled: bool,
    /// Said to be begun, and not yet written to a connection.
    is_announcing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The handler waits until the server can know.
    Waiting,
    Working,
    /// The handler is done; its answer is withheld.
    Withheld,
}

impl WorkerHost {
    /// Handlers take jobs as long as there are both.
    pub(super) fn start_some(&mut self, world: &mut World) -> Verdict {
        let ready: Vec<ChannelNo> = self
            .channels
            .iter()
            .filter(|(_, channel)| {
                !channel.queue.is_empty()
                    && (channel.running < channel.options.concurrency || channel.is_draining)
            })
            .map(|(no, _)| *no)
            .collect();
        for no in ready {
            while let Some(channel) = self.channels.get_mut(&no)
                && (channel.running < channel.options.concurrency || channel.is_draining)
                && let Some(delivery) = channel.queue.pop_front()
            {
                if channel.is_draining || world.happens(Fault::GiveBack) {
                    channel.answer(Kind::Returned, &delivery);
                    self.tell_oracle(world, &delivery, Kind::Returned);
                } else {
                    self.start(world, no, delivery)?;
                }
            }
            self.leave_if_drained(world, no);
        }
        Ok(())
    }

    fn start(&mut self, world: &mut World, no: ChannelNo, delivery: Delivery) -> Verdict {
        let session = self.session.ok_or("a job without a session")?;
        let Some(channel) = self.channels.get_mut(&no) else { return Ok(()) };
        channel.running += 1;
        let is_again = delivery.attempt > Attempt::FIRST;
        let number = self.next_task;
        self.next_task += 1;
        let task = Task {
            no,
            delivery,
            generation: channel.generation,
            fate: Fate::of(&world.plan, delivery.name),
            stage: Stage::Waiting,
            said: 0,
            is_cancelled: false,
            is_announcing: is_again,
        };
        self.tasks.insert(number, task);
        if is_again {
            world.oracle.announced(world.now, delivery.name, delivery.attempt, session);
            self.machine.started(no, delivery.name.job, delivery.attempt);
        } else {
            self.begin(world, number);
        }
        Ok(())
    }

    /// A handler begins.
    fn begin(&mut self, world: &mut World, number: u64) {
        let (Some(task), Some(session)) = (self.tasks.get_mut(&number), self.session) else { return };
        task.stage = Stage::Working;
        let Delivery { name, attempt, .. } = task.delivery;
        world.note("begin", name.job.0, u64::from(attempt.0));
        world.oracle.begun(world.now, name, attempt, session);
        let takes = match task.fate.behaviour(attempt) {
            Behaviour::Complete | Behaviour::Fail => Some(task.fate.work),
            Behaviour::Crash => Some(task.fate.crash_after()),
            Behaviour::Hang => None,
        };
        if let Some(takes) = takes {
            self.after(world, takes, WorkerEvent::Work(number));
        }
        if attempt == Attempt::FIRST && takes.is_none_or(|takes| takes > TICK) {
            self.after(world, TICK, WorkerEvent::Announce(number));
        }
    }

    /// A first attempt takes long: the server is to know that it has begun.
    pub(super) fn announce(&mut self, world: &mut World, number: u64) {
        let (Some(task), Some(session)) = (self.tasks.get_mut(&number), self.session) else { return };
        let is_current =
            self.channels.get(&task.no).is_some_and(|channel| channel.generation == task.generation);
        if is_current && task.stage == Stage::Working && !task.is_cancelled {
            task.is_announcing = true;
            let Delivery { name, attempt, .. } = task.delivery;
            world.oracle.announced(world.now, name, attempt, session);
            self.machine.started(task.no, name.job, attempt);
        }
    }

    /// All that was announced is written: handlers that waited for that begin. Whether any did.
    pub(super) fn announcements_written(&mut self, world: &mut World, link: LinkNo) -> bool {
        let Some(session) = self.session else { return false };
        let written: Vec<u64> =
            self.tasks.iter().filter(|(_, task)| task.is_announcing).map(|(number, _)| *number).collect();
        if written.is_empty() {
            return false;
        }
        let up_to = world.network.get(link).map_or(0, |link| link.from(Side::Worker).written);
        for number in written {
            let Some(task) = self.tasks.get_mut(&number) else { continue };
            task.is_announcing = false;
            let mark = Announcement { session, name: task.delivery.name, attempt: task.delivery.attempt };
            let is_current =
                self.channels.get(&task.no).is_some_and(|channel| channel.generation == task.generation);
            if is_current {
                world.announcements.entry(link).or_default().push_back((up_to, mark));
            }
            if task.stage == Stage::Waiting {
                if is_current { self.begin(world, number) } else { self.drop_task(world, number) }
            }
        }
        true
    }

    /// A handler goes on: it says something, ends, or takes its process with it.
    pub(super) fn work(&mut self, world: &mut World, number: u64) -> Verdict {
        let Some(task) = self.tasks.get_mut(&number) else { return Ok(()) };
        let is_current =
            self.channels.get(&task.no).is_some_and(|channel| channel.generation == task.generation);
        if !is_current || task.stage == Stage::Waiting {
            // Its job is with others by now: nothing that it says counts.
            self.drop_task(world, number);
            return Ok(());
        }
        let behaviour = task.fate.behaviour(task.delivery.attempt);
        if task.is_cancelled {
            let kind = [Kind::Returned, Kind::Failed, Kind::Done][world.dice.workers.random_range(0..3)];
            self.finish(world, number, kind);
            return Ok(());
        }
        if behaviour == Behaviour::Crash {
            world.note("poison", self.place as u64, task.delivery.name.job.0);
            self.has_crashed = true;
            return Ok(());
        }
        if task.stage == Stage::Working && world.happens(Fault::Late) {
            task.stage = Stage::Withheld;
            let delay = world.spell(Fault::Late, Duration::from_secs(40));
            self.after(world, delay, WorkerEvent::Work(number));
            return Ok(());
        }
        if behaviour == Behaviour::Fail {
            self.finish(world, number, Kind::Failed);
        } else {
            self.say_results(world, number);
        }
        Ok(())
    }

    /// Says some or all of a job's results; with the last of them it is completed, or just behind.
    fn say_results(&mut self, world: &mut World, number: u64) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        let Some(channel) = self.channels.get_mut(&task.no) else { return };
        if channel.direction == Direction::Down {
            return self.finish(world, number, Kind::Done);
        }
        let (attempt, life) = (task.delivery.attempt, self.life);
        let all = task.fate.results;
        let until = if world.dice.workers.random_range(0..10) < 7 { all } else { (task.said + 1).min(all) };
        while task.said < until {
            let of = ResultName { name: task.delivery.name, attempt, life, index: task.said };
            job::put(job::result(&world.plan, of), &mut channel.answers.payload);
            task.said += 1;
            if task.said == all && world.dice.workers.random_range(0..10) < 7 {
                return self.finish(world, number, Kind::Last);
            }
            channel.answers.push(Kind::Result, of.name.job, attempt, 0);
        }
        if task.said < all || world.dice.workers.random_range(0..4) == 0 {
            let soon = task.fate.work / 4 + Duration::from_micros(10);
            self.after(world, soon, WorkerEvent::Work(number));
        } else {
            self.finish(world, number, Kind::Done);
        }
    }

    /// The last word on a job.
    fn finish(&mut self, world: &mut World, number: u64, kind: Kind) {
        let Some(task) = self.tasks.remove(&number) else { return };
        if let Some(channel) = self.channels.get_mut(&task.no) {
            channel.running -= 1;
            if kind == Kind::Failed {
                channel.answers.payload.own().extend_from_slice(REASON.as_bytes());
            }
            channel.answer(kind, &task.delivery);
        }
        world.note("answer", task.delivery.name.job.0, kind as u64);
        self.tell_oracle(world, &task.delivery, kind);
        self.leave_if_drained(world, task.no);
    }

    fn drop_task(&mut self, world: &mut World, number: u64) {
        if let Some(task) = self.tasks.remove(&number) {
            if let Some(channel) = self.channels.get_mut(&task.no) {
                channel.running -= 1;
            }
            self.leave_if_drained(world, task.no);
        }
    }

    fn tell_oracle(&self, world: &mut World, delivery: &Delivery, kind: Kind) {
        if let Some(session) = self.session {
            world.oracle.answered(delivery.name, delivery.attempt, session, kind);
        }
    }

    /// Nobody wants a job any more: it is given back where it was not begun, else its handler is told.
    pub(super) fn cancelled(&mut self, world: &mut World, no: ChannelNo, job: JobId, attempt: Attempt) {
        world.note("cancelled", job.0, u64::from(attempt.0));
        let Some(channel) = self.channels.get_mut(&no) else { return };
        let is_it = |delivery: &Delivery| delivery.name.job == job && delivery.attempt == attempt;
        if let Some(at) = channel.queue.iter().position(is_it)
            && let Some(delivery) = channel.queue.remove(at)
        {
            channel.answer(Kind::Returned, &delivery);
            return self.tell_oracle(world, &delivery, Kind::Returned);
        }
        let generation = channel.generation;
        let task = self.tasks.iter_mut().find(|(_, task)| {
            task.no == no && task.generation == generation && is_it(&task.delivery) && !task.is_cancelled
        });
        let Some((number, task)) = task else { return };
        let number = *number;
        task.is_cancelled = true;
        if task.stage == Stage::Waiting {
            return self.finish(world, number, Kind::Returned);
        }
        let delay = if world.is_healing { Duration::ZERO } else { task.fate.deafness };
        self.after(world, delay, WorkerEvent::Work(number));
    }

    /// Others are idle: the newest jobs that no handler has begun go back; most of those that are asked for.
    pub(super) fn recalled(&mut self, world: &mut World, no: ChannelNo, count: u32) {
        world.note("recalled", u64::from(no.0), u64::from(count));
        let count = if world.dice.workers.random_range(0..8) == 0 { count / 2 } else { count };
        let Some(channel) = self.channels.get_mut(&no) else { return };
        let at = channel.queue.len().saturating_sub(count as usize);
        for delivery in channel.queue.split_off(at) {
            if let Some(channel) = self.channels.get_mut(&no) {
                channel.answer(Kind::Unbegun, &delivery);
            }
            self.tell_oracle(world, &delivery, Kind::Unbegun);
        }
    }

    /// The session was lost: handlers that would never come back are stopped, the others go on in vain.
    pub(super) fn drop_hanging(&mut self, no: ChannelNo) {
        let Some(channel) = self.channels.get_mut(&no) else { return };
        let before = self.tasks.len();
        self.tasks.retain(|_, task| {
            let goes_on =
                task.stage != Stage::Waiting && task.fate.behaviour(task.delivery.attempt) != Behaviour::Hang;
            task.no != no || goes_on
        });
        channel.running -= u32::try_from(before - self.tasks.len()).unwrap_or(0);
    }
}
