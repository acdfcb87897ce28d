//! What the server's user sees: one outcome a job, its results complete, of one attempt that counted, and in order where that is promised.

use std::time::Duration;

use bytes::Bytes;
use distchan_proto::batch::{Batch, Entry, Kind};
use distchan_proto::failure::{Ending, Failure};
use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::time::Time;

use crate::job::{self, Behaviour, Fate, JobName, ResultName};
use crate::oracle::{Begun, ChannelModel, Oracle, Verdict};
use crate::plan::Plan;

/// How much later than its deadline a job may end, for things that happen at one moment.
const LATE: Duration = Duration::from_millis(5);

impl Oracle {
    /// The server's user sees outcomes, or values.
    pub(crate) fn released(
        &mut self,
        now: Time,
        plan: &Plan,
        index: usize,
        sink: SinkId,
        batch: &Batch,
    ) -> Verdict {
        self.channels.get_mut(index).ok_or("no such channel")?.books.unread += batch.cost();
        let mut results: Vec<Bytes> = Vec::new();
        let mut of = None;
        for (start, entry) in batch.iter() {
            let payload = batch.payload.slice(start as usize..entry.end as usize);
            match entry.kind {
                Kind::Void => continue,
                Kind::Value => {
                    self.channels.get_mut(index).ok_or("no such channel")?.books.values += 1;
                    self.values.arrived(index, &payload)?;
                    continue;
                }
                Kind::Returned | Kind::Unbegun => {
                    return Err(format!("a return of job {} for a receiver", entry.job));
                }
                Kind::Result | Kind::Last => results.push(payload.clone()),
                Kind::Done | Kind::Failed => {}
            }
            if of.replace(entry.job).is_some_and(|other| other != entry.job) {
                return Err(format!("job {} begins before another's end", entry.job));
            }
            if entry.kind == Kind::Result {
                continue;
            }
            of = None;
            for job in (entry.job.0..entry.job.0.saturating_add(entry.run())).map(JobId) {
                let name = JobName { epoch: self.epoch, channel: crate::job::few(index), job };
                self.ended(name, sink, plan)?;
                if entry.kind == Kind::Failed {
                    self.failed(now, plan, name, &payload)?;
                } else {
                    self.completed(now, plan, name, entry, &std::mem::take(&mut results))?;
                }
            }
        }
        if of.is_some() { Err("results without an end".to_owned()) } else { Ok(()) }
    }

    /// A job has an outcome: its first, in its turn, in its place.
    fn ended(&mut self, name: JobName, sink: SinkId, plan: &Plan) -> Verdict {
        let job = name.job;
        if sink != Fate::of(plan, name).sink {
            return Err(format!("job {job} of {} ended in sink {sink}", name.channel));
        }
        let channel = self.channels.get_mut(name.channel as usize).ok_or("no such channel")?;
        if channel.is_finished {
            return Err(format!("job {job} ended after its channel was finished"));
        }
        if channel.plan.ordered && channel.next != job {
            return Err(format!("job {job} ended where {} was next", channel.next));
        }
        channel.next.0 += 1;
        channel.books.end(job);
        let model = self.job(name).ok_or_else(|| format!("job {job} was never sent"))?;
        if model.ended.is_some() {
            return Err(format!("job {job} of {} has two outcomes: {model:?}", name.channel));
        }
        Ok(())
    }

    fn completed(
        &mut self,
        now: Time,
        plan: &Plan,
        name: JobName,
        entry: &Entry,
        results: &[Bytes],
    ) -> Verdict {
        let (fate, attempt) = (Fate::of(plan, name), entry.attempt);
        let is_late = now - self.server_slept_until > LATE;
        let job = self.job(name).ok_or("never sent")?;
        job.ended = Some(attempt);
        let job = job.clone();
        let label = format_args!("job {} of {} was completed in attempt {attempt}", name.job, name.channel);
        if results.len() != fate.results as usize || fate.behaviour(attempt) != Behaviour::Complete {
            return Err(format!("{label} with {} results of {}: {fate:?}", results.len(), fate.results));
        }
        let channel = self.channels.get_mut(name.channel as usize).ok_or("no such channel")?;
        // With two workers at once, an older attempt may be the one that counts.
        let is_doubled = channel.plan.policy.speculate_after.is_some();
        let by = |begun: &&Begun| begun.attempt == attempt && (!is_doubled || begun.is_answered);
        let last = job.begun.iter().rfind(by).map(|begun| (attempt, begun.session));
        let newest = job.newest.filter(|(newest, _)| *newest == attempt);
        let Some((newest, session)) = newest.or_else(|| last.filter(|_| is_doubled)) else {
            return Err(format!("{label}, which is not its newest: {job:?}"));
        };
        if !job.begun.iter().any(|begun| begun.attempt == newest && begun.session == session) {
            return Err(format!("{label}, which nobody has begun: {job:?}"));
        }
        channel.books.completed += 1;
        if !channel.plan.ordered {
            // On an ordered channel it may have happened before.
            if self.sessions.is_gone(session) {
                return Err(format!("{label} by {session:?}, which was over"));
            }
            if job.cancelled.is_some() {
                return Err(format!("{label} after it was cancelled"));
            }
            if job.deadline.is_some_and(|deadline| now - deadline > LATE) && is_late {
                return Err(format!("{label}, later than its deadline: {job:?}"));
            }
        }
        check_results(plan, name, attempt, results)
    }

    fn failed(&mut self, now: Time, plan: &Plan, name: JobName, payload: &Bytes) -> Verdict {
        let failure = Failure::decode(payload).ok_or("a failure that cannot be read")?;
        if failure.value != job::payload(plan, name) {
            return Err(format!("job {} of {} failed with another's value", name.job, name.channel));
        }
        self.check_failure(now, name, &failure)?;
        let last = failure.attempts.last().map_or(Attempt(0), |record| record.attempt);
        let books = &mut self.channels.get_mut(name.channel as usize).ok_or("no such channel")?.books;
        match failure.ending {
            Ending::Failed => books.failed += 1,
            Ending::Dead => books.dead += 1,
            Ending::Cancelled => books.cancelled += 1,
        }
        if let Some(job) = self.job(name) {
            // What is cancelled may be on its way to a worker.
            job.ended = Some(if failure.ending == Ending::Cancelled { Attempt(u32::MAX) } else { last });
        }
        Ok(())
    }

    /// The server's user has taken results of this cost.
    pub(crate) fn consumed(&mut self, index: usize, cost: u64) {
        if let Some(ChannelModel { books, .. }) = self.channels.get_mut(index) {
            books.unread -= cost;
        }
    }
}

/// All of one attempt, of one worker, in their order.
fn check_results(plan: &Plan, name: JobName, attempt: Attempt, results: &[Bytes]) -> Verdict {
    let mut life = None;
    for (index, bytes) in results.iter().enumerate() {
        let said = job::result_name_of(bytes).ok_or("a result that nobody sent")?;
        let of = *life.get_or_insert(said.life);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let must = ResultName { name, attempt, life: of, index };
        if said != must || *bytes != job::result(plan, must) {
            return Err(format!("a result is {said:?}, not {must:?}"));
        }
    }
    Ok(())
}
