//! Who is given jobs first, and from whom they are taken back.

use std::time::Duration;

use crate::batch::Kind;
use crate::dispatch::lease::MemberId;
use crate::dispatch::policy::Policy;
use crate::dispatch::standing::Distribution;
use crate::dispatch::tests::stage::{SECOND, Stage};

const MILLISECOND: Duration = Duration::from_millis(1);

fn numbers(stage: &mut Stage, member: MemberId) -> Vec<u64> {
    stage.take(member).into_iter().map(|(job, ..)| job).collect()
}

/// Time passes, and the workers that are asked for jobs give back what they are asked for, the newest first.
fn balance(stage: &mut Stage, after: Duration, hands: &mut [(MemberId, Vec<u64>)]) -> Vec<(MemberId, u32)> {
    stage.advance(after);
    let recalls = stage.dispatch.take_recalls();
    for (member, count) in &recalls {
        let hand = hands.iter_mut().find(|(other, _)| other == member).map(|(_, hand)| hand).expect("known");
        for _ in 0..*count {
            stage.say(*member, Kind::Unbegun, hand.pop().expect("no more than it has"), 1);
        }
    }
    recalls
}

#[test]
fn whoever_is_idle_comes_first_and_equals_take_turns() {
    let mut stage = Stage::new(false, Policy::default());
    let workers = [(); 3].map(|()| stage.join_with(2, None));
    stage.submit(9);
    // Two handlers each are kept busy before anybody gets a third job.
    let hands = workers.map(|worker| numbers(&mut stage, worker));
    assert_eq!(hands, [vec![1, 4, 7], vec![2, 5, 8], vec![3, 6, 9]]);
    stage.say(workers[2], Kind::Done, 3, 1);
    stage.say(workers[2], Kind::Done, 6, 1);
    stage.submit(2);
    assert_eq!(numbers(&mut stage, workers[2]), [10], "its free handler comes first");
    assert_eq!(numbers(&mut stage, workers[0]), [11], "then all in turn");
}

#[test]
fn the_least_loaded_for_its_handlers_comes_first() {
    let policy = Policy { distribution: Distribution::LeastLoaded, ..Policy::default() };
    let mut stage = Stage::new(false, policy);
    let (small, large) = (stage.join_with(1, None), stage.join_with(4, None));
    stage.submit(10);
    assert_eq!(numbers(&mut stage, small), [1, 6]);
    assert_eq!(numbers(&mut stage, large), [2, 3, 4, 5, 7, 8, 9, 10]);
    [2, 3, 4, 5, 7].into_iter().for_each(|job| stage.say(large, Kind::Done, job, 1));
    stage.submit(3);
    assert_eq!((numbers(&mut stage, small), numbers(&mut stage, large)), (vec![], vec![11, 12, 13]));
}

#[test]
fn jobs_that_wait_behind_a_long_one_go_to_whoever_is_idle() {
    let mut stage = Stage::new(false, Policy::default());
    let (slow, quick) = (stage.join_with(1, None), stage.join_with(1, None));
    stage.submit(12);
    let mut hands = [(slow, numbers(&mut stage, slow)), (quick, numbers(&mut stage, quick))];
    assert_eq!(hands[0].1, [1, 3, 5, 7, 9, 11]);
    for job in std::mem::take(&mut hands[1].1) {
        stage.say(quick, Kind::Done, job, 1);
    }
    assert_eq!(balance(&mut stage, MILLISECOND / 2, &mut hands), [], "it may just be about to answer");
    assert_eq!(balance(&mut stage, MILLISECOND, &mut hands), [(slow, 2)], "half of the five that wait");
    assert_eq!(numbers(&mut stage, quick), [11, 9], "the newest, as they come back");
    [9, 11].into_iter().for_each(|job| stage.say(quick, Kind::Done, job, 1));
    assert_eq!(balance(&mut stage, 2 * MILLISECOND, &mut hands), [(slow, 1)]);
    assert_eq!(numbers(&mut stage, quick), [7]);
    stage.say(quick, Kind::Done, 7, 1);
    for job in [5, 3] {
        assert_eq!(balance(&mut stage, 2 * MILLISECOND, &mut hands), [(slow, 1)]);
        assert_eq!(numbers(&mut stage, quick), [job]);
        stage.say(quick, Kind::Done, job, 1);
    }
    assert_eq!(
        balance(&mut stage, SECOND, &mut hands),
        [],
        "nothing waits behind the job that it is busy with"
    );
    let stats = stage.dispatch.stats();
    assert_eq!((stats.recalled, stats.redelivered, stats.completed, stats.in_flight), (5, 0, 11, 1));
    assert_eq!(stage.dispatch.poll_timeout(), None, "and nobody looks again");
}

