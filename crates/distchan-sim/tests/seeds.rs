//! A few runs with every check on, and those seeds that ever failed.

use distchan_sim::cluster::run;
use distchan_sim::plan::Plan;

fn check(seed: u64) -> u64 {
    let report = run(Plan::of(seed), false);
    if let Err(broken) = &report.verdict {
        panic!(
            "seed {seed} after {} steps: {broken}; cargo run -p distchan-sim -- --seeds {seed} --trace",
            report.steps
        );
    }
    report.trace.hash()
}

#[test]
fn clusters_keep_their_promises() {
    for seed in 1..25 {
        check(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(check(3), check(3));
    assert_ne!(check(3), check(4));
}

#[test]
fn a_run_that_keeps_its_lines_is_the_same_run() {
    let report = run(Plan::of(5), true);
    report.verdict.unwrap();
    assert!(!report.trace.lines().is_empty());
    assert_eq!(report.trace.hash(), check(5));
}
