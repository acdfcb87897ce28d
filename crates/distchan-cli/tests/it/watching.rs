//! `top`, `status`, `explain`, and what is answered over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Ended, Running, distchan, finish, until};

/// A server that runs a script for each input on two slots of its own, and its ticket. It ends when the gate is there.
struct Scene {
    directory: tempfile::TempDir,
    server: Running,
    ticket: String,
}

impl Scene {
    fn new(script: &str, inputs: &[&str], more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gate = directory.path().join("gate");
        let script = script.replace("WAIT", &format!("until [ -e {} ]; do sleep 0.02; done", gate.display()));
        let file = directory.path().join("ticket");
        let mut args =
            vec!["serve", "--listen", "127.0.0.1:0", "-j2", "--ticket-file", file.to_str().unwrap()];
        args.extend(more);
        args.extend([script.as_str(), ":::"]);
        args.extend(inputs);
        let mut server = Running::start(&args);
        server.says("distchan work ");
        let ticket = fs::read_to_string(&file).unwrap().trim().to_owned();
        Self { directory, server, ticket }
    }

    fn ask(&self, args: &[&str]) -> Ended {
        let mut command = distchan(args);
        command.env("DISTCHAN_TICKET", &self.ticket);
        finish(command, b"")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.ask(args).well().stdout).unwrap()
    }

    /// Waits until so many jobs are in a state.
    fn until_there_are(&self, count: u64, state: &str) {
        until(state, || self.json(&["status", "--json"])["jobs"][state] == count);
    }

    fn open_the_gate(self) -> Ended {
        fs::write(self.directory.path().join("gate"), b"").unwrap();
        self.server.ends()
    }
}

/// The JSON with the kinds of its values instead of them: what its schema is.
fn outline(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(values) => values.iter().map(outline).take(1).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), outline(value))).collect(),
    }
}

/// The example of docs/command.md behind a heading.
fn documented(heading: &str) -> Value {
    let (_, section) = include_str!("../../../../docs/command.md").split_once(heading).unwrap();
    let (_, block) = section.split_once("```json\n").unwrap();
    serde_json::from_str(block.split_once("```").unwrap().0).unwrap()
}

#[test]
fn the_status_says_how_things_stand_in_its_documented_form() {
    let scene = Scene::new("[ {} != 1 ] || exit 3; WAIT", &["1", "2", "3", "4", "5"], &[]);
    scene.until_there_are(1, "failed");
    scene.until_there_are(2, "running");
    until("all inputs are read", || scene.json(&["status", "--json"])["jobs"]["is_total"] == true);
    let status = scene.json(&["status", "--json"]);
    assert_eq!(outline(&status), outline(&documented("### `distchan status --json`")), "{status:#}");
    let jobs = &status["jobs"];
    assert_eq!((&jobs["read"], &jobs["queued"], &jobs["is_total"]), (&5.into(), &2.into(), &true.into()));
    assert_eq!(status["bottleneck"], "workers");
    assert_eq!(status["workers"].as_array().unwrap().len(), 1, "who watches is no worker: {status:#}");
    assert_eq!((&status["workers"][0]["host"], &status["workers"][0]["slots"]), (&":".into(), &2.into()));
    let text = scene.ask(&["status"]).well();
    for part in
        ["1 of 5 jobs done: 0 succeeded, 1 failed", "2 running, 2 queued", "every slot is taken", "here"]
    {
        assert!(text.out().contains(part), "{part:?}: {}", text.out());
    }
    assert_eq!(scene.open_the_gate().code, 1);
}

#[test]
fn a_run_without_workers_says_that_it_waits_for_some() {
    let mut server = Running::start(&["serve", "--listen", "127.0.0.1:0", "true", ":::", "1"]);
    let line = server.says("distchan work ").replace('\'', "");
    let ticket = line.split(' ').find(|word| word.starts_with("distchan://")).unwrap();
    let ended = finish(distchan(&["status", ticket]), b"").well();
    assert!(ended.out().contains("waiting for workers: none is there"), "{}", ended.out());
    let ended = finish(distchan(&["explain", "1", ticket]), b"").well();
    assert!(ended.out().contains("job 1: queued: it waits for a worker: none is there"), "{}", ended.out());
}

