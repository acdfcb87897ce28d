//! A channel's dispatch with workers that do what they are told. It holds nothing itself.

use std::time::Duration;

use bytes::Bytes;

use crate::batch::{Batch, Entry, Kind};
use crate::dispatch::lease::MemberId;
use crate::dispatch::members::Departure;
use crate::dispatch::policy::Policy;
use crate::dispatch::{Capacity, Dispatch};
use crate::failure::{AttemptEnd, Failure};
use crate::ids::{Attempt, JobId, SessionId, SinkId};
use crate::time::Time;

/// A delivery: the job, the attempt, and what the wire says of its deadline.
pub(super) type Delivery = (u64, u32, u32);

/// How a job ended: completed with so many results, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed(usize),
    Told(Failure),
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) dispatch: Dispatch,
    pub(super) now: Time,
    sessions: u64,
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

impl Stage {
    pub(super) fn new(ordered: bool, policy: Policy) -> Self {
        Self { dispatch: Dispatch::new(ordered, policy), now: Time::ZERO, sessions: 0 }
    }

    /// A worker that takes up to `window` jobs, called after its session.
    pub(super) fn join(&mut self, window: u32) -> MemberId {
        self.join_with(1, Some(window))
    }

    /// A worker that works on so many jobs at once; its window adapts, unless it is fixed.
    pub(super) fn join_with(&mut self, concurrency: u32, fixed: Option<u32>) -> MemberId {
        self.sessions += 1;
        let capacity = Capacity { concurrency, max_jobs: 65_536, max_bytes: 1 << 20, fixed };
        let name = format!("w{}", self.sessions);
        self.after(|stage| stage.dispatch.join(stage.now, &capacity, SessionId(stage.sessions), &name))
    }

    pub(super) fn submit(&mut self, jobs: u64) {
        self.submit_timed(jobs, &[]);
    }

    /// Jobs whose value is their number in one byte, and their key the rest by five; some have a deadline.
    pub(super) fn submit_timed(&mut self, jobs: u64, deadlines: &[(u32, Duration)]) {
        let first = self.dispatch.stats().submitted + 1;
        let payload: Vec<u8> = (first..first + jobs).map(|job| job.to_le_bytes()[0]).collect();
        let entry = |end| Entry { job: JobId(0), attempt: Attempt::FIRST, end, extra: 0, kind: Kind::Value };
        let entries = (1..).take(payload.len()).map(entry).collect();
        let numbers = (first..first + jobs).filter(|_| self.dispatch.keys.is_some());
        let keys = numbers.map(|job| job % 5).collect();
        let batch =
            Batch { payload: Bytes::from(payload).into(), entries, deadlines: deadlines.to_vec(), keys };
        self.after(|stage| stage.dispatch.submit(stage.now, batch));
    }

    /// Everything that the member's connection can write.
    pub(super) fn take(&mut self, member: MemberId) -> Vec<Delivery> {
        self.take_up_to(member, usize::MAX)
    }

    pub(super) fn take_up_to(&mut self, member: MemberId, most: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        self.after(|stage| {
            stage.dispatch.take(stage.now, member, |entry, pieces| {
                let count = pieces.lengths().count().min(most - taken.len());
                let jobs = (entry.job.0..).take(count);
                taken.extend(jobs.map(|job| (job, entry.attempt.0, entry.extra)));
                count
            });
        });
        taken
    }

    pub(super) fn say(&mut self, member: MemberId, kind: Kind, job: u64, attempt: u32) {
        self.say_run(member, kind, job, attempt, 0);
    }

    pub(super) fn say_run(&mut self, member: MemberId, kind: Kind, job: u64, attempt: u32, further: u32) {
        let payload = if kind == Kind::Failed { &b"no disk"[..] } else { b"" };
        let end = u32::try_from(payload.len()).expect("short");
        let entries = vec![Entry { job: JobId(job), attempt: Attempt(attempt), end, extra: further, kind }];
        let batch = Batch { payload: Bytes::from_static(payload), entries, ..Batch::default() };
        self.after(|stage| stage.dispatch.answer(stage.now, member, batch));
    }

