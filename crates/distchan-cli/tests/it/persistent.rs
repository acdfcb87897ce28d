//! `--persistent`: a process that stays.

use crate::program::{Running, run_on};

fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

#[test]
fn each_line_is_answered_by_one_and_the_process_stays() {
    // It says how many lines it has had, in all.
    let script = "n=0; while read -r line; do n=$((n + 1)); echo \"$line $n\"; done";
    let text = lines(3000);
    let ended = run_on(&["-k", "-j1", "--block", "100", "--persistent", script], text.as_bytes()).well();
    let expected: String = (1..=3000).map(|number| format!("{number} {number}\n")).collect();
    assert_eq!(ended.out(), expected);
}

#[test]
fn a_program_that_keeps_its_answers_is_shown_the_end() {
    let text = lines(20_000);
    let ended =
        run_on(&["-k", "-j2", "--block", "20k", "--persistent", "tr 0-9 a-j"], text.as_bytes()).well();
    let expected: String =
        text.chars().map(|c| if c == '\n' { c } else { char::from(c as u8 - b'0' + b'a') }).collect();
    assert_eq!(ended.out(), expected);
}

#[test]
fn answers_come_while_the_input_is_still_open() {
    let mut command = crate::program::distchan(&["run", "--persistent", "-u", "sed -u 's/^/> /'"]);
    command.stderr(std::process::Stdio::piped());
    let mut running = Running::of(command);
    use std::io::Write;
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(b"a\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    stdin.write_all(b"b\n").unwrap();
    drop(stdin);
    assert_eq!(running.ends().out(), "> a\n> b\n");
}

#[test]
fn records_may_end_with_nul_or_begin_with_their_length() {
    let ended = run_on(&["-k", "-0", "--persistent", "sed -zu 's/^/>/'"], b"a\nb\0c\0").well();
    assert_eq!(ended.stdout, b">a\nb\0>c\0");
    let input = b"\0\0\0\x03a\nb\0\0\0\0\0\0\0\x01c";
    let ended = run_on(&["-k", "--persistent", "--length-prefixed", "cat"], input).well();
    assert_eq!(ended.stdout, input);
}

#[test]
fn a_process_that_answers_too_little_or_ends_has_failed_its_block() {
    let ended = run_on(&["--persistent", "grep -v 2"], lines(5).as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("gave 4 for 5"), "{ended:?}");
    let ended = run_on(&["--persistent", "head -n 2; exit 3"], lines(5).as_bytes());
    assert_eq!(ended.code, 1);
}
