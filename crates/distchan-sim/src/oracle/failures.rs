//! Jobs that were not completed: what is said of their attempts has happened, and the channel's policy asks for exactly this end.

use distchan_proto::failure::{AttemptEnd, AttemptRecord, Ending, Failure};
use distchan_proto::time::Time;
use distchan_proto::{Policy, limits};

use crate::job::JobName;
use crate::oracle::sessions::SessionName;
use crate::oracle::{JobModel, Oracle, Verdict};

/// What a handler says of a job that fails.
pub(crate) const REASON: &str = "it must fail";

/// How often each thing has happened to a job, as the server says.
#[derive(Debug, Default)]
struct Count {
    failed: u32,
    crashed: u32,
    suspected: u32,
    timed_out: u32,
}

impl Oracle {
    pub(super) fn check_failure(&self, now: Time, name: JobName, failure: &Failure) -> Verdict {
        let channel = self.channels.get(name.channel as usize).ok_or("no such channel")?;
        let (policy, ordered) = (channel.plan.policy, channel.plan.ordered);
        let index = usize::try_from(name.job.0 - 1).map_err(|_| "no such job")?;
        let job = channel.jobs.get(index).ok_or("never sent")?;
        let mut count = Count::default();
        let mut previous = 0;
        for record in &failure.attempts {
            // Of two that ran at once, either may have ended first.
            let is_behind = record.attempt.0 <= previous && policy.speculate_after.is_none();
            if is_behind || record.ended < record.started || record.ended > now {
                return Err(format!("job {}: {record:?} behind attempt {previous}", name.job));
            }
            previous = record.attempt.0;
            self.check_record(name, job, record, policy, &mut count)?;
        }
        // Both of two workers that had it at once may be lost.
        let doubled = u32::from(policy.speculate_after.is_some());
        let is_cut = failure.attempts.len() >= limits::MAX_HISTORY;
        let is_right = match failure.ending {
            Ending::Failed => is_cut || count.failed == policy.failure_limit,
            Ending::Dead => {
                let by_crashes =
                    count.crashed >= 1 && count.crashed + count.suspected.min(1) >= policy.crash_limit;
                is_cut
                    || (by_crashes && count.crashed <= policy.crash_limit + doubled)
                    || count.timed_out == policy.timeout_limit
            }
            Ending::Cancelled if failure.is_overdue => job.deadline.is_some_and(|deadline| deadline <= now),
            Ending::Cancelled => job.cancelled.is_some(),
        };
        if !is_right || (!ordered && failure.ending != Ending::Cancelled && job.cancelled.is_some()) {
            return Err(format!(
                "job {} of {} ended as {:?} with {count:?}, {policy:?}: {:?}; {job:?}",
                name.job, name.channel, failure.ending, failure.attempts
            ));
        }
        Ok(())
    }

    /// What is said of an attempt has happened.
    fn check_record(
        &self,
        name: JobName,
        job: &JobModel,
        record: &AttemptRecord,
        policy: Policy,
        count: &mut Count,
    ) -> Verdict {
        let session = SessionName { epoch: name.epoch, session: record.session };
        let begun =
            job.begun.iter().find(|begun| begun.attempt == record.attempt && begun.session == session);
        let is_true = match &record.end {
            AttemptEnd::Failed(reason) => {
                count.failed += 1;
                reason == REASON && begun.is_some_and(|begun| begun.has_failed)
            }
            AttemptEnd::Crashed { started: true } => {
                count.crashed += 1;
                begun.is_some_and(|begun| begun.announced.is_some()) && self.sessions.is_ended(session)
            }
            AttemptEnd::Crashed { started: false } => {
                count.suspected += 1;
                self.sessions.is_ended(session)
            }
            AttemptEnd::TimedOut => {
                count.timed_out += 1;
                let limit = policy.job_timeout;
                limit.is_some_and(|limit| record.ended - record.started >= limit)
                    && begun
                        .and_then(|begun| begun.announced)
                        .is_some_and(|announced| limit.is_some_and(|limit| record.ended - announced >= limit))
            }
            _ => true,
        };
        if is_true {
            Ok(())
        } else {
            Err(format!(
                "job {} of {}: {record:?} has not happened so; {policy:?}, {begun:?}",
                name.job, name.channel
            ))
        }
    }
}
