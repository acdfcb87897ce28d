//! Jobs that take long on one worker while another is idle.

use std::time::Duration;

use crate::batch::Kind;
use crate::dispatch::lease::MemberId;
use crate::dispatch::policy::Policy;
use crate::dispatch::tests::stage::{End, SECOND, Stage, history};
use crate::failure::{AttemptEnd, Ending};

const AFTER: Duration = Duration::from_secs(2);

/// One job that a worker has had for so long that another has it too.
fn doubled(policy: Policy) -> (Stage, MemberId, MemberId) {
    let mut stage = Stage::new(false, Policy { speculate_after: Some(AFTER), ..policy });
    let (first, second) = (stage.join_with(1, None), stage.join_with(1, None));
    stage.submit(1);
    assert_eq!(stage.take(first), [(1, 1, 0)]);
    stage.advance(SECOND);
    assert_eq!(stage.take(second), [], "it may still be done in time");
    stage.advance(SECOND);
    stage.advance(SECOND);
    assert_eq!(stage.take(second), [(1, 2, 0)], "the next attempt, beside the first");
    assert_eq!(stage.dispatch.stats().speculated, 1);
    (stage, first, second)
}

#[test]
fn whoever_answers_first_has_it_and_the_other_is_told_to_stop() {
    for twin_wins in [false, true] {
        let (mut stage, first, second) = doubled(Policy::default());
        let (winner, loser) = if twin_wins { ((second, 2), (first, 1)) } else { ((first, 1), (second, 2)) };
        stage.say(winner.0, Kind::Last, 1, winner.1);
        assert_eq!(stage.revoked(), [(loser.0, 1, loser.1)]);
        assert_eq!(stage.ends(), [(1, End::Completed(1))]);
        stage.say(loser.0, Kind::Last, 1, loser.1);
        let stats = stage.dispatch.stats();
        assert_eq!((stats.completed, stats.refused_answers, stats.revoked, stats.in_flight), (1, 1, 0, 0));
        assert_eq!((stats.redelivered, stage.ends()), (0, vec![]));
    }
}

#[test]
fn a_result_is_an_answer_too() {
    let (mut stage, first, second) = doubled(Policy::default());
    stage.say(second, Kind::Result, 1, 2);
    assert_eq!(stage.revoked(), [(first, 1, 1)]);
    stage.say(first, Kind::Result, 1, 1);
    stage.say(first, Kind::Done, 1, 1);
    stage.say(second, Kind::Last, 1, 2);
    assert_eq!(stage.ends(), [(1, End::Completed(2))], "both of one worker");
}

#[test]
fn a_job_that_has_sent_results_is_left_where_it_is() {
    let mut stage = Stage::new(false, Policy { speculate_after: Some(AFTER), ..Policy::default() });
    let (first, second) = (stage.join_with(1, None), stage.join_with(1, None));
    stage.submit(1);
    stage.take(first);
    stage.say(first, Kind::Result, 1, 1);
    (0..10).for_each(|_| stage.advance(SECOND));
    assert_eq!(stage.take(second), []);
}

#[test]
fn the_loss_of_either_leaves_it_with_the_other() {
    let (mut stage, first, second) = doubled(Policy::default());
    stage.lose(first);
    assert_eq!(stage.dispatch.stats().in_flight, 1);
    stage.say(second, Kind::Last, 1, 2);
    assert_eq!(stage.ends(), [(1, End::Completed(1))]);

    let (mut stage, first, second) = doubled(Policy::default());
    stage.lose(second);
    stage.say(first, Kind::Last, 1, 1);
    assert_eq!(stage.ends(), [(1, End::Completed(1))]);
}

#[test]
fn when_both_are_lost_the_next_attempt_is_a_third() {
    let (mut stage, first, second) = doubled(Policy::default());
    stage.started(first, 1, 1);
    stage.started(second, 1, 2);
    stage.lose(second);
    stage.lose(first);
    let third = stage.join_with(1, None);
    assert_eq!(stage.take(third), [(1, 3, 0)]);
    stage.started(third, 1, 3);
    stage.lose(third);
    let (job, failure) = stage.only_failure();
    assert_eq!((job, failure.ending), (1, Ending::Dead), "three workers, and no fourth");
    let crashed = AttemptEnd::Crashed { started: true };
    let attempts: Vec<_> = history(&failure).into_iter().map(|(attempt, .., end)| (attempt, end)).collect();
    assert_eq!(attempts, [(2, crashed.clone()), (1, crashed.clone()), (3, crashed)]);
}

#[test]
fn a_failure_is_an_outcome_and_giving_back_is_none() {
    let (mut stage, _, second) = doubled(Policy::default());
    stage.say(second, Kind::Failed, 1, 2);
    assert_eq!(stage.only_failure().1.ending, Ending::Failed);

    let (mut stage, first, second) = doubled(Policy::default());
    stage.say(first, Kind::Returned, 1, 1);
    stage.say(second, Kind::Last, 1, 2);
    assert_eq!(stage.ends(), [(1, End::Completed(1))]);

    let (mut stage, first, second) = doubled(Policy::default());
    stage.say(second, Kind::Returned, 1, 2);
    stage.say(first, Kind::Last, 1, 1);
    assert_eq!((stage.ends(), stage.dispatch.stats().revoked), (vec![(1, End::Completed(1))], 0));
}

#[test]
fn what_is_cancelled_is_cancelled_on_both() {
    let (mut stage, first, second) = doubled(Policy::default());
    stage.cancel(1);
    assert_eq!(stage.revoked(), [(first, 1, 1), (second, 1, 2)]);
    stage.say(first, Kind::Returned, 1, 1);
    stage.say(second, Kind::Last, 1, 2);
    assert_eq!((stage.only_failure().1.ending, stage.dispatch.stats().revoked), (Ending::Cancelled, 0));
}

#[test]
fn nobody_looks_where_nobody_is_idle_or_it_was_not_asked_for() {
    for speculate_after in [None, Some(AFTER)] {
        let mut stage = Stage::new(false, Policy { speculate_after, ..Policy::default() });
        let workers = [(); 2].map(|()| stage.join_with(1, None));
        stage.submit(if speculate_after.is_some() { 2 } else { 1 });
        workers.into_iter().for_each(|worker| _ = stage.take(worker));
        (0..10).for_each(|_| stage.advance(SECOND));
        assert_eq!((stage.dispatch.stats().speculated, stage.dispatch.poll_timeout()), (0, None));
    }
}
