//! Everything that ends otherwise than by completion: attempts that go wrong, jobs that are tried again, later or never. The channel's
//! policy is carried out here and in `members`, and nowhere else.

use bytes::Bytes;

use crate::batch::{Batch, Entry, Kind};
use crate::dispatch::Dispatch;
use crate::dispatch::lease::{Identity, Lease, MemberId};
use crate::dispatch::lot::Place;
use crate::dispatch::records::{Due, Record};
use crate::failure::{AttemptEnd, AttemptRecord, Ending, Failure};
use crate::ids::{Attempt, JobId};
use crate::time::Time;

/// What becomes of a job whose attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes before every fresh job.
    AtOnce,
    /// It waits, the longer the more often it went wrong.
    Later,
    /// It has its outcome.
    End(Ending),
}

impl Dispatch {
    /// A worker has begun to work on some of its jobs: from a job, and so many further ones each.
    pub(crate) fn started(
        &mut self,
        now: Time,
        member: MemberId,
        attempt: Attempt,
        runs: impl IntoIterator<Item = (JobId, u32)>,
    ) {
        // Runs longer than all that this worker has are a lie, not worth a look-up for each job.
        let mut most = u64::from(self.lease(member).map_or(0, Lease::outstanding));
        for (first, further) in runs {
            let count = u64::from(further) + 1;
            if count > most {
                continue;
            }
            most -= count;
            for job in (first.0..=first.0.saturating_add(further.into())).map(JobId) {
                if self.start(now, member, job, attempt)
                    && let Some(lease) = self.lease_mut(member)
                {
                    lease.begin();
                }
            }
        }
        self.restand(member);
        if let Some(keys) = &mut self.keys {
            keys.resume(member);
        }
    }

