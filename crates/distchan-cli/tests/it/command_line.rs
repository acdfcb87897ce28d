//! What is understood, and what is refused.

use std::process::{Command, Stdio};

use crate::program::{distchan, finish, run};

#[test]
fn what_is_not_there_is_refused() {
    for args in [
        &["--semaphore", "true"][..],
        &["--sql", "x", "true"],
        &["--tmux", "true"],
        &["-j", "many", "true"],
        &["--halt", "later", "true"],
        &["--timeout", "soon", "true"],
        &["--block", "x", "--pipe", "cat"],
        &["--pipe"],
        &["--pipe", "cat", ":::", "a"],
        &["--colsep", "(", "true"],
        &["--resume", "true"],
        &["-d", "ab", "true"],
        &["true", ":::+", "a"],
    ] {
        let ended = run(args);
        assert_eq!((ended.code, ended.out()), (2, ""), "{args:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_worker_has_to_be_told_what_it_may_run_and_where() {
    for (args, says) in [
        (&["work"][..], "no ticket"),
        (&["work", "127.0.0.1:1"], "what may this worker run?"),
        (&["work", "127.0.0.1:1", "--allow-exec", "--", "true"], "leave out --allow-exec"),
        (&["work", "distchan://nonsense", "--allow-exec"], "not a ticket"),
    ] {
        let ended = finish(distchan(args), b"");
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {ended:?}");
    }
}

#[test]
fn options_can_come_from_the_environment_and_flags_win() {
    let mut command = distchan(&["run", "-k", "exit {}", ":::", "0", "3", "4"]);
    command.env("DISTCHAN_JOBS", "1").env("DISTCHAN_HALT", "now,fail=1");
    assert_eq!(finish(command, b"").code, 3);
    let mut command = distchan(&["run", "--halt", "never", "exit {}", ":::", "0", "3", "4"]);
    command.env("DISTCHAN_HALT", "now,fail=1");
    assert_eq!(finish(command, b"").code, 2);
}

#[test]
fn help_names_every_exit_status_and_every_command() {
    let ended = finish(distchan(&["--help"]), b"").well();
    for command in ["run", "serve", "work"] {
        assert!(ended.out().contains(command), "{ended:?}");
    }
    let ended = finish(distchan(&["run", "--help"]), b"").well();
    for status in ["101", "124", "130", "143", "255"] {
        assert!(ended.out().contains(status), "{ended:?}");
    }
}

/// What is said on a terminal of a command line that is wrong; `None` where there is no `script` to make a terminal with.
fn said_on_a_terminal(env: Option<(&str, &str)>) -> Option<String> {
    let mut command = Command::new("script");
    let wrong = format!("'{}' run --nosuch", env!("CARGO_BIN_EXE_distchan"));
    command.args(["-qec", &wrong, "/dev/null"]).stdin(Stdio::null());
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(env);
    Some(String::from_utf8_lossy(&command.output().ok()?.stdout).into_owned())
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let plain = run(&["--nosuch"]).stderr;
    assert!(plain.contains("--nosuch") && !plain.contains('\x1b'), "{plain:?}");
    let Some(coloured) = said_on_a_terminal(None) else {
        return eprintln!("SKIP: there is no script(1) to make a terminal with");
    };
    assert!(coloured.contains("--nosuch") && coloured.contains("\x1b["), "{coloured:?}");
    let plain = said_on_a_terminal(Some(("NO_COLOR", "1"))).unwrap();
    assert!(plain.contains("--nosuch") && !plain.contains('\x1b'), "{plain:?}");
}
