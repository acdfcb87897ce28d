//! Where inputs come from, and how they are cut and combined.

use std::fs;

use crate::program::{run, run_in, run_on};

#[track_caller]
fn check(args: &[&str], stdin: &str, expected: &str) {
    let mut all = vec!["-k"];
    all.extend(args);
    assert_eq!(run_on(&all, stdin.as_bytes()).well().out(), expected, "{args:?}");
}

#[test]
fn lines_of_standard_input_are_inputs() {
    check(&["echo"], "a\nb\n", "a\nb\n");
    check(&["echo"], "a\n\nb", "a\n\nb\n");
    check(&["-r", "echo"], "a\n\nb\n", "a\nb\n");
    check(&["-0", "echo"], "a\0b\nc\0", "a\nb\nc\n");
    check(&["-d", ";", "echo"], "a;b", "a\nb\n");
    check(&["echo"], "", "");
}

#[test]
fn lists_are_combined_or_linked() {
    check(&["echo", ":::", "a", "b", ":::", "1", "2"], "", "a 1\na 2\nb 1\nb 2\n");
    check(&["echo", ":::", "a", "b", "c", ":::+", "1", "2"], "", "a 1\nb 2\n");
    check(&["--link", "echo", ":::", "a", "b", "c", ":::", "1", "2"], "", "a 1\nb 2\nc 1\n");
    check(&["echo", ":::", "x", "::::", "-"], "1\n2\n", "x 1\nx 2\n");
    check(&["echo", ":::"], "", "");
}

#[test]
fn files_are_lists() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f"), "1\n2\n").unwrap();
    fs::write(directory.path().join("g"), "x\ny\n").unwrap();
    let check = |args: &[&str], expected: &str| {
        let mut all = vec!["-k"];
        all.extend(args);
        assert_eq!(run_in(directory.path(), &all).well().out(), expected, "{args:?}");
    };
    check(&["-a", "f", "echo"], "1\n2\n");
    check(&["echo", "::::", "f", "g"], "1 x\n1 y\n2 x\n2 y\n");
    check(&["echo", "::::", "f", "::::+", "g"], "1 x\n2 y\n");
    check(&["-a", "f", "-a", "g", "echo", "{2}{1}"], "x1\ny1\nx2\ny2\n");
}

#[test]
fn columns_headers_and_several_at_once() {
    check(&["--colsep", ",", "echo", "{2}-{1}"], "a,b\nc,d\n", "b-a\nd-c\n");
    check(&["--colsep", " +", "echo", "{2}"], "a   b\n", "b\n");
    check(&["--colsep", ",", "--header", ":", "echo", "{h2} {h1}"], "h1,h2\n1,2\n", "2 1\n");
    check(&["--header", ":", "echo", "{x}{y/}", ":::", "x", "1", ":::", "y", "a/2"], "", "12\n");
    check(&["-n", "2", "echo", ":::", "1", "2", "3"], "", "1 2\n3\n");
    check(&["-N0", "echo", "hi", ":::", "1", "2"], "", "hi\nhi\n");
    check(&["--trim", "lr", "echo", "{}.", ":::", "  a "], "", "a.\n");
}

#[test]
fn replacement_strings_are_gnu_parallels() {
    check(
        &["echo", "{.} {/} {//} {/.} {#}", ":::", "a/b.c", "d.e.f"],
        "",
        "a/b b.c a b 1\nd.e d.e.f . d.e 2\n",
    );
    check(&["-I", ",,", "echo", ",,", "{}", ":::", "a"], "", "a {}\n");
    check(&["-j1", "echo", "{%}", ":::", "a", "b"], "", "1\n1\n");
    // Which of two slots is first is nobody's to say.
    check(&["-j1", "echo $PARALLEL_SEQ $PARALLEL_JOBSLOT {}", ":::", "a"], "", "1 1 a\n");
}

#[test]
fn an_input_can_be_what_a_job_reads() {
    check(&["--stdin", "tr a-z A-Z"], "ab\ncd\n", "AB\nCD\n");
    check(&["--stdin", "-n2", "wc -l"], "a\nb\nc\n", "2\n1\n");
}

#[test]
fn shuffled_jobs_are_the_same_jobs() {
    let ended = run(&["--shuf", "-k", "echo", ":::", "1", "2", "3", "4", "5", "6", "7", "8"]).well();
    let mut lines: Vec<&str> = ended.out().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}