#[test]
fn what_is_not_on_its_way_is_not_asked_for() {
    let mut stage = Stage::new(false, Policy::default());
    let (stuck, quick) = (stage.join_with(1, None), stage.join_with(1, None));
    stage.submit(6);
    assert_eq!(stage.take_up_to(stuck, 1).len(), 1, "its connection does not take more");
    for job in numbers(&mut stage, quick) {
        stage.say(quick, Kind::Done, job, 1);
    }
    stage.advance(2 * MILLISECOND);
    assert_eq!((numbers(&mut stage, quick), stage.dispatch.take_recalls()), (vec![3, 5], vec![]));
}

#[test]
fn short_jobs_are_not_worth_their_way_back() {
    let mut stage = Stage::new(false, Policy::default());
    let (busy, idle) = (stage.join_with(1, None), stage.join_with(1, None));
    for _ in 0..40 {
        stage.submit(8);
        for worker in [busy, idle] {
            for job in numbers(&mut stage, worker) {
                stage.advance(MILLISECOND / 100);
                stage.say(worker, Kind::Done, job, 1);
            }
        }
    }
    stage.submit(10);
    for job in numbers(&mut stage, idle) {
        stage.say(idle, Kind::Done, job, 1);
    }
    // The other goes on answering: its five jobs are done in 50 µs.
    for job in numbers(&mut stage, busy) {
        stage.advance(MILLISECOND * 3 / 10);
        assert_eq!(stage.dispatch.take_recalls(), []);
        stage.say(busy, Kind::Done, job, 1);
    }
    assert_eq!(stage.dispatch.stats().recalled, 0);
}

#[test]
fn a_number_of_jobs_that_was_set_is_not_touched() {
    let mut stage = Stage::new(false, Policy::default());
    let (busy, idle) = (stage.join(4), stage.join(4));
    stage.submit(6);
    stage.take(busy);
    for job in numbers(&mut stage, idle) {
        stage.say(idle, Kind::Done, job, 1);
    }
    stage.advance(SECOND);
    assert_eq!((stage.dispatch.take_recalls(), stage.dispatch.poll_timeout()), (vec![], None));
}

#[test]
fn whoever_says_unasked_that_it_has_not_begun_has_given_back() {
    let mut stage = Stage::new(false, Policy::default());
    let worker = stage.join_with(1, None);
    stage.submit(1);
    stage.take(worker);
    stage.say(worker, Kind::Unbegun, 1, 1);
    assert_eq!(stage.take(worker), [(1, 2, 0)], "that was an attempt");
    let stats = stage.dispatch.stats();
    assert_eq!((stats.recalled, stats.redelivered), (0, 1));
}

#[test]
fn a_worker_that_says_nothing_is_given_nothing_that_others_can_take() {
    let mut stage = Stage::new(false, Policy::default());
    let (quiet, quick) = (stage.join_with(1, None), stage.join_with(1, None));
    stage.submit(2);
    assert_eq!((numbers(&mut stage, quiet), numbers(&mut stage, quick)), (vec![1], vec![2]));
    stage.advance(SECOND);
    stage.say(quick, Kind::Done, 2, 1);
    stage.submit(8);
    assert_eq!(numbers(&mut stage, quiet), [], "its next would wait for long");
    assert_eq!(numbers(&mut stage, quick).len(), 8);
}
