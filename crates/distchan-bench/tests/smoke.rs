//! The program runs, each scenario of the system that needs nothing but sockets, and its line says that nothing was lost.
//! It must not look at how fast anything was.

use std::process::Command;

use serde_json::Value;

fn check(scenario: &str, transport: &str, n: u64) {
    let output = Command::new(env!("CARGO_BIN_EXE_distchan-bench"))
        .args([scenario, "--system", "raw", "--n", &n.to_string(), "--transport", transport])
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(line["scenario"], scenario);
    assert_eq!(line["system"], "raw");
    assert_eq!(line["transport"], transport);
    assert_eq!(line["n"], n);
    assert_eq!(line["lost"], 0);
    assert_eq!(line["duplicated"], 0);
    assert_eq!(line["damaged"], 0);
    assert!(line["rate_per_s"].is_number());
    assert_eq!(line["p50_us"].is_number(), scenario == "w4");
}

#[test]
fn one_way_arrives_whole() {
    check("w1", "tcp", 20_000);
}

#[test]
fn there_and_back_arrives_whole() {
    check("w2", "tcp", 20_000);
}

#[test]
fn one_in_flight_arrives_whole() {
    check("w4", "tcp", 50);
}

#[test]
#[cfg(unix)]
fn a_unix_socket_carries_the_same() {
    check("w2", "unix", 20_000);
}

#[test]
fn each_run_prints_a_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_distchan-bench"))
        .args(["w1", "--system", "raw", "--n", "100", "--runs", "3"])
        .output()
        .expect("the program starts");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
}
