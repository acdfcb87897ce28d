//! Runs every example as a user would, and checks what it prints and how it ends. A new example has to be named in the first test.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod program;

use program::{Program, line, lines};

#[test]
fn every_example_is_run_here() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let files =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    let run = ["adder", "calls", "capitalize", "kill", "one_way", "policies", "several_results", "transform"];
    assert_eq!(names, run);
    let readme = include_str!("../../../../README.md");
    for name in names {
        assert!(
            readme.contains(&format!("(crates/distchan/examples/{name}.rs)")),
            "README.md does not name {name}"
        );
    }
}

const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/alice.txt");

fn capitalised() -> String {
    std::fs::read_to_string(TEXT).unwrap().to_uppercase()
}

#[test]
fn capitalize_prints_the_text_in_order() {
    let ended = Program::start("capitalize", &["--ordered", TEXT]).ends_well();
    assert_eq!(ended.stdout, capitalised());
    assert_eq!(lines(&ended.stderr, "worker ").len(), 3, "{}", ended.stderr);
    assert_eq!(lines(&ended.stderr, "721 lines in ").len(), 1, "{}", ended.stderr);
}

#[test]
fn capitalize_loses_no_line_when_order_does_not_matter() {
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let ended = Program::start("capitalize", &[TEXT]).ends_well();
    assert_eq!(sorted(&ended.stdout), sorted(&capitalised()));
}

#[test]
fn capitalize_works_as_a_server_and_a_worker() {
    let mut server = Program::start("capitalize", &["server", "127.0.0.1:0", TEXT]);
    let listening = server.wait_for_stderr("listening at ");
    let address = listening.trim_start_matches("listening at ").split(';').next().unwrap();
    let worker = Program::start("capitalize", &["worker", address]).ends_well();
    assert_eq!(lines(&worker.stderr, "worker ").len(), 1);
    assert!(worker.stderr.contains(": 721 jobs"), "{}", worker.stderr);
    let ended = server.ends_well();
    assert_eq!(ended.stdout.lines().count(), 721);
}

#[test]
fn capitalize_says_how_it_is_used() {
    let ended = Program::start("capitalize", &["--help"]).ends();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("usage: capitalize [--ordered] FILE"), "{}", ended.stderr);
}

#[test]
fn adder_answers_every_sum() {
    let ended = Program::start("adder", &["--count", "7"]).ends_well();
    let mut asked = Vec::new();
    let mut answered = Vec::new();
    for line in lines(&ended.stdout, "server: ") {
        let words: Vec<_> = line.trim_start_matches("server: ").split([' ', ',']).collect();
        match *words {
            [id, a, "+", b, "=", "?"] => {
                asked.push((id, a.parse::<u64>().unwrap() + b.parse::<u64>().unwrap()));
            }
            [id, sum, "", "says", "worker", _] => answered.push((id, sum.parse().unwrap())),
            _ => {}
        }
    }
    assert_eq!(asked.len(), 7);
    answered.sort();
    assert_eq!(answered, asked);
    assert_eq!(line(&ended.stdout, "server: 7 answers"), "server: 7 answers");
    assert_eq!(ended.stdout.lines().filter(|line| line.ends_with(": done")).count(), 3);
}

#[test]
fn kill_loses_nothing() {
    let ended = Program::start("kill", &[]).ends_well();
    assert_eq!(lines(&ended.stdout, "after ").len(), 2);
    let counts = line(&ended.stdout, "400 jobs, 400 results, ");
    assert!(!counts.contains(" 0 jobs"), "a worker that is killed has jobs in hand: {counts}");
    assert!(ended.stdout.ends_with("every result came exactly once\n"), "{}", ended.stdout);
}

