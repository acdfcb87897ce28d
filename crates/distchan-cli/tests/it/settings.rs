//! Files and variables that set what flags set, and what is made from the declaration of the flags.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{Ended, distchan, finish};

/// The command in this directory, whose files are the only ones.
fn there(directory: &Path, args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = distchan(args);
    command.current_dir(directory).env("XDG_CONFIG_HOME", directory.join("user"));
    command.envs(env.iter().copied());
    finish(command, b"")
}

#[test]
fn the_nearest_wins_and_config_show_says_which() {
    let directory = tempfile::tempdir().unwrap();
    let user = directory.path().join("user/distchan");
    fs::create_dir_all(&user).unwrap();
    fs::write(user.join("config.toml"), "delay = '0.1'\nretries = 5\n").unwrap();
    fs::write(directory.path().join("distchan.toml"), "retries = 2\n[run]\nhalt = 'soon,fail=1'\n").unwrap();
    let shown = there(directory.path(), &["config", "show"], &[("DISTCHAN_JOBS", "3")]).well();
    let (_, run) = shown.out().split_once("[run]\n").unwrap();
    let run = run.split("\n[").next().unwrap();
    for line in [
        "jobs = \"3\"    # DISTCHAN_JOBS",
        "retries = \"2\"    # distchan.toml",
        "halt = \"soon,fail=1\"    # distchan.toml",
        "# timeout is not set; DISTCHAN_TIMEOUT",
    ] {
        assert!(run.lines().any(|other| other == line), "no {line:?} in {run}");
    }
    let delay = run.lines().find(|line| line.starts_with("delay")).unwrap();
    assert!(delay.ends_with("user/distchan/config.toml"), "{delay}");
    let (_, serve) = shown.out().split_once("[serve]\n").unwrap();
    assert!(serve.contains("listen = \"0.0.0.0:0\"    # default\n"), "{serve}");
    assert!(!shown.out().contains("ticket"), "{}", shown.out());
    // `--retries 2` by the file: the job is run twice; once where a flag says so.
    let count = |args: &[&str]| {
        let mut all = vec!["run"];
        all.extend(args);
        all.extend(["echo x >> log; false", ":::", "1"]);
        drop(fs::remove_file(directory.path().join("log")));
        assert_eq!(there(directory.path(), &all, &[]).code, 1);
        fs::read_to_string(directory.path().join("log")).unwrap().lines().count()
    };
    assert_eq!((count(&[]), count(&["--retries", "1"])), (2, 1));
}

#[test]
fn a_file_that_nobody_understands_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    for (text, word) in
        [("jbos = 1", "jbos"), ("[work]\nallow-exec = 'yes'", "allow-exec"), ("ticket = 'x'", "ticket")]
    {
        fs::write(directory.path().join("distchan.toml"), text).unwrap();
        let ended = there(directory.path(), &["run", "true", ":::", "1"], &[]);
        assert_eq!((ended.code, ended.out()), (2, ""), "{ended:?}");
        assert!(ended.stderr.contains("distchan.toml: ") && ended.stderr.contains(word), "{ended:?}");
    }
}

#[test]
fn completions_are_there_for_six_shells() {
    for shell in ["bash", "elvish", "fish", "nushell", "powershell", "zsh"] {
        let ended = finish(distchan(&["completions", shell]), b"").well();
        assert!(ended.out().contains("keep-order") && ended.out().contains("distchan"), "{shell}");
        if shell != "bash" {
            continue;
        }
        // What bash has to read, bash can read.
        let mut bash = Command::new("bash");
        bash.arg("-n").stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(bash, &ended.stdout).well();
    }
}

#[test]
fn manual_pages_have_every_command_and_its_options() {
    let directory = tempfile::tempdir().unwrap();
    finish(distchan(&["man", directory.path().to_str().unwrap()]), b"").well();
    for (page, word) in [
        ("distchan.1", "serve"),
        ("distchan-run.1", "keep\\-order"),
        ("distchan-serve.1", "ticket\\-file"),
        ("distchan-work.1", "allow\\-exec"),
        ("distchan-top.1", "interval"),
        ("distchan-explain.1", "JOB"),
    ] {
        let text = fs::read_to_string(directory.path().join(page)).unwrap();
        assert!(text.contains(".TH ") && text.contains(word), "{page}: {text}");
    }
    let ended = finish(distchan(&["man", "/nowhere"]), b"");
    assert_eq!(ended.code, 255, "{ended:?}");
    assert!(ended.stderr.contains("/nowhere"), "{ended:?}");
}
