//! The program runs, each scenario of the systems that need nothing but sockets, and its lines say that nothing was lost.
//! It must not look at how fast anything was.

use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str]) -> Output {
    let output =
        Command::new(env!("CARGO_BIN_EXE_distchan-bench")).args(args).output().expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn check(scenario: &str, system: &str, options: &[&str]) {
    let args = [&[scenario, "--system", system], options].concat();
    let line: Value = serde_json::from_slice(&run(&args).stdout).expect("one JSON line");
    assert_eq!(line["scenario"], scenario);
    assert_eq!(line["system"], system);
    if line["skipped"].is_string() {
        // One core for all is Linux's; one stream of bytes has nothing beside it.
        assert!(scenario == "w4pin" || (scenario, system) == ("w6", "raw"), "{line}");
        return;
    }
    assert_eq!(line["lost"], 0, "{line}");
    assert_eq!(line["duplicated"], 0, "{line}");
    assert_eq!(line["damaged"], 0, "{line}");
    assert!(line["rate_per_s"].is_number());
    let is_timed = scenario.starts_with("w4") || scenario == "w6";
    assert_eq!(line["p50_us"].is_number() && line["p99_us"].is_number(), is_timed, "{line}");
    assert_eq!(line["p50_alone_us"].is_number(), scenario == "w6", "{line}");
}

fn check_both(scenario: &str, options: &[&str]) {
    check(scenario, "raw", options);
    check(scenario, "distchan", options);
}

#[test]
fn one_way_arrives_whole() {
    check_both("w1", &["--n", "20000"]);
}

#[test]
fn there_and_back_arrives_whole() {
    check_both("w2", &["--n", "20000"]);
}

#[test]
fn eight_workers_share_the_work() {
    check_both("w3", &["--n", "20000"]);
}

#[test]
fn sixty_four_workers_share_the_work() {
    check_both("w3x", &["--n", "20000"]);
}

#[test]
fn one_in_flight_arrives_whole() {
    for scenario in ["w4", "w4pin"] {
        check_both(scenario, &["--n", "50"]);
        check(scenario, "raw-tokio", &["--n", "50"]);
    }
}

#[test]
fn large_values_arrive_whole() {
    check_both("w5", &["--n", "4"]);
    check_both("w5x", &["--n", "2", "--size", "20000000"]);
}

#[test]
fn small_jobs_pass_beside_a_large_value() {
    check_both("w6", &["--n", "20", "--size", "20000000"]);
}

#[test]
fn many_senders_lose_nothing() {
    for scenario in ["w7a", "w7b", "w7c"] {
        check_both(scenario, &["--n", "10001"]);
    }
}

#[test]
fn what_is_encrypted_arrives_whole() {
    check("w8", "distchan", &["--n", "20000"]);
    check("w8x", "distchan", &["--n", "4"]);
    for scenario in ["w8", "w8x"] {
        let line: Value = serde_json::from_slice(&run(&[scenario, "--system", "raw"]).stdout).unwrap();
        assert_eq!(line["skipped"], "is here without TLS", "{line}");
    }
}

#[test]
#[cfg(unix)]
fn a_unix_socket_carries_the_same() {
    check_both("w2", &["--n", "20000", "--transport", "unix"]);
}

#[test]
fn each_run_prints_a_line() {
    let output = run(&["w1", "--system", "raw", "--n", "100", "--runs", "3"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
}

#[test]
fn a_comparison_prints_a_line_for_each_scenario_and_system() {
    let args = ["compare", "--scenarios", "w2,w4,w6,w7", "--systems", "raw,distchan", "--runs", "2"];
    let output = run(&[&args[..], &["--scale", "0.0001", "--json"]].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 6 * 2);
    for line in &lines {
        let line = line.as_object().expect("an object");
        for field in
            ["scenario", "system", "rate_per_s", "rate_min", "rate_max", "mb_per_s", "p50_us", "p99_us"]
        {
            assert!(line.contains_key(field), "{field} is missing in {line:?}");
        }
        for field in ["cpu_us_per_job", "server_rss_kb", "lost", "duplicated"] {
            assert!(line.contains_key(field), "{field} is missing in {line:?}");
        }
        if line.contains_key("skipped") {
            assert_eq!((&line["scenario"], &line["system"]), (&"w6".into(), &"raw".into()));
        } else {
            assert_eq!(
                (&line["runs"], &line["lost"], &line["duplicated"]),
                (&2.into(), &0.into(), &0.into())
            );
        }
    }
}

#[test]
fn a_comparison_prints_tables_and_draws_a_chart() {
    let chart = std::env::temp_dir().join(format!("distchan-bench-{}.svg", std::process::id()));
    let path = chart.to_str().expect("a path that is text");
    let args = ["compare", "--scenarios", "w1,w4", "--systems", "raw,raw-tokio,distchan", "--runs", "1"];
    let output = run(&[&args[..], &["--scale", "0.0001", "--chart", path]].concat());
    let tables = String::from_utf8(output.stdout).unwrap();
    for part in [
        "\nw1  one-way, 1 worker: values/s",
        "\n  distchan ",
        "raw-tokio [1]",
        "[1] is here for latency only",
        "p99.9",
    ] {
        assert!(tables.contains(part), "{part:?} is missing in\n{tables}");
    }
    let drawn = std::fs::read_to_string(&chart).expect("the chart was written");
    std::fs::remove_file(&chart).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    assert_eq!(drawn.matches("<rect ").count(), 5);
}

/// Which copies a worker makes that has connected, begun with `GLIBC_TUNABLES` or without.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn tunables_of_a_worker(given: Option<&str>) -> String {
    use std::process::Stdio;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_distchan-bench"));
    command
        .args(["worker", "w1", "1", "--system=raw", "--transport=tcp", "--size=1", "--address"])
        .arg(address);
    match given {
        Some(given) => command.env("GLIBC_TUNABLES", given),
        None => command.env_remove("GLIBC_TUNABLES"),
    };
    let mut worker = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
    let _connection = listener.accept().expect("the worker connects");
    let environment = std::fs::read(format!("/proc/{}/environ", worker.id()));
    worker.kill().and_then(|()| worker.wait()).expect("the worker ends");
    let environment = String::from_utf8(environment.expect("the worker lived")).expect("text");
    let mut variables = environment.split('\0');
    variables.find_map(|variable| variable.strip_prefix("GLIBC_TUNABLES=")).expect("it is set").to_owned()
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn copies_are_those_of_a_newer_glibc_unless_something_was_said_of_them() {
    assert!(tunables_of_a_worker(None).contains("rep_movsb_threshold"));
    assert_eq!(tunables_of_a_worker(Some("")), "");
}
