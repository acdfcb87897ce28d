//! `--pipe`: a stream in blocks of whole records.

use crate::program::run_on;

fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

#[track_caller]
fn check(args: &[&str], stdin: &str, expected: &str) {
    let mut all = vec!["-k", "--pipe"];
    all.extend(args);
    assert_eq!(run_on(&all, stdin.as_bytes()).well().out(), expected, "{args:?}");
}

#[test]
fn blocks_are_whole_records() {
    check(&["-N3", "wc -l"], &lines(10), "3\n3\n3\n1\n");
    check(&["--block", "5", "wc -l"], &lines(10), "2\n2\n2\n2\n2\n");
    check(&["--recend", ";", "-N1", "cat; echo"], "a;b;c", "a;\nb;\nc\n");
    check(&["--recstart", ">", "-N1", "cat; echo -"], ">a\nb\n>c\n", ">a\nb\n-\n>c\n-\n");
    check(&["wc -l"], "", "");
    check(&["--tag", "-N2", "cat"], &lines(3), "\t1\n\t2\n\t3\n");
}

#[test]
fn what_goes_through_a_filter_is_the_same_in_order() {
    let text = lines(200_000);
    check(&["--block", "10k", "-j3", "cat"], &text, &text);
    check(&["cat"], &text, &text);
}

#[test]
fn a_filter_that_reads_no_more_is_its_own_business() {
    check(&["--block", "100k", "head -n 1"], &lines(30_000), "1\n18518\n");
}

#[test]
fn a_record_larger_than_a_block_is_a_block() {
    let long = "x".repeat(100_000);
    check(&["--block", "1k", "wc -c"], &format!("{long}\nb\n"), "100001\n2\n");
}

#[test]
fn the_first_line_stands_before_every_block() {
    let ended = run_on(&["--pipe", "-k", "-N2", "--header", ":", "cat; echo -"], b"name\n1\n2\n3");
    assert_eq!(ended.well().out(), "name\n1\n2\n-\nname\n3-\n");
    assert_eq!(run_on(&["--pipe", "--header", ":", "cat"], b"name\n").well().out(), "");
    let refused = run_on(&["--persistent", "--header", ":", "cat"], b"name\n");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("sees the first line once"), "{}", refused.stderr);
}
