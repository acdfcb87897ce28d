//! Jobs that have keys: the key of each is the rest of its number by five.

use crate::batch::Kind;
use crate::dispatch::lease::MemberId;
use crate::dispatch::policy::Policy;
use crate::dispatch::tests::stage::Stage;

fn stage() -> Stage {
    Stage::new(false, Policy { by_key: true, ..Policy::default() })
}

fn numbers(stage: &mut Stage, member: MemberId) -> Vec<u64> {
    stage.take(member).into_iter().map(|(job, ..)| job).collect()
}

/// Which of five keys these jobs have.
fn keys(jobs: &[u64]) -> Vec<u64> {
    let mut keys: Vec<_> = jobs.iter().map(|job| job % 5).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn a_key_has_one_worker_and_its_jobs_stay_in_order() {
    let mut stage = stage();
    let workers = [(); 3].map(|()| stage.join_with(1, None));
    let mut hands = [const { Vec::new() }; 3];
    for _ in 0..20 {
        stage.submit(10);
        for (worker, hand) in workers.into_iter().zip(&mut hands) {
            let jobs = numbers(&mut stage, worker);
            jobs.iter().for_each(|job| stage.say(worker, Kind::Done, *job, 1));
            hand.extend(jobs);
        }
    }
    assert_eq!(hands.iter().map(Vec::len).sum::<usize>(), 200);
    assert!(hands.iter().all(|hand| hand.is_sorted()));
    let [first, second, third] = hands.map(|hand| keys(&hand));
    assert_eq!(first.len() + second.len() + third.len(), 5, "{first:?} {second:?} {third:?}");
}

#[test]
fn what_exceeds_a_window_waits_for_its_worker_and_for_no_other() {
    let mut stage = stage();
    let worker = stage.join(2);
    stage.submit(10);
    assert_eq!(numbers(&mut stage, worker), [1, 2]);
    assert_eq!(numbers(&mut stage, worker), [], "two are in hand");
    let other = stage.join(2);
    assert_eq!(numbers(&mut stage, other), [], "all keys are with the first as long as it has jobs of them");
    stage.say(worker, Kind::Done, 1, 1);
    assert_eq!(numbers(&mut stage, worker), [3]);
}

#[test]
fn a_key_stays_where_it_is_while_jobs_of_it_are_there_and_few_move_when_a_worker_comes() {
    let mut stage = stage();
    let first = stage.join_with(1, None);
    stage.submit(5);
    assert_eq!(numbers(&mut stage, first), [1, 2, 3, 4, 5]);
    let others = [(); 4].map(|()| stage.join_with(1, None));
    stage.submit(5);
    assert_eq!(numbers(&mut stage, first), [6, 7, 8, 9, 10], "each behind the one of its key");
    (1..=10).for_each(|job| stage.say(first, Kind::Done, job, 1));
    stage.submit(5);
    let kept = numbers(&mut stage, first);
    assert!(kept.len() < 5, "some keys are others' now: {kept:?}");
    let moved: usize = others.into_iter().map(|worker| numbers(&mut stage, worker).len()).sum();
    assert_eq!(kept.len() + moved, 5);
}

#[test]
fn the_jobs_of_a_lost_worker_go_to_another_in_their_order() {
    let mut stage = stage();
    let (lost, next) = (stage.join(3), stage.join(65_536));
    stage.submit(50);
    let had = numbers(&mut stage, lost);
    let mut of_next = numbers(&mut stage, next);
    assert_eq!(had.len(), 3);
    stage.lose(lost);
    // Those that it had, then those that waited for it.
    let again = numbers(&mut stage, next);
    assert_eq!(again[..3], had);
    assert!(again[3..].is_sorted());
    of_next.extend(&again);
    of_next.sort_unstable();
    assert_eq!(of_next, (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_worker_that_takes_no_more_jobs_lets_its_keys_go() {
    let mut stage = stage();
    let (leaving, other) = (stage.join(65_536), stage.join(65_536));
    stage.submit(10);
    let kept = numbers(&mut stage, leaving);
    stage.take(other);
    stage.after(|stage| stage.dispatch.retire(leaving));
    stage.submit(10);
    assert_eq!(numbers(&mut stage, other), (11..=20).collect::<Vec<_>>());
    kept.iter().for_each(|job| stage.say(leaving, Kind::Done, *job, 1));
    stage.after(|stage| stage.dispatch.pause(other));
    stage.submit(1);
    assert!(!stage.dispatch.is_hungry(), "nobody takes part");
    stage.after(|stage| stage.dispatch.unpause(stage.now, other));
    assert_eq!(numbers(&mut stage, other), [21]);
}
