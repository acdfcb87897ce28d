//! SIGINT, SIGTERM and SIGKILL: what is finished, what is ended, and that nothing is left behind.

use crate::program::{Running, a_long_time, kill, processes, until};

/// A run with two long jobs, each of which has a child and a grandchild in a pipeline.
fn two_long_jobs(args: &[&str]) -> (Running, String) {
    let time = a_long_time();
    let script = format!("sleep {time} | cat; sleep {time} # {{}}");
    let mut all = vec!["run", "-j2"];
    all.extend(args);
    all.extend([script.as_str(), ":::", "1", "2", "3"]);
    let running = Running::start(&all);
    until("both run", || processes(&time) == 2);
    (running, time)
}

#[test]
fn the_first_signal_drains_and_the_status_says_which() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut running =
            Running::start(&["run", "-j1", "echo begun {} >&2; sleep 0.5; echo {}", ":::", "1", "2", "3"]);
        // Told at its end, so the file says it sooner.
        std::thread::sleep(std::time::Duration::from_millis(250));
        running.signal(signal);
        running.says("finishing what runs");
        let ended = running.ends();
        assert_eq!((ended.code, ended.out()), (code, "1\n"), "{signal}: {ended:?}");
    }
}

#[test]
fn the_second_signal_ends_all_that_runs() {
    for signal in ["INT", "TERM"] {
        let (mut running, time) = two_long_jobs(&[]);
        running.signal(signal);
        running.says("once more to stop at once");
        assert_eq!(processes(&time), 2);
        running.signal(signal);
        let ended = running.ends();
        assert_eq!(ended.code, if signal == "INT" { 130 } else { 143 }, "{ended:?}");
        assert_eq!(processes(&time), 0, "{signal}");
    }
}

#[test]
fn a_job_that_will_not_end_is_made_to() {
    let time = a_long_time();
    let script = format!("trap '' TERM INT; sleep {time}; sleep {time}; sleep {time} # {{}}");
    let mut running = Running::start(&["run", &script, ":::", "1"]);
    until("it runs", || processes(&time) == 1);
    running.signal("TERM");
    running.says("once more");
    running.signal("TERM");
    assert_eq!(running.ends().code, 143);
    assert_eq!(processes(&time), 0);
}

#[test]
fn nothing_is_left_behind_when_it_is_killed() {
    let (running, time) = two_long_jobs(&["-k"]);
    running.signal("KILL");
    assert_eq!(running.ends().code, -9);
    until("no job is left", || processes(&time) == 0);
}

#[test]
fn nothing_is_left_behind_when_its_whole_group_is_killed() {
    let (running, time) = two_long_jobs(&[]);
    let group = format!("-{}", running.pid());
    assert!(std::process::Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    assert_eq!(running.ends().code, -9);
    until("no job is left", || processes(&time) == 0);
}

#[test]
fn what_runs_is_listed_on_request() {
    let (mut running, time) = two_long_jobs(&[]);
    kill("USR1", running.pid());
    running.says("0 of 3 jobs done");
    running.says(&format!("sleep {time} # 2"));
}
