//! What the exit status says.

use crate::program::{run, run_on};

#[test]
fn the_status_is_the_number_of_failed_jobs() {
    assert_eq!(run(&["exit {}", ":::", "0", "0"]).code, 0);
    assert_eq!(run(&["exit {}", ":::", "0", "7", "9"]).code, 2);
    let many: String = (1..=150).map(|number| format!("{number}\n")).collect();
    assert_eq!(run_on(&["exit 1 {}", "2>&1"], many.as_bytes()).code, 101);
    assert_eq!(
        run_on(&["-n1", "test 0 = {}"], (1..=100).map(|n| format!("{n}\n")).collect::<String>().as_bytes())
            .code,
        100
    );
    assert_eq!(run(&["kill -9 $$; true", ":::", "1"]).code, 1);
    assert_eq!(run::<&str>(&["true"]).code, 0, "no inputs, no jobs");
}

#[test]
fn a_job_that_takes_too_long_is_ended_with_all_it_started() {
    let time = crate::program::a_long_time();
    let begun = std::time::Instant::now();
    let ended = run(&["--timeout", "0.3", &format!("sleep {time} & sleep {time}"), ":::", "1"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("it took too long"), "{ended:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    crate::program::until("no sleep is left", || crate::program::processes(&time) == 0);
    assert_eq!(run(&["--timeout", "0.2", "--halt", "now,fail=1", "sleep", ":::", "100"]).code, 124);
}

#[test]
fn a_timeout_can_be_a_part_of_the_median() {
    let ended = run(&["-j1", "--timeout", "1000%", "sleep", ":::", "0.1", "0.1", "0.1", "60"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("job 4 (sleep 60): it took too long"), "{ended:?}");
}

#[test]
fn a_job_that_fails_is_tried_again_and_only_its_last_output_counts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tries");
    let script = format!("echo x >> {0}; wc -l < {0}; [ $(wc -l < {0}) = 3 ]", file.display());
    let ended = run(&["--retries", "5", &script, "#", ":::", "1"]).well();
    assert_eq!(ended.out(), "3\n");
    assert_eq!(run(&["--retries", "2", "false", ":::", "1", "2"]).code, 2);
}

#[test]
fn jobs_wait_for_the_delay_and_for_memory() {
    let begun = std::time::Instant::now();
    run(&["-j4", "--delay", "0.2", "true", ":::", "1", "2", "3"]).well();
    assert!(begun.elapsed() >= std::time::Duration::from_millis(400));
    run(&["--memfree", "1k", "true", ":::", "1"]).well();
    let mut waiting = crate::program::Running::start(&["run", "--memfree", "900T", "echo", ":::", "1"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    waiting.signal("INT");
    waiting.says("finishing what runs");
    let ended = waiting.ends();
    assert_eq!((ended.code, ended.out()), (130, ""));
}

#[test]
fn jobs_have_their_directory_and_variables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let ended =
        run(&["--workdir", path.to_str().unwrap(), "--env", "X=a b", "pwd; echo \"$X\"", "#", ":::", "1"])
            .well();
    assert_eq!(ended.out(), format!("{}\na b\n", path.display()));
}
