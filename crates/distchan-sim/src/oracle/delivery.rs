//! Who has which job, in which attempt: a job is given to another worker only when the one that had it is gone, or has given it up, or
//! took too long; and no longer when it has crashed too many.

use distchan_proto::batch::Kind;
use distchan_proto::ids::Attempt;
use distchan_proto::time::Time;

use crate::job::{self, JobName};
use crate::oracle::sessions::SessionName;
use crate::oracle::{Begun, JobModel, Oracle, Verdict};
use crate::plan::Plan;
use crate::plan::channel::ChannelPlan;
use crate::world::Announcement;

impl Oracle {
    /// A worker has got a job.
    pub(crate) fn delivered(
        &mut self,
        now: Time,
        plan: &Plan,
        delivery: (JobName, Attempt, SessionName),
        bytes: &[u8],
    ) -> Verdict {
        let (name, attempt, session) = delivery;
        if bytes != job::payload(plan, name) {
            return Err(format!("job {} of {} arrived changed", name.job, name.channel));
        }
        let is_old = session.epoch != self.epoch;
        let previous = self.job(name).and_then(|job| job.newest);
        let previous_is_gone = previous.is_none_or(|(_, session)| self.sessions.is_gone(session));
        let channel = self.channels.get(name.channel as usize).ok_or("no such channel")?.plan.clone_policy();
        let Some(job) = self.job(name) else {
            return if is_old { Ok(()) } else { Err(format!("job {} was never sent", name.job)) };
        };
        let label = format_args!("attempt {attempt} of job {} of {}", name.job, name.channel);
        let may_be_doubled = channel.0.speculate_after.is_some() && !channel.0.by_key;
        // A second delivery may be on its way when the first is answered.
        if job.ended.is_some_and(|ended| attempt > ended) && !may_be_doubled {
            return Err(format!("{label} was given to a worker after the job's outcome"));
        }
        if let Some((newest, holder)) = previous {
            if attempt == newest && !job.is_unbegun {
                return Err(format!("{label} was delivered twice: {job:?}"));
            }
            if attempt < newest {
                // It was on its way when its worker's session ended.
                return Ok(());
            }
            let has_timed_out = channel.may_have_timed_out(job, (newest, holder), now) || may_be_doubled;
            if !previous_is_gone && !job.is_given_up && !job.is_unbegun && !has_timed_out {
                return Err(format!("{label} was given to {session:?} while {holder:?} had it: {job:?}"));
            }
        }
        if job.crashes >= channel.0.crash_limit {
            return Err(format!("{label} was given out after {} crashes", job.crashes));
        }
        job.newest = Some((attempt, session));
        (job.is_given_up, job.is_unbegun) = (false, false);
        self.sessions.hold(session, (name.channel, name.job, attempt));
        Ok(())
    }

    /// A handler has begun with a job.
    pub(crate) fn begun(&mut self, at: Time, name: JobName, attempt: Attempt, session: SessionName) {
        if let Some(job) = self.job(name) {
            let begun = Begun {
                attempt,
                session,
                at,
                announced: None,
                has_arrived: false,
                is_answered: false,
                has_failed: false,
            };
            // A later attempt is announced before it begins.
            match job.begun_mut(attempt, session) {
                Some(known) => known.at = at,
                None => job.begun.push(begun),
            }
        }
    }

    /// A worker says that it has begun a job, or is about to.
    pub(crate) fn announced(&mut self, at: Time, name: JobName, attempt: Attempt, session: SessionName) {
        let is_known = self.job(name).is_some_and(|job| job.begun_mut(attempt, session).is_some());
        if !is_known {
            self.begun(at, name, attempt, session);
        }
        if let Some(begun) = self.job(name).and_then(|job| job.begun_mut(attempt, session)) {
            begun.announced = Some(at);
        }
        self.sessions.announce(session, name.channel);
    }

    /// The server has read that a worker has begun a job.
    pub(crate) fn announcement_arrived(&mut self, mark: &Announcement) {
        let begun = self.job(mark.name).and_then(|job| job.begun_mut(mark.attempt, mark.session));
        if let Some(begun) = begun {
            begun.has_arrived = true;
        }
    }

    /// A worker has said how its attempt ended.
    pub(crate) fn answered(&mut self, name: JobName, attempt: Attempt, session: SessionName, kind: Kind) {
        self.sessions.release(session, (name.channel, name.job, attempt));
        let Some(job) = self.job(name) else { return };
        if job.newest == Some((attempt, session)) {
            job.is_given_up |= matches!(kind, Kind::Returned | Kind::Failed | Kind::Unbegun);
            job.is_unbegun |= kind == Kind::Unbegun;
        }
        if let Some(begun) = job.begun_mut(attempt, session) {
            begun.is_answered = true;
            begun.has_failed = kind == Kind::Failed;
        }
    }

    /// A worker leaves a channel, and gives up what it has of it.
    pub(crate) fn left(&mut self, session: SessionName, channel: u32) {
        for job in self.sessions.leave(session, channel) {
            let name = JobName { epoch: session.epoch, channel, job };
            if let Some(job) = self.job(name)
                && job.newest.is_some_and(|(_, holder)| holder == session)
            {
                job.is_given_up = true;
            }
        }
    }

    /// The server says that a session is over: whoever was known to have begun with a job has crashed.
    pub(crate) fn gone(&mut self, now: Time, name: SessionName, reason: &str) -> Verdict {
        let (held, is_lost) = self.sessions.gone(now, name, reason)?;
        for channel in self.sessions.announced_by(name) {
            if let Some(model) = self.channels.get_mut(channel as usize) {
                model.books.possible_crashes += 1;
            }
        }
        if !is_lost {
            return Ok(());
        }
        for (channel, job, attempt) in held {
            let Some(model) = self.channels.get_mut(channel as usize) else { continue };
            let index = usize::try_from(job.0 - 1).unwrap_or(usize::MAX);
            let Some(job) = model.jobs.get_mut(index) else { continue };
            if job.newest != Some((attempt, name)) {
                continue;
            }
            let Some(begun) = job.begun_mut(attempt, name).copied() else { continue };
            let is_over =
                job.ended.is_some() || job.cancelled.is_some() || job.deadline.is_some_and(|at| at <= now);
            // Of two that had it, the one that is lost may be the one that nobody wanted any more.
            let has_timed_out = model.plan.clone_policy().may_have_timed_out(job, (attempt, name), now)
                || model.plan.policy.speculate_after.is_some();
            if begun.has_arrived && !begun.is_answered && !is_over && !has_timed_out {
                job.crashes += 1;
                model.books.certain_crashes += 1;
            }
        }
        Ok(())
    }
}

impl JobModel {
    pub(super) fn begun_mut(&mut self, attempt: Attempt, session: SessionName) -> Option<&mut Begun> {
        self.begun.iter_mut().find(|begun| begun.attempt == attempt && begun.session == session)
    }
}

/// What a channel's policy says, apart from the channel.
pub(super) struct PolicyOf(pub(super) distchan_proto::Policy);

impl ChannelPlan {
    pub(super) const fn clone_policy(&self) -> PolicyOf {
        PolicyOf(self.policy)
    }
}

impl PolicyOf {
    /// Whether an attempt may have ended because it took too long, or its job was no longer wanted.
    pub(super) fn may_have_timed_out(&self, job: &JobModel, of: (Attempt, SessionName), now: Time) -> bool {
        let Some(limit) = self.0.job_timeout else { return false };
        let begun = job.begun.iter().find(|begun| (begun.attempt, begun.session) == of);
        begun.is_some_and(|begun| begun.announced.is_some_and(|at| now - at >= limit))
    }
}
