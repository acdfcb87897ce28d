//! What must come of a run, whatever happens in it. The oracle knows what clients sent, what workers did and what the network did to whom;
//! it is shown everything that becomes visible, and says what was promised and not kept. It never sees a machine.

mod books;
mod delivery;
pub(crate) mod failures;
mod outcomes;
pub(crate) mod sessions;
pub(crate) mod values;

use distchan_proto::Direction;
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::time::Time;

use crate::job::JobName;
use crate::oracle::books::Books;
use crate::oracle::sessions::{SessionName, Sessions};
use crate::oracle::values::Values;
use crate::plan::Plan;
use crate::plan::channel::ChannelPlan;

/// Says what was promised and not kept.
pub(crate) type Verdict = Result<(), String>;

/// The judge of one run.
#[derive(Debug)]
pub(crate) struct Oracle {
    epoch: u32,
    channels: Vec<ChannelModel>,
    pub(crate) sessions: Sessions,
    pub(crate) values: Values,
    /// How far the server's timers may be late: for as long as its process was stopped.
    server_slept_until: Time,
}

/// One channel in this run of the server.
#[derive(Debug)]
pub(crate) struct ChannelModel {
    pub(crate) plan: ChannelPlan,
    jobs: Vec<JobModel>,
    books: Books,
    /// The job whose outcome comes next, where that is promised.
    next: JobId,
    is_finished: bool,
}

/// One job.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobModel {
    /// How it ended, once that has become visible.
    ended: Option<Attempt>,
    /// When its client cancelled it, and when it must be done.
    cancelled: Option<Time>,
    deadline: Option<Time>,
    /// The newest delivery that a worker has had.
    newest: Option<(Attempt, SessionName)>,
    /// Every attempt in which a handler began, and what is known of it.
    begun: Vec<Begun>,
    /// Whether whoever had the newest delivery has given it up, or has failed.
    is_given_up: bool,
    /// ... without having begun it, when it was asked: the same attempt may be another's.
    is_unbegun: bool,
    /// How often a worker was lost that was known to have begun it.
    crashes: u32,
}

/// One execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    attempt: Attempt,
    session: SessionName,
    at: Time,
    /// When the worker has said so, and whether the server has heard it.
    announced: Option<Time>,
    has_arrived: bool,
    is_answered: bool,
    has_failed: bool,
}

impl Oracle {
    pub(crate) fn new(plan: &Plan) -> Self {
        let model = |plan: &ChannelPlan| ChannelModel {
            plan: plan.clone(),
            jobs: Vec::new(),
            books: Books::default(),
            next: JobId(1),
            is_finished: false,
        };
        Self {
            epoch: 1,
            channels: plan.channels.iter().map(model).collect(),
            sessions: Sessions::new(plan.liveness),
            values: Values::default(),
            server_slept_until: Time::ZERO,
        }
    }

    /// The server has died, and what it had with it: another run begins.
    pub(crate) fn server_restarts(&mut self, plan: &Plan, epoch: u32) {
        let values = std::mem::take(&mut self.values);
        *self = Self { epoch, values, ..Self::new(plan) };
    }

    /// The server's process was stopped until now: what it had to do meanwhile is done late.
    pub(crate) fn server_slept(&mut self, now: Time) {
        self.server_slept_until = now;
        self.sessions.server_slept(now);
    }

    /// A client has sent a job.
    pub(crate) fn sent(&mut self, name: JobName) {
        if let Some(channel) = self.channels.get_mut(name.channel as usize) {
            channel.jobs.push(JobModel::default());
        }
    }

    /// A job was handed over that must be done by `at`.
    pub(crate) fn deadline(&mut self, name: JobName, at: Time) {
        if let Some(job) = self.job(name) {
            job.deadline = Some(at);
        }
    }

    /// A client cancels a job: unless it has its outcome, no other is possible.
    pub(crate) fn cancel(&mut self, now: Time, name: JobName) {
        if let Some(job) = self.job(name)
            && job.ended.is_none()
        {
            job.cancelled.get_or_insert(now);
        }
    }

    /// The server says that a channel is finished.
    pub(crate) fn finished(&mut self, index: usize) -> Verdict {
        let channel = self.channels.get_mut(index).ok_or("no such channel")?;
        if std::mem::replace(&mut channel.is_finished, true) {
            return Err(format!("channel {index} is finished twice"));
        }
        let open = if channel.plan.direction == Direction::Jobs { channel.open() } else { 0 };
        if open > 0 || channel.jobs.len() as u64 != channel.plan.jobs {
            return Err(format!(
                "channel {index} is finished with {open} jobs open, {} of {} sent",
                channel.jobs.len(),
                channel.plan.jobs
            ));
        }
        Ok(())
    }

    /// A worker was told that a channel is finished.
    pub(crate) fn told_finished(&self, epoch: u32, index: usize) -> Verdict {
        let is_finished = self.channels.get(index).is_some_and(|channel| channel.is_finished);
        if epoch != self.epoch || is_finished {
            Ok(())
        } else {
            Err(format!("a worker was told that channel {index} is finished"))
        }
    }

    /// Whether every channel with jobs is finished.
    pub(crate) fn is_done(&self) -> bool {
        self.channels.iter().all(|channel| channel.is_finished || channel.plan.direction == Direction::Up)
    }

    /// What is not done, in words.
    pub(crate) fn describe(&self) -> String {
        let describe = |channel: &ChannelModel| {
            let open = channel.jobs.iter().enumerate().filter(|(_, job)| job.ended.is_none());
            let first: Vec<String> =
                open.take(3).map(|(index, job)| format!("job {}: {job:?}", index + 1)).collect();
            format!(
                "{}: {} open of {} sent, finished {}: {}",
                channel.plan.name,
                channel.open(),
                channel.jobs.len(),
                channel.is_finished,
                first.join("; ")
            )
        };
        self.channels.iter().map(describe).collect::<Vec<_>>().join("\n")
    }

    /// The job, if it is of this run of the server.
    fn job(&mut self, name: JobName) -> Option<&mut JobModel> {
        if name.epoch != self.epoch {
            return None;
        }
        let index = usize::try_from(name.job.0.checked_sub(1)?).ok()?;
        self.channels.get_mut(name.channel as usize)?.jobs.get_mut(index)
    }
}

impl ChannelModel {
    /// Jobs that were sent and have no visible outcome.
    fn open(&self) -> u64 {
        self.jobs.len() as u64 - self.books.ended
    }
}
