//! `--halt`.

use crate::program::{a_long_time, processes, run, until};

#[test]
fn a_run_halts_when_it_is_told_to() {
    let check = |how: &str, inputs: &[&str], code: i32| {
        let mut args = vec!["-j1", "--halt", how, "exit {}", ":::"];
        args.extend(inputs);
        assert_eq!(run(&args).code, code, "{how}");
    };
    check("never", &["3", "0", "4"], 2);
    check("now,fail=1", &["0", "3", "4"], 3);
    check("soon,fail=1", &["0", "3", "4"], 3);
    check("2", &["0", "3", "4"], 3);
    check("now,fail=2", &["3", "0", "4", "5"], 4);
    check("now,success=1", &["3", "0", "4"], 0);
    check("now,done=2", &["3", "0", "4"], 1);
    check("soon,fail=50%", &["3", "0", "4", "5"], 50);
}

#[test]
fn now_ends_what_runs_and_soon_finishes_it() {
    let time = a_long_time();
    let script = format!("if [ {{}} = 1 ]; then sleep {time}; else sleep 0.3; exit 5; fi");
    assert_eq!(run(&["-j2", "--halt", "now,fail=1", &script, ":::", "1", "2"]).code, 5);
    until("no sleep is left", || processes(&time) == 0);
    let ended = run(&[
        "-j2",
        "--halt",
        "soon,fail=1",
        "[ {} = 1 ] && sleep 1; echo {}; exit {}",
        ":::",
        "1",
        "2",
        "3",
        "4",
        "5",
    ]);
    let mut lines: Vec<&str> = ended.out().lines().collect();
    lines.sort_unstable();
    assert_eq!((ended.code, lines), (2, vec!["1", "2"]), "{}", ended.stderr);
}