    /// Whether that is news.
    fn start(&mut self, now: Time, member: MemberId, job: JobId, attempt: Attempt) -> bool {
        if self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, attempt)) {
            return self.mark_started(now, job);
        }
        let twin = self.records.get_mut(job).and_then(|record| record.twin.as_mut());
        let twin = twin.filter(|twin| twin.is_with(member, attempt) && twin.started.is_none());
        twin.map(|twin| twin.started = Some(now)).is_some()
    }

    /// The worker that a job is with has begun it; false where that is known.
    pub(super) fn mark_started(&mut self, now: Time, job: JobId) -> bool {
        if let Some(slot) = self.lots.slot_mut(job) {
            slot.mark_record();
        }
        let record = self.records.open(job);
        if record.started.is_some() {
            return false;
        }
        record.started = Some(now);
        if let Some(timeout) = self.policy.job_timeout {
            self.records.set_due(job, now + timeout, Due::Timeout);
        }
        true
    }

    /// When [`Dispatch::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.records.next().into_iter().chain(self.balance.next()).min()
    }

    /// Time has passed: waits end, attempts are too long, deadlines are reached.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        while let Some((job, due)) = self.records.pop_due(now) {
            match due {
                Due::Deadline => self.call_off(now, job, true),
                Due::Timeout => self.time_out(now, job),
                Due::Retry => {
                    self.backing_off.remove(self.lots.bytes_of(job));
                    self.requeue(job);
                }
            }
        }
        self.balance_if_due(now);
    }

    /// The handler failed, or its results were more than is kept. The job is in nobody's hand any more.
    pub(super) fn fail(&mut self, now: Time, member: MemberId, job: JobId, reason: String) {
        self.release_from(member, job);
        let Some(identity) = self.lease(member).map(|lease| lease.identity.clone()) else {
            return;
        };
        self.end_attempt(now, job, &identity, AttemptEnd::Failed(reason));
        let record = self.records.open(job);
        record.failures += 1;
        let is_over = record.failures >= self.policy.failure_limit;
        self.stats.failures += 1;
        self.go_on(now, job, if is_over { Next::End(Ending::Failed) } else { Next::Later });
    }

    /// A handed job's attempt takes longer than it may.
    fn time_out(&mut self, now: Time, job: JobId) {
        let Some(identity) = self.revoke(job) else {
            return;
        };
        self.end_attempt(now, job, &identity, AttemptEnd::TimedOut);
        let record = self.records.open(job);
        record.timeouts += 1;
        let is_over = record.timeouts >= self.policy.timeout_limit;
        self.stats.timeouts += 1;
        self.go_on(now, job, if is_over { Next::End(Ending::Dead) } else { Next::Later });
    }

    /// Notes that an attempt has ended, and how; what it sent is dropped.
    pub(super) fn end_attempt(&mut self, now: Time, job: JobId, identity: &Identity, end: AttemptEnd) {
        let Some(slot) = self.lots.slot_mut(job) else {
            return;
        };
        slot.mark_record();
        let (attempt, handed) = (slot.attempt, slot.handed(now));
        self.records.clear_due(job);
        let record = self.records.open(job);
        let started = record.started.take().unwrap_or(handed);
        record.note(AttemptRecord {
            attempt,
            session: identity.session,
            worker: identity.name.clone(),
            started,
            ended: now,
            end,
        });
        self.outcomes.forget(job);
    }

    /// Does what is next for a job that nobody has.
    pub(super) fn go_on(&mut self, now: Time, job: JobId, next: Next) {
        let twin = self.records.twin(job).filter(|twin| next == Next::AtOnce && twin.handed.is_some());
        if let Some(twin) = twin {
            return self.promote(now, job, twin);
        }
        self.drop_twin(job);
        // With the worker of a second delivery one too many may have been lost.
        let is_deadly = self.records.get(job).is_some_and(|record| record.is_deadly(self.policy.crash_limit));
        match next {
            Next::End(ending) => return self.give_up(job, ending, false),
            Next::AtOnce | Next::Later if is_deadly => return self.give_up(job, Ending::Dead, false),
            Next::AtOnce | Next::Later => {}
        }
        let last_twin = self.records.get(job).map_or(0, |record| record.last_twin);
        let Some(slot) = self.lots.slot_mut(job) else {
            return;
        };
        slot.attempt.0 = slot.attempt.0.max(last_twin).saturating_add(1);
        self.stats.redelivered += 1;
        let troubles = self.records.get(job).map_or(0, |record| record.failures + record.timeouts);
        let delay = self.policy.delay(troubles);
        if next == Next::AtOnce || delay.is_zero() {
            return self.requeue(job);
        }
        slot.put(Place::BackingOff);
        self.backing_off.add(self.lots.bytes_of(job));
        self.records.set_due(job, now + delay, Due::Retry);
    }

    /// Puts a job that nobody has into the backlog.
    pub(super) fn requeue(&mut self, job: JobId) {
        if let Some(slot) = self.lots.slot_mut(job) {
            slot.put(Place::Backlog);
            self.put_back(job);
        }
    }

    /// Puts a job into the backlog that was there before.
    pub(super) fn put_back(&mut self, job: JobId) {
        if self.records.get(job).is_some_and(|record| record.crashes > 0) {
            self.backlog.give_back_blamed(job);
        } else {
            self.backlog.give_back(job);
        }
    }

    /// Gives a job that nobody has an outcome that is no completion.
    pub(super) fn give_up(&mut self, job: JobId, ending: Ending, is_overdue: bool) {
        self.drop_twin(job);
        let value = self.lots.job_mut(job).map(|(_, payload)| payload.shared().into_bytes());
        let (Some(settled), Some(value)) = (self.lots.end(job), value) else {
            return;
        };
        let Record { attempts, .. } =
            if settled.slot.has_record() { self.records.close(job) } else { Record::default() };
        match ending {
            Ending::Failed => self.stats.failed += 1,
            Ending::Dead => self.stats.dead += 1,
            Ending::Cancelled => self.stats.cancelled += 1,
        }
        let attempt = attempts.last().map_or(settled.slot.attempt, |last| last.attempt);
        let mut payload = Vec::new();
        Failure { ending, is_overdue, value, attempts }.encode(&mut payload);
        let end = u32::try_from(payload.len()).expect("a value and its history are far below 4 GiB");
        let entries = vec![Entry { job, attempt, end, extra: 0, kind: Kind::Failed }];
        let unit = Batch { payload: Bytes::from(payload), entries, ..Batch::default() };
        self.outcomes.finish(job, settled.sink, unit);
    }
}

/// The jobs that wait for their next attempt, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackingOff {
    pub(crate) jobs: u64,
    pub(crate) bytes: u64,
}

impl BackingOff {
    const fn add(&mut self, bytes: u64) {
        self.jobs += 1;
        self.bytes += bytes;
    }

    pub(super) const fn remove(&mut self, bytes: u64) {
        self.jobs -= 1;
        self.bytes -= bytes;
    }
}