#[test]
fn policies_end_every_job_and_keep_workers_alive() {
    let ended = Program::start("policies", &[]).ends_well();
    let mut said: Vec<_> = ended.stdout.lines().map(without_attempts).collect();
    let last = said.split_off(6);
    said.sort_unstable();
    let expected = [
        "3 squared is 9",
        "4 in the end",
        "5 in the end",
        "6 squared is 36",
        "Impossible failed: it cannot be done",
        "Poison is dead: its worker was lost while it worked on it",
    ];
    assert_eq!(said, expected);
    assert_eq!(last, ["tried again, by hand: 1", "Impossible failed again", "2 of 4 workers are left"]);
}

/// How often a job was tried depends on whether it waited at a worker that the poison took.
fn without_attempts(line: &str) -> String {
    match (line.split_once(" after "), line.split_once(" attempts")) {
        (Some((job, _)), Some((_, reason))) => format!("{job}{reason}"),
        _ => line.to_owned(),
    }
}

#[test]
fn several_results_come_together_or_not_at_all() {
    let expected = "\
60 is divisible by 2
60 is divisible by 2
60 is divisible by 3
60 is divisible by 5
97 is divisible by 97
job 4 failed in attempt 1: every number divides 0
1001 is divisible by 7
1001 is divisible by 11
1001 is divisible by 13
";
    assert_eq!(Program::start("several_results", &[]).ends_well().stdout, expected);
}

#[test]
fn calls_are_answered() {
    let expected = "\
call: the root of 144 is 12
call: -1 has no real root
map: the sum of 1000 roots is 500500
map, ordered: [7, 4, 9, 2]
";
    assert_eq!(Program::start("calls", &[]).ends_well().stdout, expected);
}

#[test]
fn one_way_values_arrive() {
    let ended = Program::start("one_way", &[]).ends_well();
    assert_eq!(lines(&ended.stdout, "cellar: ").len(), 3);
    assert_eq!(lines(&ended.stdout, "roof: ").len(), 2);
}

#[test]
fn transform_refuses_another_key() {
    let ended = Program::start("transform", &[]).ends_well();
    let refused = line(&ended.stdout, "worker: cannot open the channel \"secret\": ");
    assert!(refused.ends_with("both need the same transform with the same key"), "{refused}");
    assert_eq!(lines(&ended.stdout, "server: refused: ").len(), 1);
    assert!(ended.stdout.ends_with("ATTACK\nAT\nDAWN\n"), "{}", ended.stdout);
}

#[cfg(unix)]
mod interrupted {
    use super::{Program, TEXT, line};

    #[test]
    fn adder_ends_and_takes_its_workers_along() {
        let mut adder = Program::start("adder", &[]);
        adder.wait_for_stdout(", says worker ");
        let ended = adder.interrupt().ends_well();
        assert!(line(&ended.stdout, "server: ").ends_with(" answers"), "{}", ended.stdout);
        assert_eq!(ended.stderr, "");
    }

    #[test]
    fn capitalize_ends_as_a_server_that_waits() {
        let mut server = Program::start("capitalize", &["server", "127.0.0.1:0", TEXT]);
        server.wait_for_stderr("listening at ");
        assert_eq!(server.interrupt().ends_well().stdout, "");
    }

    #[test]
    fn a_worker_that_is_asked_to_stop_finishes_its_line_and_leaves_the_rest_to_others() {
        let mut server = Program::start("capitalize", &["server", "127.0.0.1:0", TEXT]);
        let listening = server.wait_for_stderr("listening at ");
        let address = listening.trim_start_matches("listening at ").split(';').next().unwrap();
        let first = Program::start("capitalize", &["worker", address]);
        server.wait_for_stdout("ALICE");
        let first = first.terminate().ends_well();
        assert!(first.stderr.contains(" jobs"), "{}", first.stderr);
        let _other = Program::start("capitalize", &["worker", address]);
        assert_eq!(server.ends_well().stdout.lines().count() + 1, 721, "one line was waited for");
    }

    #[test]
    fn kill_ends_and_takes_its_workers_along() {
        let mut kill = Program::start("kill", &[]);
        kill.wait_for_stdout("after 100 results");
        let ended = kill.interrupt().ends_well();
        assert!(!ended.stdout.contains("exactly once"), "{}", ended.stdout);
    }
}
