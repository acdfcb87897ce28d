//! The oracle can fail: machines that break a promise are caught, each within a thousand seeds, and by the oracle, not by themselves.

use distchan_proto::sabotage::{Sabotage, sabotage};
use distchan_sim::plan::options::Options;
use distchan_sim::sweep::attempt;

/// Within so many seeds each must be caught.
const SEEDS: u64 = 1000;

#[expect(clippy::print_stdout, reason = "which seed it was is worth a line")]
/// Runs seeds with machines that break a promise until the oracle says so, with one of these words.
fn check(what: Sabotage, words: &[&str]) {
    sabotage(Some(what));
    let caught = (1..=SEEDS).find_map(|seed| {
        // Where it contradicts itself, and panics, that is not the oracle's merit.
        let report = attempt(seed, &Options::default()).ok()?;
        let said = report.verdict.err()?;
        words.iter().any(|word| said.contains(word)).then_some((seed, said))
    });
    sabotage(None);
    let (seed, said) = caught.unwrap_or_else(|| panic!("{what:?} was not caught within {SEEDS} seeds"));
    println!("{what:?}: caught by seed {seed}: {}", said.chars().take(120).collect::<String>());
}

#[test]
fn a_stale_answer_that_counts() {
    check(
        Sabotage::AcceptStale,
        &["was completed in attempt", "which is not its newest", "after the job's outcome"],
    );
}

#[test]
fn results_that_are_shown_before_their_job_is_completed() {
    check(Sabotage::ReleaseEarly, &["results without an end", "begins before another's end"]);
}

#[test]
fn a_worker_that_takes_its_jobs_with_it() {
    check(Sabotage::ForgetOnDisconnect, &["stuck", "has not happened so"]);
}

#[test]
fn a_bystander_that_is_counted() {
    check(Sabotage::CountBystander, &["crashes of", "ended as Dead"]);
}

#[test]
fn credit_that_is_lost() {
    check(Sabotage::LoseCredit, &["stuck"]);
}

#[test]
fn an_order_that_is_broken_by_a_redelivery() {
    check(Sabotage::BreakOrder, &["was next"]);
}

#[test]
fn a_job_that_is_completed_twice_after_a_resume() {
    check(Sabotage::CompleteTwice, &["has two outcomes"]);
}

#[test]
fn a_channel_that_ends_with_a_job_outstanding() {
    check(Sabotage::EndEarly, &["is finished with", "was told that channel"]);
}

#[test]
fn a_worker_that_is_given_no_time_to_come_back() {
    check(Sabotage::NoGrace, &["of silence, away since"]);
}

#[test]
fn a_silent_worker_that_is_waited_for_for_ever() {
    check(Sabotage::WaitForEver, &["has heard nothing", "should be over"]);
}

#[test]
fn honest_machines_are_not_accused() {
    for seed in 1..=20 {
        let report = attempt(seed, &Options::default()).expect("no panic");
        assert_eq!(report.verdict, Ok(()), "seed {seed}");
    }
}
