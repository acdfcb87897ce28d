//! What is measured of this project alone runs in small size, and prints what it says it prints.
//! It must not look at how fast, or how large, anything was.

use std::process::Command;

use serde_json::Value;

/// Runs a sub-command that prints one JSON line.
fn line(args: &[&str]) -> Value {
    let output =
        Command::new(env!("CARGO_BIN_EXE_distchan-bench")).args(args).output().expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON line")
}

fn assert_are_numbers(line: &Value, fields: &[&str]) {
    for field in fields {
        assert!(line[field].is_number(), "{field} in {line}");
    }
}

fn check_idle(channel_open: &str) {
    let small =
        ["idle", "--workers", "50", "--processes", "3", "--runs", "2", "--seconds", "1", "--n", "5000"];
    let line = line(&[&small[..], &[channel_open]].concat());
    assert_eq!((&line["workers"], &line["runs"]), (&50.into(), &2.into()), "{line}");
    assert_are_numbers(&line, &["connect_s", "jobs_per_s_alone", "jobs_per_s_among", "ratio"]);
    if cfg!(target_os = "linux") {
        assert_are_numbers(&line, &["server_rss_before_kb", "server_rss_after_kb", "bytes_per_idle_worker"]);
        assert_are_numbers(&line, &["server_cpu_us_per_idle_worker_per_s"]);
    }
}

#[test]
fn idle_workers_are_counted() {
    check_idle("--channel-open");
}

#[test]
fn workers_without_a_channel_are_idle_too() {
    check_idle("--channel-open=false");
}

#[test]
#[cfg(target_os = "linux")]
fn more_idle_workers_than_a_process_may_have_files_are_skipped() {
    let line = line(&["idle", "--workers", "4000000000"]);
    assert!(line["skipped"].as_str().is_some_and(|why| why.contains("ulimit")), "{line}");
}

#[test]
fn memory_is_watched() {
    // The bound is for large runs; here it must only not be in the way.
    let line = line(&["memory", "--n", "20000", "--pause", "20", "--limit", "4000"]);
    assert_eq!((&line["lost"], &line["duplicated"]), (&0.into(), &0.into()), "{line}");
    if cfg!(target_os = "linux") {
        assert_are_numbers(&line, &["server_rss_first_kb", "server_rss_max_kb", "server_rss_last_kb"]);
        assert_eq!(line["is_bounded"], true, "{line}");
    }
}

#[test]
fn every_prefetch_is_tried() {
    let line = line(&["credit", "--cases", "100us", "--runs", "2", "--scale", "0.002"]);
    assert_eq!((&line["case"], &line["n"]), (&"100us".into(), &128.into()), "{line}");
    assert_are_numbers(&line, &["adaptive_s", "dealt_s", "best_s", "ratio_to_best", "ratio_to_bound"]);
    let credits: Vec<_> = line["fixed"].as_array().expect("a list").iter().map(|it| &it["credit"]).collect();
    assert_eq!(credits, [1, 2, 4, 16]);
}

#[test]
fn a_mix_has_a_bound_and_jobs_that_take_no_time_have_none() {
    let mix = line(&["credit", "--cases", "mix", "--runs", "1", "--scale", "0.001"]);
    assert_are_numbers(&mix, &["bound_s", "ratio_to_bound"]);
    let micro = line(&["credit", "--cases", "1us", "--runs", "1", "--scale", "0.001"]);
    assert!(micro["bound_s"].is_null(), "{micro}");
}

#[test]
fn handshakes_are_counted() {
    let line = line(&["handshakes", "--n", "50", "--lanes", "4", "--runs", "2"]);
    assert_eq!((&line["n"], &line["runs"]), (&50.into(), &2.into()), "{line}");
    assert_are_numbers(&line, &["plain_per_s", "ticket_per_s"]);
}
