//! The command `hostile`, with a few hundred strangers: all is given back, nothing is lost, and its last line says so. How fast the work goes on
//! meanwhile is for longer runs.

use std::process::Command;

fn a_few_hundred_strangers(more: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_hostile"))
        .args(["--connections", "400", "--seed", "1", "--quiet", "0.5", "--least", "0.05"])
        .args(more)
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&run.stdout);
    let last = said.lines().last().unwrap_or_default();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    for figures in ["connections 400 ", " panics 0 ", " lost 0 duplicated 0 wrong 0 ", " workers lost 0 "] {
        assert!(last.contains(figures), "{figures}: {last}");
    }
}

#[test]
fn a_few_hundred_strangers_disturb_nobody() {
    a_few_hundred_strangers(&[]);
}

#[test]
fn nor_do_they_with_tickets() {
    a_few_hundred_strangers(&["--secured"]);
}

#[expect(clippy::print_stdout, reason = "what was not tested is to be known")]
fn a_crowd_that_stalls(more: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_hostile"))
        .args(["--stalled", "600"])
        .args(more)
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    if said.starts_with("SKIP") {
        println!("{said}");
    } else {
        assert!(said.starts_with("stalled 600 "), "{said}");
    }
}

#[test]
fn a_worker_comes_in_past_a_crowd_that_stalls() {
    a_crowd_that_stalls(&[]);
}

#[test]
fn and_with_a_ticket() {
    a_crowd_that_stalls(&["--secured"]);
}
