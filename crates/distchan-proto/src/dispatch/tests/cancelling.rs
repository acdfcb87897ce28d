//! Jobs that nobody wants any more, at every place where a job can be.

use std::time::Duration;

use crate::batch::Kind;
use crate::dispatch::policy::Policy;
use crate::dispatch::tests::stage::{End, SECOND, Stage, history};
use crate::failure::{AttemptEnd, Ending};
use crate::ids::SinkId;

#[test]
fn a_job_can_be_cancelled_wherever_it_is() {
    for (ordered, by_deadline) in [(false, false), (false, true), (true, false), (true, true)] {
        let policy = Policy { failure_limit: 2, ..Policy::default() };
        let mut stage = Stage::new(ordered, policy);
        // Each of these ends its job after a second.
        let all: Vec<_> = (0..6).map(|index| (index, SECOND)).collect();
        if !by_deadline {
            stage.cancel(6);
        }
        let member = stage.join(4);
        stage.submit_timed(6, if by_deadline { &all } else { &[] });
        assert_eq!(stage.take_up_to(member, 3).len(), 3);
        stage.say(member, Kind::Done, 1, 1);
        stage.say(member, Kind::Failed, 2, 1);
        stage.started(member, 3, 1);
        stage.say(member, Kind::Result, 3, 1);
        // Job 1 is settled, 2 waits, 3 is handed, 4 placed, 5 placed since, 6 too, or cancelled before it came.
        if by_deadline {
            stage.advance(SECOND);
        } else {
            (1..=5).rev().for_each(|job| stage.cancel(job));
        }
        assert_eq!(stage.revoked(), [(member, 3, 1)]);
        let mut ends = stage.ends();
        if ordered {
            assert!(ends.is_sorted_by_key(|(job, _)| *job), "every outcome takes its place in the order");
        }
        ends.sort_by_key(|(job, _)| *job);
        assert_eq!(ends.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        for (job, end) in &ends[1..] {
            let End::Told(failure) = end else { panic!("{end:?}") };
            assert_eq!((failure.ending, failure.is_overdue), (Ending::Cancelled, by_deadline));
            assert_eq!(failure.value[..], [job.to_le_bytes()[0]]);
            let how: Vec<_> = history(failure).into_iter().map(|it| it.4).collect();
            match job {
                2 => assert_eq!(how, [AttemptEnd::Failed("no disk".into())]),
                3 => assert_eq!(how, [AttemptEnd::Cancelled]),
                _ => assert_eq!(how, []),
            }
        }
        let stats = stage.dispatch.stats();
        assert_eq!((stats.completed, stats.cancelled, stats.in_flight, stats.queued), (1, 5, 0, 0));
        assert_eq!((stats.revoked, stats.held_bytes, stats.kept_bytes, stats.backing_off), (1, 0, 0, 0));
        assert_eq!((stage.dispatch.poll_timeout(), stage.take(member)), (None, vec![]));

        stage.submit(4);
        assert_eq!(stage.take(member), [(7, 1, 0), (8, 1, 0), (9, 1, 0)], "one place of four is taken");
        stage.say(member, Kind::Returned, 3, 1);
        assert_eq!(stage.take(member), [(10, 1, 0)]);
        (1..=10).for_each(|job| stage.cancel(job));
        assert_eq!(stage.ends().len(), 4, "those that have their outcome keep it");
    }
}

#[test]
fn a_run_of_answers_frees_the_places_of_what_was_cancelled_within_it() {
    let mut stage = Stage::new(false, Policy::default());
    let member = stage.join(5);
    stage.submit(5);
    stage.take(member);
    stage.cancel(2);
    stage.cancel(4);
    stage.say_run(member, Kind::Done, 1, 1, 4);
    let completed = stage.ends().into_iter().filter(|(_, end)| *end == End::Completed(0));
    assert_eq!(completed.map(|(job, _)| job).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!((stage.dispatch.stats().revoked, stage.dispatch.stats().refused_answers), (0, 2));
    stage.say(member, Kind::Done, 2, 1);
    assert_eq!(stage.dispatch.stats().refused_answers, 3, "a place is freed once");
}

#[test]
fn a_sink_is_cancelled_as_a_whole_and_no_other() {
    let mut stage = Stage::new(false, Policy::default());
    let member = stage.join(2);
    stage.submit(3);
    stage.take_up_to(member, 1);
    stage.after(|stage| stage.dispatch.cancel_sink(stage.now, SinkId(7)));
    assert_eq!(stage.ends(), []);
    stage.after(|stage| stage.dispatch.cancel_sink(stage.now, SinkId::RECEIVER));
    assert_eq!(stage.ends().len(), 3);
    stage.submit(1);
    assert_eq!(stage.take(member), [(4, 1, 0)], "what comes later is not meant");
}

#[test]
fn what_was_cancelled_before_it_came_is_forgotten_when_it_never_comes() {
    let mut stage = Stage::new(false, Policy::default());
    stage.cancel(0);
    stage.cancel(1);
    stage.cancel(9);
    stage.submit(2);
    assert_eq!(stage.only_failure().0, 1);
    stage.dispatch.close();
    assert!(!stage.dispatch.is_finished());
    stage.cancel(2);
    stage.cancel(3);
    assert_eq!(stage.only_failure().0, 2);
    assert!(stage.dispatch.is_finished());
}

#[test]
fn a_connection_that_never_reads_gathers_nothing_of_what_was_cancelled() {
    let mut stage = Stage::new(false, Policy::default());
    let member = stage.join(8);
    for job in 1..=10_000 {
        stage.submit(1);
        stage.cancel(job);
        stage.ends();
    }
    stage.submit(1);
    assert_eq!(stage.take(member), [(10_001, 1, 0)]);
    let lease = stage.dispatch.lease(member).expect("it is here");
    assert!(lease.in_hand() == 1 && lease.has_room());
}

#[test]
fn a_deadline_is_rounded_up_and_one_that_has_passed_leaves_nothing() {
    let mut stage = Stage::new(false, Policy::default());
    let member = stage.join(4);
    let late = Duration::from_secs(100 * 24 * 60 * 60);
    stage.submit_timed(3, &[(0, Duration::from_micros(1500)), (1, Duration::ZERO), (2, late)]);
    assert_eq!(stage.take(member), [(1, 1, 3), (2, 1, 1), (3, 1, u32::MAX)]);
    stage.advance(Duration::ZERO);
    assert_eq!(stage.only_failure().0, 2);
    stage.advance(Duration::from_micros(1500));
    assert_eq!(stage.only_failure().0, 1);
    assert_eq!(stage.revoked(), [(member, 2, 1), (member, 1, 1)]);
    stage.advance(late);
    assert_eq!(stage.only_failure().0, 3);
}

#[test]
fn a_job_that_came_again_to_the_worker_it_was_taken_from_is_missed_when_that_worker_is_lost() {
    let timeout = Some(SECOND);
    let policy = Policy { job_timeout: timeout, backoff: (Duration::ZERO, SECOND), ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let member = stage.join(200);
    stage.submit(150);
    assert_eq!(stage.take(member).len(), 150);
    stage.started(member, 1, 1);
    stage.advance(SECOND);
    assert_eq!((stage.revoked(), stage.take(member)), (vec![(member, 1, 1)], vec![(1, 2, 0)]));
    // So much is answered that what was handed is gone through; then the old attempt is answered, too late.
    stage.say_run(member, Kind::Done, 2, 1, 148);
    stage.say(member, Kind::Done, 1, 1);
    assert_eq!(stage.dispatch.stats().in_flight, 1);
    stage.lose(member);
    let other = stage.join(1);
    assert_eq!(stage.take(other), [(1, 3, 0)]);
}
