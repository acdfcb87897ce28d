//! Crashes, failures and timeouts against their limits.

use std::time::Duration;

use crate::batch::Kind;
use crate::dispatch::members::Departure;
use crate::dispatch::policy::Policy;
use crate::dispatch::tests::stage::{End, SECOND, Stage, history};
use crate::failure::{AttemptEnd, Ending};
use crate::time::Time;

const CRASHED: AttemptEnd = AttemptEnd::Crashed { started: true };
const STOOD_BY: AttemptEnd = AttemptEnd::Crashed { started: false };

#[test]
fn a_job_that_kills_its_workers_is_dead_after_three_and_bystanders_are_not_counted() {
    let mut stage = Stage::new(false, Policy::default());
    stage.submit(4);
    for life in 1..=3u32 {
        let member = stage.join(4);
        stage.advance(SECOND);
        let mut taken = stage.take(member);
        taken.sort_unstable();
        assert_eq!(taken, (1..=4).map(|job| (job, life, 0)).collect::<Vec<_>>());
        // Nothing is said of the first attempt: the process ends too soon. From then on it is announced.
        if life > 1 {
            stage.started(member, 2, life);
        }
        assert_eq!(stage.ends(), []);
        stage.advance(SECOND);
        stage.lose(member);
    }
    let (job, failure) = stage.only_failure();
    assert_eq!((job, failure.ending, &failure.value[..]), (2, Ending::Dead, &[2][..]));
    assert!(!failure.is_overdue);
    let expected = [(1, 1, 1000, 2000, STOOD_BY), (2, 2, 3000, 4000, CRASHED), (3, 3, 5000, 6000, CRASHED)];
    assert_eq!(history(&failure), expected);
    let stats = stage.dispatch.stats();
    assert_eq!((stats.dead, stats.crashes, stats.redelivered, stats.queued), (1, 2, 11, 3));
    // The others may be on as many lost workers as there are, if they had not begun.
    for _ in 0..20 {
        let member = stage.join(4);
        assert_eq!(stage.take(member).len(), 3);
        stage.lose(member);
    }
    let member = stage.join(4);
    for (job, attempt, _) in stage.take(member) {
        stage.say(member, Kind::Done, job, attempt);
    }
    assert_eq!(stage.ends().len(), 3);
    assert_eq!(stage.dispatch.stats().completed, 3);
}

#[test]
fn who_stood_by_while_another_job_was_known_to_be_begun_is_not_even_suspected() {
    let policy = Policy { crash_limit: 2, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    stage.submit(2);
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 1, 1);
    stage.lose(member);
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 2, 2);
    stage.lose(member);
    assert_eq!(stage.ends(), [], "one crash each");
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 1, 3);
    stage.lose(member);
    assert_eq!(stage.only_failure().0, 1, "its second crash");
}

#[test]
fn who_worked_beside_a_job_that_kills_is_not_put_beside_it_again() {
    let mut stage = Stage::new(false, Policy::default());
    stage.submit(3);
    let member = stage.join(3);
    stage.take(member);
    (1..=3).for_each(|job| stage.started(member, job, 1));
    stage.lose(member);
    // All three are to blame, as far as anybody knows: each goes to a worker without another such job, and waits until there is one.
    let members = [stage.join(3), stage.join(3)];
    stage.submit(1);
    let taken = members.map(|member| stage.take(member));
    assert_eq!(taken.concat().len(), 3, "{taken:?}");
    assert!(taken.iter().all(|of_one| of_one.iter().filter(|(job, ..)| *job < 4).count() == 1), "{taken:?}");
    let (killer, innocent) = (members[0], members[1]);
    assert_eq!(stage.dispatch.stats().queued, 1);
    let &(first, attempt, _) = taken[0].iter().find(|(job, ..)| *job < 4).expect("one each");
    let &(second, other_attempt, _) = taken[1].iter().find(|(job, ..)| *job < 4).expect("one each");
    stage.started(killer, first, attempt);
    stage.say(innocent, Kind::Done, second, other_attempt);
    assert_eq!(stage.take(innocent).len(), 1, "the third may follow now");
    stage.lose(killer);
    assert_eq!(stage.dispatch.stats().crashes, 4);
    assert_eq!(stage.dispatch.stats().dead, 0);
}

