//! The job log, what is resumed by it, and results.

use std::fs;

use crate::program::{run, run_on};

#[test]
fn the_job_log_has_gnu_parallels_columns() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let path = log.to_str().unwrap();
    run(&["-j1", "--joblog", path, "echo {}; exit {}", ":::", "0", "3"]);
    run(&["--joblog", "/dev/null", "true", ":::", "1"]).well();
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        lines[0],
        ["Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"]
    );
    assert_eq!(
        (lines[1][0], lines[1][1], &lines[1][4..]),
        ("1", ":", &["0", "2", "0", "0", "echo 0; exit 0"][..])
    );
    assert_eq!((lines[2][0], &lines[2][4..]), ("2", &["0", "2", "3", "0", "echo 3; exit 3"][..]));
    assert!(lines[1][2].parse::<f64>().unwrap() > 1e9 && lines[1][3].trim().parse::<f64>().unwrap() < 60.0);
    run(&["--joblog", path, "--timeout", "0.2", "sleep", ":::", "50"]);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.ends_with("\t0\t0\t-1\t15\tsleep 50\n"), "{text}");
    assert_eq!(text.lines().count(), 2, "a log begins anew unless it is resumed");
}

#[test]
fn a_job_is_known_by_its_command_and_not_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let path = log.to_str().unwrap();
    let resumed = |how: &str, inputs: &[&str]| {
        let mut args = vec!["-k", "-j1", "--joblog", path, how, "echo {}; exit {}", ":::"];
        args.extend(inputs);
        run(&args)
    };
    assert_eq!(resumed("--resume", &["0", "1"]).out(), "0\n1\n");
    // Others before, and the same in another order.
    let ended = resumed("--resume", &["2", "1", "3", "0"]);
    assert_eq!((ended.out(), ended.code), ("2\n3\n", 2));
    // What failed is run again; what is there twice was done once.
    assert_eq!(resumed("--resume-failed", &["0", "1", "0"]).out(), "1\n0\n");
    let lines = fs::read_to_string(&log).unwrap().lines().count();
    assert_eq!(lines, 1 + 2 + 2 + 2);
    fs::write(&log, "nonsense\n").unwrap();
    assert_eq!(resumed("--resume", &["0"]).code, 255);
}

#[test]
fn a_killed_run_is_resumed_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let path = log.to_str().unwrap();
    let inputs: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
    let mut args = vec!["run", "-j2", "--joblog", path, "--resume", "echo {}; sleep 0.05", ":::"];
    args.extend(inputs.iter().map(String::as_str));
    let running = crate::program::Running::start(&args);
    crate::program::until("ten are done", || {
        fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 10)
    });
    running.signal("KILL");
    assert_eq!(running.ends().code, -9);
    let ended = crate::program::finish(crate::program::distchan(&args), b"").well();
    let text = fs::read_to_string(&log).unwrap();
    let mut done: Vec<u32> =
        text.lines().skip(1).map(|line| line.split('\t').next().unwrap().parse().unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, (1..=40).collect::<Vec<_>>());
    assert!(ended.out().lines().count() < 31);
}

#[test]
fn results_are_laid_out_as_gnu_parallel_does() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("R");
    let path = root.to_str().unwrap();
    let ended =
        run(&["--results", path, "echo {1}-{2}; echo e >&2", ":::", "a/b", "..", ":::", "c d"]).well();
    assert_eq!(ended.out(), "");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(read("1/a\\_b/2/c d/stdout"), "a/b-c d\n");
    assert_eq!(read("1/a\\_b/2/c d/stderr"), "e\n");
    assert_eq!(read("1/\\../2/c d/seq"), "2");
    run(&["--results", path, "--header", ":", "echo", ":::", "x", "1"]).well();
    assert_eq!(read("x/1/stdout"), "1\n");
    run_on(&["--results", path, "--pipe", "-N1", "cat"], b"a\nb\n").well();
    assert_eq!(read("seq/2/stdout"), "b\n");
    // More than fits an ending.
    run(&["--results", path, "head -c {} /dev/zero", ":::", "3000000"]).well();
    assert_eq!(fs::metadata(root.join("1/3000000/stdout")).unwrap().len(), 3_000_000);
}