#[test]
fn a_reader_that_does_not_read_is_named() {
    let args =
        ["serve", "--listen", "127.0.0.1:0", "-j2", "-n1", "head -c 200000 /dev/zero; true", "::::", "-"];
    let mut command = distchan(&args);
    command.stdin(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut stdin = server.stdin.take().unwrap();
    std::thread::spawn(move || {
        // It ends when the server is killed.
        for number in 0..1_000_000 {
            if writeln!(stdin, "{number}").is_err() {
                return;
            }
        }
    });
    let mut line = String::new();
    let mut stderr = std::io::BufReader::new(server.stderr.take().unwrap());
    while !line.contains("distchan work ") {
        line.clear();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    }
    let line = line.replace('\'', "");
    let ticket = line.split_whitespace().find(|word| word.starts_with("distchan://")).unwrap();
    until("the reader is named", || {
        finish(distchan(&["status", ticket]), b"").out().contains("waiting for the results' reader")
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_job_is_explained_attempt_by_attempt() {
    let scene = Scene::new("case {} in 1) exit 3;; 2) WAIT;; esac", &["1", "2", "3"], &["--retries", "2"]);
    scene.until_there_are(1, "failed");
    scene.until_there_are(1, "running");
    scene.until_there_are(1, "succeeded");
    let failed = scene.ask(&["explain", "1"]).well();
    let lines: Vec<&str> = failed.out().lines().collect();
    assert_eq!(lines[0], "job 1: failed: it failed in 2 runs, and is not tried again", "{lines:?}");
    assert!(lines[1].contains("exit 3"), "{lines:?}");
    assert!(
        lines[2].starts_with("  run 1: on here, slot ") && lines[2].contains("exited with status 3"),
        "{lines:?}"
    );
    assert!(lines[3].starts_with("  run 2: on here, slot "), "{lines:?}");
    let json = scene.json(&["explain", "1", "--json"]);
    assert_eq!(outline(&json), outline(&documented("### `distchan explain --json`")), "{json:#}");
    let states: Vec<Value> = (1..=3)
        .map(|job: u32| scene.json(&["explain", &job.to_string(), "--json"])["state"].clone())
        .collect();
    assert_eq!(states, ["failed", "running", "succeeded"]);
    let none = scene.ask(&["explain", "4"]);
    assert_eq!((none.code, none.out()), (1, "job 4: unknown: there are 3 jobs\n"));
    assert_eq!(scene.open_the_gate().code, 1);
}

fn get(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_and_health_are_answered_over_http_on_request() {
    let mut server =
        Running::start(&["serve", "--listen", "127.0.0.1:0", "--http", "0", "true", ":::", "1", "2"]);
    let line = server.says("/metrics");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(get(&address, "GET /healthz").starts_with("HTTP/1.1 200 "));
    let unready = get(&address, "GET /readyz");
    assert!(
        unready.starts_with("HTTP/1.1 503 ") && unready.ends_with("no worker is connected\n"),
        "{unready}"
    );
    assert!(get(&address, "GET /").starts_with("HTTP/1.1 404 "));
    assert!(get(&address, "POST /metrics").starts_with("HTTP/1.1 405 "));
    until("both inputs are read", || get(&address, "GET /metrics").contains("distchan_jobs_read_total 2\n"));
    let metrics = get(&address, "GET /metrics");
    assert!(metrics.contains("\r\ncontent-type: application/openmetrics-text"), "{metrics}");
    for line in [
        "# TYPE distchan_jobs_succeeded counter",
        "distchan_jobs_succeeded_total 0",
        "distchan_jobs_queued 2",
        "distchan_workers 0",
        "distchan_waits_for_workers 1",
        "# UNIT distchan_elapsed_seconds seconds",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|other| other == line), "no {line:?} in {metrics}");
    }
}

#[test]
fn without_being_asked_nothing_listens_for_http() {
    let ended = crate::program::run(&["--http", "walk", "true", ":::", "1"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--http walk: give a port"), "{ended:?}");
    // What runs without it says nothing of an address.
    crate::program::run(&["true", ":::", "1"]).well();
}

#[test]
fn whoever_has_no_ticket_sees_nothing() {
    let scene = Scene::new("WAIT; : {}", &["1"], &[]);
    let address = scene.ticket.trim_start_matches("distchan://").split('/').next().unwrap().to_owned();
    let ended = finish(distchan(&["status", &address]), b"");
    assert_eq!((ended.code, ended.out()), (4, ""), "{ended:?}");
    let nobody = finish(distchan(&["status", "127.0.0.1:1"]), b"");
    assert_eq!((nobody.code, nobody.out()), (3, ""), "{nobody:?}");
    assert_eq!(finish(distchan(&["status"]), b"").code, 2);
    assert_eq!(scene.open_the_gate().code, 0);
}

/// A terminal of its own, by tmux; none where there is no tmux.
struct Tmux(String);

impl Tmux {
    #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was not tested")]
    fn new(name: &str, command: &[&str], env: &[(&str, &str)]) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("SKIP: there is no tmux to see the screen with");
            return None;
        }
        let socket = format!("distchan-{name}-{}", std::process::id());
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30"]);
        for (name, value) in env {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        tmux.arg(env!("CARGO_BIN_EXE_distchan")).args(command);
        assert!(tmux.env_remove("TMUX").status().unwrap().success());
        Some(Self(socket))
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.0]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn shows(&self, text: &str) {
        until(text, || self.screen().contains(text));
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        drop(self.tmux(&["kill-server"]));
    }
}

#[test]
fn top_shows_the_run_on_a_terminal_and_leaves_at_q() {
    let scene = Scene::new("[ {} != 1 ] || exit 3; WAIT; : {}", &["1", "2", "3", "4", "5"], &[]);
    scene.until_there_are(1, "failed");
    let args = ["top", "--interval", "0.1"];
    let Some(tmux) = Tmux::new("top", &args, &[("DISTCHAN_TICKET", &scene.ticket)]) else { return };
    for text in [
        "1 of 5 jobs done: 0 succeeded, 1 failed",
        "waiting for workers: every slot is taken",
        "20.0 %",
        "workers",
        "here",
        "running",
        "q leaves; the run goes on",
    ] {
        tmux.shows(text);
    }
    drop(tmux.tmux(&["send-keys", "q"]));
    until("it has left", || tmux.screen().is_empty());
    assert_eq!(scene.open_the_gate().code, 1, "the run goes on");
}

#[test]
fn the_bar_shows_how_far_it_is_on_a_terminal_only() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let script = format!("[ {{}} -lt 3 ] || until [ -e {} ]; do sleep 0.02; done", gate.display());
    let args = ["run", "--bar", "-j2", &script, ":::", "1", "2", "3", "4"];
    let ended = {
        fs::write(&gate, b"").unwrap();
        finish(distchan(&args), b"").well()
    };
    assert_eq!(ended.out(), "");
    fs::remove_file(&gate).unwrap();
    let Some(tmux) = Tmux::new("bar", &args, &[]) else { return };
    tmux.shows("2/4 2 running, 0 failed");
    fs::write(&gate, b"").unwrap();
    until("it has ended", || tmux.screen().is_empty());
}

#[test]
fn top_wants_a_terminal() {
    let scene = Scene::new("WAIT; : {}", &["1"], &[]);
    let ended = scene.ask(&["top"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("distchan status"), "{ended:?}");
    assert_eq!(scene.open_the_gate().code, 0);
}