#[test]
fn a_suspicion_alone_kills_nobody_and_one_crash_beside_it_counts_as_two() {
    let policy = Policy { crash_limit: 2, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    stage.submit(2);
    for _ in 0..5 {
        let member = stage.join(2);
        stage.take(member);
        stage.lose(member);
    }
    assert_eq!(stage.ends(), []);
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 1, 6);
    stage.lose(member);
    assert_eq!(stage.only_failure().0, 1);
    assert_eq!(stage.dispatch.stats().crashes, 1);
}

#[test]
fn what_a_worker_was_told_to_stop_explains_its_loss() {
    let policy = Policy { crash_limit: 2, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    stage.submit(2);
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 1, 1);
    stage.cancel(1);
    stage.lose(member);
    let member = stage.join(2);
    stage.take(member);
    stage.started(member, 2, 2);
    stage.lose(member);
    let ends = stage.ends();
    assert_eq!(
        ends.iter().map(|(job, _)| *job).collect::<Vec<_>>(),
        [1],
        "job 2 has one crash, and no suspicion"
    );
}

#[test]
fn leaving_and_returning_are_never_counted() {
    let policy = Policy { crash_limit: 1, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    stage.submit(1);
    for attempt in 1..=20 {
        let member = stage.join(1);
        assert_eq!(stage.take(member), [(1, attempt, 0)]);
        stage.started(member, 1, attempt);
        if attempt % 2 == 0 {
            stage.say(member, Kind::Returned, 1, attempt);
            stage.say(member, Kind::Done, 1, attempt);
        }
        stage.after(|stage| stage.dispatch.leave(stage.now, member, Departure::Left));
    }
    assert_eq!(stage.ends(), []);
    let stats = stage.dispatch.stats();
    assert_eq!((stats.crashes, stats.refused_answers, stats.redelivered), (0, 10, 20));
    stage.cancel(1);
    let (_, failure) = stage.only_failure();
    assert_eq!(failure.attempts.len(), 16, "the newest");
    assert!(
        history(&failure)
            .iter()
            .zip(5..)
            .all(|(it, attempt)| it.0 == attempt && it.4 == AttemptEnd::Returned)
    );
}

#[test]
fn failures_are_tried_again_with_growing_waits_and_then_told() {
    let policy = Policy { failure_limit: 3, ..Policy::default() };
    for ordered in [false, true] {
        let mut stage = Stage::new(ordered, policy);
        let member = stage.join(4);
        stage.submit(2);
        assert_eq!(stage.take(member).len(), 2);
        stage.say(member, Kind::Failed, 1, 1);
        stage.say(member, Kind::Last, 2, 1);
        let early = if ordered { vec![] } else { vec![(2, End::Completed(1))] };
        assert_eq!(stage.ends(), early, "a job that waits holds up an ordered channel");
        assert_eq!(stage.dispatch.stats().backing_off, 1);
        assert_eq!(stage.dispatch.poll_timeout(), Some(Time::from_origin(Duration::from_millis(100))));
        stage.advance(Duration::from_millis(99));
        assert_eq!(stage.take(member), []);
        stage.advance(Duration::from_millis(1));
        assert_eq!(stage.take(member), [(1, 2, 0)]);
        stage.say(member, Kind::Failed, 1, 2);
        stage.advance(Duration::from_millis(199));
        assert_eq!(stage.take(member), []);
        stage.advance(Duration::from_millis(1));
        assert_eq!(stage.take(member), [(1, 3, 0)]);
        stage.started(member, 1, 3);
        stage.advance(SECOND);
        stage.say(member, Kind::Failed, 1, 3);
        let ends = stage.ends();
        let [(1, End::Told(failure)), rest @ ..] = ends.as_slice() else { panic!("{ends:?}") };
        assert_eq!(rest.len(), usize::from(ordered));
        let why = || AttemptEnd::Failed("no disk".into());
        assert_eq!(
            history(failure),
            [(1, 1, 0, 0, why()), (2, 1, 100, 100, why()), (3, 1, 300, 1300, why())]
        );
        assert_eq!(failure.ending, Ending::Failed);
        let stats = stage.dispatch.stats();
        assert_eq!((stats.failed, stats.failures, stats.redelivered, stats.completed), (1, 3, 2, 1));
        assert_eq!(stage.dispatch.poll_timeout(), None);
    }
}

#[test]
fn a_job_that_is_completed_at_last_leaves_nothing_behind() {
    let policy = Policy { failure_limit: 2, job_timeout: Some(SECOND), ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let member = stage.join(1);
    stage.submit_timed(1, &[(0, 60 * SECOND)]);
    assert_eq!(stage.take(member), [(1, 1, 60_001)]);
    stage.say(member, Kind::Failed, 1, 1);
    stage.advance(SECOND);
    assert_eq!(stage.take(member), [(1, 2, 59_001)]);
    stage.started(member, 1, 2);
    stage.say(member, Kind::Last, 1, 2);
    assert_eq!(stage.ends(), [(1, End::Completed(1))]);
    assert_eq!((stage.dispatch.poll_timeout(), stage.dispatch.records.len()), (None, 0));
}

#[test]
fn a_job_that_takes_too_long_goes_elsewhere_and_its_place_stays_taken_until_it_is_answered() {
    let policy = Policy { job_timeout: Some(SECOND), timeout_limit: 2, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let slow = stage.join(1);
    stage.submit(2);
    assert_eq!(stage.take(slow), [(1, 1, 0)]);
    stage.advance(100 * SECOND);
    assert_eq!(stage.revoked(), [], "a job that was not begun is not too long");
    stage.started(slow, 1, 1);
    stage.started(slow, 1, 1);
    stage.advance(SECOND);
    assert_eq!(stage.revoked(), [(slow, 1, 1)]);
    stage.advance(SECOND);
    assert_eq!(stage.take(slow), [], "it is still busy");
    let other = stage.join(1);
    assert_eq!(stage.take(other), [(1, 2, 0)]);
    let stats = stage.dispatch.stats();
    assert_eq!((stats.timeouts, stats.revoked, stats.in_flight, stats.queued), (1, 1, 1, 1));
    stage.started(other, 1, 2);
    stage.say(slow, Kind::Result, 1, 1);
    assert_eq!(stage.take(slow), [], "a result is not its end");
    stage.say(slow, Kind::Last, 1, 1);
    assert_eq!((stage.ends(), stage.dispatch.stats().refused_answers), (vec![], 2));
    assert_eq!(stage.take(slow), [(2, 1, 0)], "now it has a place");
    stage.advance(SECOND);
    assert_eq!(stage.revoked(), [(other, 1, 2)]);
    let (job, failure) = stage.only_failure();
    assert_eq!((job, failure.ending), (1, Ending::Dead));
    let expected =
        [(1, 1, 100_000, 101_000, AttemptEnd::TimedOut), (2, 2, 102_000, 103_000, AttemptEnd::TimedOut)];
    assert_eq!(history(&failure), expected);
    stage.lose(other);
    assert_eq!((stage.dispatch.stats().revoked, stage.dispatch.stats().crashes), (0, 0));
}

#[test]
fn a_paused_worker_gets_nothing_keeps_what_it_has_and_its_timers_go_on() {
    let policy = Policy { job_timeout: Some(10 * SECOND), ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let away = stage.join(3);
    stage.submit(4);
    assert_eq!(stage.take_up_to(away, 2).len(), 2);
    stage.started(away, 1, 1);
    stage.after(|stage| stage.dispatch.pause(away));
    assert!(!stage.dispatch.can_take(away) && !stage.dispatch.is_hungry());
    let other = stage.join(3);
    assert_eq!(
        stage.take(other),
        [(3, 1, 0), (4, 1, 0)],
        "what was only placed goes to others, as its first attempt"
    );
    stage.say(away, Kind::Done, 2, 1);
    assert_eq!(stage.take(away), []);
    stage.submit(1);
    assert_eq!(stage.take(other), [(5, 1, 0)]);
    stage.advance(10 * SECOND);
    assert_eq!(stage.revoked(), [(away, 1, 1)]);
    stage.say_run(other, Kind::Done, 3, 1, 2);
    stage.advance(SECOND);
    assert_eq!(stage.take(other), [(1, 2, 0)]);
    stage.submit(4);
    assert_eq!((stage.take(other).len(), stage.take(away).len()), (2, 0));
    stage.after(|stage| stage.dispatch.unpause(stage.now, away));
    assert_eq!(stage.take(away).len(), 2, "one of its three places is still taken");
    assert_eq!(stage.dispatch.stats().redelivered, 1);
}

#[test]
fn a_channel_whose_jobs_all_fail_takes_no_fresh_ones_without_end() {
    let policy = Policy { failure_limit: 2, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let member = stage.join(1024);
    while stage.dispatch.is_hungry() {
        stage.submit(1024);
        let deliveries = stage.take(member);
        stage.fail_all(member, &deliveries);
    }
    assert_eq!(stage.dispatch.stats().backing_off, crate::limits::MAX_BACKING_OFF);
    stage.advance(SECOND);
    assert_eq!((stage.dispatch.stats().backing_off, stage.take(member).len()), (0, 1024));
}