    /// Says in one batch that all of these have failed.
    pub(super) fn fail_all(&mut self, member: MemberId, deliveries: &[Delivery]) {
        let entry = |(job, attempt, _): &Delivery| {
            let (job, attempt) = (JobId(*job), Attempt(*attempt));
            Entry { job, attempt, end: 0, extra: 0, kind: Kind::Failed }
        };
        let entries: Vec<_> = deliveries.iter().map(entry).collect();
        self.after(|stage| {
            stage.dispatch.answer(stage.now, member, Batch { entries, ..Batch::default() });
        });
    }

    pub(super) fn started(&mut self, member: MemberId, job: u64, attempt: u32) {
        let run = [(JobId(job), 0)];
        self.after(|stage| stage.dispatch.started(stage.now, member, Attempt(attempt), run));
    }

    pub(super) fn lose(&mut self, member: MemberId) {
        self.after(|stage| stage.dispatch.leave(stage.now, member, Departure::Lost));
    }

    pub(super) fn cancel(&mut self, job: u64) {
        self.after(|stage| stage.dispatch.cancel(stage.now, JobId(job)));
    }

    pub(super) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.after(|stage| stage.dispatch.handle_timeout(stage.now));
    }

    /// Makes a call, and what follows every call.
    pub(super) fn after<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        let result = call(self);
        self.dispatch.check_invariants();
        self.dispatch.place(self.now, &mut Vec::new());
        self.dispatch.check_invariants();
        result
    }

    /// Who has been told to stop what since the last call.
    pub(super) fn revoked(&mut self) -> Vec<(MemberId, u64, u32)> {
        let revoked = self.dispatch.take_revoked();
        revoked.into_iter().map(|(member, attempt, job)| (member, job.0, attempt.0)).collect()
    }

    /// The outcomes that have become visible since the last call.
    pub(super) fn ends(&mut self) -> Vec<(u64, End)> {
        let mut ends = Vec::new();
        while let Some(release) = self.dispatch.pop_release() {
            assert_eq!(release.sink, SinkId::RECEIVER);
            let mut results = 0;
            for (start, entry) in release.batch.iter() {
                match entry.kind {
                    Kind::Result => results += 1,
                    Kind::Failed => {
                        let payload = release.batch.payload.slice(start as usize..entry.end as usize);
                        let failure = Failure::decode(&payload).expect("a failure's payload");
                        ends.push((entry.job.0, End::Told(failure)));
                    }
                    Kind::Last | Kind::Done => {
                        results += usize::from(entry.kind == Kind::Last);
                        let run = (entry.job.0..).take(usize::try_from(entry.run()).expect("a short run"));
                        ends.extend(run.map(|job| (job, End::Completed(results))));
                        results = 0;
                    }
                    Kind::Void => {}
                    Kind::Value | Kind::Returned | Kind::Unbegun => panic!("{entry:?} for a receiver"),
                }
            }
            self.dispatch.consumed(release.batch.cost());
        }
        ends
    }

    /// The only outcome since the last call, which is no completion.
    pub(super) fn only_failure(&mut self) -> (u64, Failure) {
        match self.ends().as_slice() {
            [(job, End::Told(failure))] => (*job, failure.clone()),
            other => panic!("{other:?}"),
        }
    }
}

/// A history in short: the attempt, its worker's session, when it began and ended in milliseconds, and how.
pub(super) fn history(failure: &Failure) -> Vec<(u32, u64, u128, u128, AttemptEnd)> {
    let millis = |time: Time| time.since_origin().as_millis();
    let short = |it: &crate::failure::AttemptRecord| {
        assert_eq!(
            &*it.worker,
            format!("w{}", it.session),
            "a worker's name and its session belong together"
        );
        (it.attempt.0, it.session.0, millis(it.started), millis(it.ended), it.end.clone())
    };
    failure.attempts.iter().map(short).collect()
}
