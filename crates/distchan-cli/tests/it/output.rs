//! The output of a job is never torn, lost or mixed, whatever its size.

use std::process::Command;

use crate::program::{run, run_on};

#[test]
fn output_is_grouped_whatever_its_size() {
    // Each writes to both outputs in small pieces, and some of it slowly: more than fits an ending.
    let script =
        "for i in 1 2 3; do printf '{}%.0s' $(seq 200000); printf 'e{}%.0s' $(seq 100) >&2; done; echo";
    let ended = run(&["-j4", script, ":::", "a", "b", "c", "d"]);
    assert_eq!(ended.code, 0);
    let mut lines: Vec<&str> = ended.out().lines().collect();
    lines.sort_unstable();
    let expected: Vec<String> = ["a", "b", "c", "d"].iter().map(|letter| letter.repeat(600_000)).collect();
    assert!(lines == expected, "{:?}", lines.iter().map(|line| line.len()).collect::<Vec<_>>());
    for letter in ["ea", "eb", "ec", "ed"] {
        assert!(ended.stderr.contains(&letter.repeat(300)), "{}", ended.stderr);
    }
}

#[test]
fn a_hundred_megabytes_of_one_job_come_whole_and_in_order() {
    let ended =
        run(&["-k", "-j2", "head -c {} /dev/zero | tr '\\0' x; echo", ":::", "100000000", "3"]).well();
    assert_eq!(ended.stdout.len(), 100_000_001 + 4);
    assert!(ended.stdout.ends_with(b"x\nxxx\n"));
}

#[test]
fn lines_are_never_torn_and_come_as_they_are_written() {
    let ended = run(&[
        "-j4",
        "--line-buffer",
        "for i in $(seq 50); do printf {}; printf {}; echo {}; done",
        ":::",
        "a",
        "b",
        "c",
        "d",
    ]);
    let ended = ended.well();
    assert_eq!(ended.out().lines().count(), 200);
    for line in ended.out().lines() {
        assert!(["aaa", "bbb", "ccc", "ddd"].contains(&line), "{line}");
    }
    // The second job waits for what the first has printed already.
    let fifo = tempfile::tempdir().unwrap();
    let path = fifo.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let script = format!(
        "if [ {{}} = 1 ]; then echo first; cat {0}; else echo second; echo go > {0}; fi",
        path.display()
    );
    let ended = run(&["-j2", "--line-buffer", "-k", &script, ":::", "1", "2"]).well();
    assert_eq!(ended.out(), "first\ngo\nsecond\n");
}

#[test]
fn tags_stand_before_each_line() {
    assert_eq!(
        run(&["-k", "--tag", "echo {}; echo x", ":::", "a", "b"]).well().out(),
        "a\ta\na\tx\nb\tb\nb\tx\n"
    );
    assert_eq!(run(&["-k", "--tagstring", "{#}-{}", "echo", ":::", "a"]).well().out(), "1-a\ta\n");
    assert_eq!(
        run(&["-k", "--line-buffer", "--tag", "printf 'x\\ny'", ":::", "1"]).well().out(),
        "1\tx\n1\ty"
    );
    let ended = run(&["--tag", "echo oops >&2", ":::", "a"]);
    assert_eq!(ended.stderr, "a\toops a\n");
}

#[test]
fn commands_are_shown_on_request() {
    assert_eq!(run(&["-k", "-v", "echo", ":::", "a b"]).well().out(), "echo 'a b'\na b\n");
    let ended = run(&["-k", "-t", "echo", ":::", "a"]);
    assert_eq!((ended.out(), ended.stderr.as_str()), ("a\n", "echo a\n"));
    assert_eq!(run(&["--dry-run", "rm -rf {}", ":::", "/nothing"]).well().out(), "rm -rf /nothing\n");
}

#[test]
fn binary_output_is_passed_through() {
    let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("binary");
    std::fs::write(&path, &all).unwrap();
    assert_eq!(run(&["cat", ":::", path.to_str().unwrap()]).well().stdout, all);
}

#[test]
fn whoever_has_read_enough_ends_the_run_well() {
    let script = "yes | \"$0\" run -j2 'echo {}; sleep 0.01' | head -n 3; echo ${PIPESTATUS[1]}";
    let output = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_distchan")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "y\ny\ny\n0\n");
}

#[test]
fn ungrouped_output_is_all_there() {
    let ended = run_on(&["-u", "-j2", "echo"], b"a\nb\nc\n").well();
    let mut lines: Vec<&str> = ended.out().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "c"]);
}
