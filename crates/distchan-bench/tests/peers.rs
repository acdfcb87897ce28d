//! Every scenario by every peer, in tiny size: nothing is lost, or the line says why it is not done.
//! It must not look at how fast anything was.
#![cfg(feature = "peers")]

use std::process::Command;

use serde_json::Value;

/// What each peer does not do, whatever the machine has.
const LEFT_OUT: [(&str, &[&str]); 6] = [
    ("tonic", &[]),
    ("zmq", &["w6"]),
    ("remoc", &[]),
    ("tarpc", &["w1", "w5", "w5x", "w6", "w7a", "w7b", "w7c"]),
    ("nats", &["w5x", "w6"]),
    ("jetstream", &["w5x", "w6"]),
];

fn check(system: &str, scenario: &str, options: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_distchan-bench"))
        .args([scenario, "--system", system])
        .args(options)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{scenario} {system}: {}", String::from_utf8_lossy(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    let (_, left_out) = LEFT_OUT.iter().find(|(name, _)| *name == system).expect("a peer");
    match line["skipped"].as_str() {
        // Without a broker there is no NATS, and one core for all is Linux's.
        Some(why) if why.contains("not installed") || scenario == "w4pin" => {}
        Some(why) => assert!(left_out.contains(&scenario), "{scenario} {system}: {why}"),
        None => {
            assert!(!left_out.contains(&scenario), "{line}");
            assert_eq!([&line["lost"], &line["duplicated"], &line["damaged"]], [0, 0, 0], "{line}");
        }
    }
}

fn check_all(scenario: &str, options: &[&str]) {
    for (system, _) in LEFT_OUT {
        check(system, scenario, options);
    }
}

#[test]
fn small_values_arrive_whole() {
    for scenario in ["w1", "w2", "w3", "w7b"] {
        check_all(scenario, &["--n", "5001"]);
    }
}

#[test]
fn sixty_four_workers_share_the_work() {
    check_all("w3x", &["--n", "2000"]);
}

#[test]
fn one_in_flight_arrives_whole() {
    for scenario in ["w4", "w4pin"] {
        check_all(scenario, &["--n", "30"]);
    }
}

#[test]
fn what_is_encrypted_arrives_whole() {
    check("tonic", "w8", &["--n", "5001"]);
    check("tonic", "w8x", &["--n", "4"]);
}

#[test]
fn large_values_arrive_whole() {
    check_all("w5", &["--n", "4"]);
    check_all("w5x", &["--n", "2", "--size", "20000000"]);
    check_all("w6", &["--n", "10", "--size", "20000000"]);
}
