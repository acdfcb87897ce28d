//! Whatever happens, in whatever order: invariants hold after each call, and in the end each job has exactly one outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::batch::Kind;
use crate::dispatch::lease::MemberId;
use crate::dispatch::members::Departure;
use crate::dispatch::policy::Policy;
use crate::dispatch::standing::Distribution;
use crate::dispatch::tests::stage::{Delivery, End, Stage};
use crate::failure::{AttemptEnd, Ending};

/// A channel whose workers and users do anything they may.
struct Play {
    stage: Stage,
    policy: Policy,
    rng: ChaCha8Rng,
    /// Everything that each worker was given and has not ended, with whether it was told to stop.
    hands: BTreeMap<MemberId, Vec<(Delivery, bool)>>,
    paused: Vec<MemberId>,
    ends: BTreeMap<u64, End>,
    ordered: bool,
    recalls: u64,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let policy = Policy {
            crash_limit: rng.random_range(1..4),
            failure_limit: rng.random_range(1..4),
            timeout_limit: rng.random_range(1..4),
            job_timeout: rng.random_bool(0.5).then_some(Duration::from_millis(50)),
            by_key: rng.random_bool(0.25),
            speculate_after: rng.random_bool(0.5).then_some(Duration::from_millis(20)),
            distribution: if rng.random_bool(0.5) {
                Distribution::RoundRobin
            } else {
                Distribution::LeastLoaded
            },
            ..Policy::default()
        };
        let ordered = rng.random_bool(0.5);
        let stage = Stage::new(ordered, policy);
        Self {
            stage,
            policy,
            rng,
            hands: BTreeMap::new(),
            paused: Vec::new(),
            ends: BTreeMap::new(),
            ordered,
            recalls: 0,
        }
    }

    fn act(&mut self) {
        let submitted = self.stage.dispatch.stats().submitted;
        match self.rng.random_range(0..20) {
            0 if self.hands.len() < 5 => {
                let window = self.rng.random_range(1..9);
                let fixed = self.rng.random_bool(0.5).then_some(window);
                let member = self.stage.join_with(self.rng.random_range(1..3), fixed);
                self.hands.insert(member, Vec::new());
            }
            1 | 2 if self.stage.dispatch.is_hungry() => self.submit(),
            3 => {
                let job = self.rng.random_range(0..submitted + 3);
                self.stage.cancel(job);
            }
            4 => self.leave(),
            5 => self.rest(),
            6..=8 => {
                let millis = self.rng.random_range(0..60);
                self.stage.advance(Duration::from_millis(millis));
            }
            9..=12 => {
                if let Some(member) = self.anyone() {
                    self.take(member);
                }
            }
            _ => self.answer(),
        }
        self.look();
    }

    fn submit(&mut self) {
        let count = self.rng.random_range(1..10u32);
        let mut deadlines = Vec::new();
        for index in 0..count {
            if self.rng.random_ratio(1, 5) {
                deadlines.push((index, Duration::from_millis(self.rng.random_range(0..300))));
            }
        }
        self.stage.submit_timed(count.into(), &deadlines);
    }

    fn anyone(&mut self) -> Option<MemberId> {
        let count = self.hands.len();
        let index = usize::try_from(self.rng.next_u64() % 64).expect("small");
        self.hands.keys().nth(index % count.max(1)).copied()
    }

    fn leave(&mut self) {
        if let Some(member) = self.anyone() {
            let departure = if self.rng.random_bool(0.5) { Departure::Left } else { Departure::Lost };
            self.hands.remove(&member);
            self.paused.retain(|other| *other != member);
            self.stage.after(|stage| stage.dispatch.leave(stage.now, member, departure));
        }
    }

    fn rest(&mut self) {
        let Some(member) = self.anyone() else { return };
        if let Some(index) = self.paused.iter().position(|other| *other == member) {
            self.paused.remove(index);
            self.stage.after(|stage| stage.dispatch.unpause(stage.now, member));
        } else {
            self.paused.push(member);
            self.stage.after(|stage| stage.dispatch.pause(member));
        }
    }

    fn take(&mut self, member: MemberId) {
        let most = self.rng.random_range(0..6);
        let taken = self.stage.take_up_to(member, most);
        assert!(taken.is_empty() || !self.paused.contains(&member), "whoever rests gets nothing");
        self.hands.entry(member).or_default().extend(taken.into_iter().map(|delivery| (delivery, false)));
    }

    fn answer(&mut self) {
        let Some(member) = self.anyone() else { return };
        let hand = self.hands.entry(member).or_default();
        if hand.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..hand.len());
        let ((job, attempt, _), _) = hand[index];
        let kinds = [Kind::Result, Kind::Last, Kind::Done, Kind::Failed, Kind::Returned, Kind::Unbegun];
        match self.rng.random_range(0..9) {
            drawn @ 0..6 => {
                let kind = kinds[drawn];
                if kind != Kind::Result {
                    hand.remove(index);
                }
                self.stage.say(member, kind, job, attempt);
            }
            6 => self.stage.say(member, Kind::Done, job, attempt + 1000),
            _ => self.stage.started(member, job, attempt),
        }
    }

    /// A worker is asked for jobs that it has not begun: it gives back the newest that nobody has told it to stop, or some of them.
    fn give_back_newest(&mut self, member: MemberId, count: u32) {
        self.recalls += 1;
        for _ in 0..self.rng.random_range(0..=count) {
            let hand = self.hands.get_mut(&member).expect("only who is here is asked");
            let Some(((job, attempt, _), false)) = hand.last().copied() else { return };
            hand.pop();
            self.stage.say(member, Kind::Unbegun, job, attempt);
        }
    }

    /// What came of it.
    fn look(&mut self) {
        for (member, job, attempt) in self.stage.revoked() {
            let hand = self.hands.get_mut(&member).expect("only who is here is told");
            let told = hand.iter_mut().find(|((j, a, _), _)| (*j, *a) == (job, attempt));
            assert!(!std::mem::replace(&mut told.expect("it has this delivery").1, true), "told once");
        }
        for (member, count) in self.stage.dispatch.take_recalls() {
            self.give_back_newest(member, count);
        }
        let revoked = self.hands.values().flatten().filter(|(_, is_told)| *is_told).count() as u64;
        assert_eq!(self.stage.dispatch.stats().revoked, revoked, "a place stays taken until the answer");
        for (job, end) in self.stage.ends() {
            if self.ordered {
                assert_eq!(job, self.ends.len() as u64 + 1, "in order, whatever the outcome");
            }
            self.judge(&end);
            assert_eq!(self.ends.insert(job, end), None, "one outcome for job {job}");
        }
    }

    /// Whether the history of a job gives the reason for its end.
    fn judge(&self, end: &End) {
        let End::Told(failure) = end else { return };
        let count = |is_meant: fn(&AttemptEnd) -> bool| {
            u32::try_from(failure.attempts.iter().filter(|it| is_meant(&it.end)).count()).expect("few")
        };
        let failures = count(|end| matches!(end, AttemptEnd::Failed(_)));
        let crashes = count(|end| matches!(end, AttemptEnd::Crashed { started: true }));
        let near = count(|end| matches!(end, AttemptEnd::Crashed { .. }));
        let timeouts = count(|end| matches!(end, AttemptEnd::TimedOut));
        let is_whole = failure.attempts.first().is_none_or(|first| first.attempt.0 == 1);
        let policy = &self.policy;
        let is_right = match failure.ending {
            Ending::Failed => failures == policy.failure_limit,
            Ending::Dead => timeouts == policy.timeout_limit || (crashes >= 1 && near >= policy.crash_limit),
            Ending::Cancelled => failures < policy.failure_limit && timeouts < policy.timeout_limit,
        };
        assert!(is_right || !is_whole, "{failure:?} under {policy:?}");
    }

    /// Everybody comes back to work.
    fn heal(&mut self) {
        self.stage.dispatch.close();
        for member in std::mem::take(&mut self.paused) {
            self.stage.after(|stage| stage.dispatch.unpause(stage.now, member));
        }
        let helper = self.stage.join(4);
        self.hands.insert(helper, Vec::new());
        for round in 0.. {
            assert!(round < 1000, "it never ends: {:?}", self.stage.dispatch.stats());
            for member in self.hands.keys().copied().collect::<Vec<_>>() {
                self.hands
                    .entry(member)
                    .or_default()
                    .extend(self.stage.take(member).into_iter().map(|it| (it, false)));
                for ((job, attempt, _), _) in self.hands.insert(member, Vec::new()).unwrap_or_default() {
                    self.stage.say(member, Kind::Done, job, attempt);
                }
            }
            self.look_at_ends();
            if self.stage.dispatch.is_finished() {
                break;
            }
            self.stage.advance(Duration::from_millis(200));
            self.look_at_ends();
        }
        self.stage.advance(Duration::from_secs(1));
        let stats = self.stage.dispatch.stats();
        assert_eq!(self.ends.len() as u64, stats.submitted);
        assert_eq!((stats.queued, stats.in_flight, stats.revoked, stats.backing_off), (0, 0, 0, 0));
        assert_eq!((stats.kept_bytes, stats.held_bytes), (0, 0));
        assert_eq!((self.stage.dispatch.records.len(), self.stage.dispatch.poll_timeout()), (0, None));
    }

    fn look_at_ends(&mut self) {
        for (member, job, attempt) in self.stage.revoked() {
            // Answered by now, in the same breath.
            assert!(self.hands.contains_key(&member), "{job}/{attempt}");
            self.stage.say(member, Kind::Done, job, attempt);
        }
        for (job, end) in self.stage.ends() {
            assert_eq!(self.ends.insert(job, end), None, "one outcome for job {job}");
        }
    }
}

#[test]
fn each_job_has_one_outcome_whatever_happens() {
    let (mut seen, mut recalls, mut recalled, mut speculated) = ([0; 4], 0, 0, 0);
    for seed in 0..300 {
        let mut play = Play::new(seed);
        for _ in 0..400 {
            play.act();
        }
        play.heal();
        recalls += play.recalls;
        speculated += play.stage.dispatch.stats().speculated;
        recalled += play.stage.dispatch.stats().recalled;
        for end in play.ends.values() {
            seen[match end {
                End::Completed(_) => 0,
                End::Told(failure) => 1 + failure.ending as usize,
            }] += 1;
        }
    }
    assert!(speculated > 200, "{speculated} jobs were with two workers");
    assert!(recalls > 50 && recalled > 50, "jobs are asked for, and come: {recalls}, {recalled}");
    assert!(seen.iter().all(|count| *count > 300), "every ending comes about: {seen:?}");
}
