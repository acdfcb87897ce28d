//! `serve` and `work`: several processes, over TLS, with the line that is to be pasted.

use std::fs;

use crate::program::{Running, a_long_time, distchan, finish, processes, until};

/// Starts a server, and returns the line that starts a worker, as words.
fn serve(args: &[&str]) -> (Running, Vec<String>) {
    let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
    all.extend(args);
    let mut server = Running::start(&all);
    let line = server.says("distchan work ");
    let words = line.trim().replace('\'', "");
    (server, words.split(' ').skip(1).map(str::to_owned).collect())
}

fn worker(line: &[String], more: &[&str]) -> Running {
    let mut args: Vec<&str> = line.iter().map(String::as_str).collect();
    args.extend(more);
    Running::start(&args)
}

fn numbers(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_worker_killed_midway_and_another_added_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = directory.path().join("inputs");
    fs::write(&inputs, numbers(300)).unwrap();
    let script = "echo {} x; sleep 0.01";
    let (server, line) = serve(&["-k", "-a", inputs.to_str().unwrap(), script]);
    let first = worker(&line, &["-j2", "--name", "first"]);
    let second = worker(&line, &["-j2", "--name", "second"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    first.signal("KILL");
    let third = worker(&line, &["-j2", "--name", "third"]);
    let ended = server.ends();
    let expected: String = (1..=300).map(|number| format!("{number} x\n")).collect();
    assert_eq!((ended.code, ended.out()), (0, expected.as_str()), "{}", ended.stderr);
    for worker in [second, third] {
        let ended = worker.ends();
        assert_eq!((ended.code, ended.out()), (0, ""), "{ended:?}");
    }
    assert_eq!(first.ends().code, -9);
}

#[test]
fn the_server_works_too_if_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (server, line) = serve(&[
        "-k",
        "-j1",
        "--joblog",
        log.to_str().unwrap(),
        "sleep 0.05; echo {}",
        ":::",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
    ]);
    let other = worker(&line, &["-j2", "--name", "elsewhere"]);
    let ended = server.ends();
    assert_eq!((ended.code, ended.out()), (0, numbers(8).as_str()), "{ended:?}");
    other.ends();
    let text = fs::read_to_string(&log).unwrap();
    let hosts: Vec<&str> = text.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert!(hosts.iter().all(|host| [":", "elsewhere"].contains(host)) && hosts.contains(&":"), "{hosts:?}");
}

#[test]
fn a_worker_runs_no_more_than_it_is_allowed_to() {
    let (mut server, line) = serve(&["echo {} | cat", ":::", "1"]);
    assert_eq!(line[1], "--allow-exec");
    let ticket = line.last().unwrap();
    for allowed in ["cat", "echo"] {
        let ended = finish(distchan(&["work", ticket, "--allow", allowed]), b"");
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains("needs a shell"), "{ended:?}");
    }
    server.says("does not work here");
    worker(&line, &[]).ends();
    assert_eq!(server.ends().out(), "1\n");

    let (server, line) = serve(&["echo", ":::", "a b; c"]);
    assert_eq!(line[1..3], ["--allow", "echo"]);
    let ended = finish(distchan(&["work", line.last().unwrap(), "--allow", "cat"]), b"");
    assert_eq!(ended.code, 4, "{ended:?}");
    worker(&line, &[]).ends();
    assert_eq!(server.ends().out(), "a b; c\n");
}

#[test]
fn a_worker_can_have_a_command_of_its_own() {
    let (server, line) = serve(&["-k", "--inputs-only", ":::", "a", "b"]);
    let ticket = &line[1];
    let refused = finish(distchan(&["work", ticket, "--allow-exec"]), b"");
    assert_eq!(refused.code, 4, "{refused:?}");
    let own = Running::start(&["work", ticket, "--", "echo", "own"]);
    let ended = server.ends();
    assert_eq!((ended.code, ended.out()), (0, "own a\nown b\n"), "{ended:?}");
    assert_eq!(own.ends().code, 0);
}

#[test]
fn a_ticket_comes_from_a_file_a_variable_or_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ticket");
    let path = file.to_str().unwrap();
    let (server, line) = serve(&[
        "--ticket-file",
        path,
        "-k",
        "--halt",
        "now,done=3",
        "sleep 0.3; echo",
        ":::",
        "1",
        "2",
        "3",
    ]);
    assert_eq!(line[1..], ["--allow-exec", "--ticket-file", path], "the secret is not printed");
    let ticket = fs::read_to_string(&file).unwrap();
    let by_file = worker(&line, &["-j1"]);
    let mut command = distchan(&["work", "--allow-exec", "-j1"]);
    command.env("DISTCHAN_TICKET", ticket.trim());
    let by_variable = Running::of(command);
    let mut by_stdin = Running::start(&["work", "--allow-exec", "-j1", "-"]);
    use std::io::Write;
    by_stdin.stdin.take().unwrap().write_all(ticket.as_bytes()).unwrap();
    let mut server = server;
    for _ in 0..3 {
        server.says("works too");
    }
    server.ends();
    for worker in [by_file, by_variable, by_stdin] {
        assert_eq!(worker.ends().code, 0);
    }
}

#[test]
fn who_cannot_come_in_is_told_why() {
    let unreachable = finish(distchan(&["work", "127.0.0.1:1", "--allow-exec", "--reconnect", "0"]), b"");
    assert_eq!(unreachable.code, 3, "{unreachable:?}");
    let (server, line) = serve(&["echo", ":::", "1"]);
    let ticket = line.last().unwrap();
    // Another secret, in the place of the right one; and the address without any.
    let (_other, other_line) = serve(&["echo", ":::", "1"]);
    let other = other_line.last().unwrap();
    let address = |ticket: &str| ticket.split('/').nth(2).unwrap().to_owned();
    let mixed = other.replace(&address(other), &address(ticket));
    for wrong in [mixed, address(ticket)] {
        let ended = finish(distchan(&["work", &wrong, "--allow-exec", "--reconnect", "0"]), b"");
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains("ticket"), "{ended:?}");
    }
    worker(&line, &[]).ends();
    assert_eq!(server.ends().out(), "1\n");
}

#[test]
fn no_process_is_left_on_any_side() {
    // Whoever is killed, server or worker, and however the run is stopped.
    for victim in ["server", "worker", "stopped"] {
        let time = a_long_time();
        let (server, line) = serve(&["-j1", &format!("sleep {time}; true"), "#", ":::", "1", "2", "3"]);
        let worker = worker(&line, &["-j1", "--reconnect", "0.1"]);
        until("both work", || processes(&time) == 2);
        match victim {
            "server" => {
                server.signal("KILL");
                assert_eq!(worker.ends().code, 3);
            }
            "worker" => {
                worker.signal("KILL");
                until("the worker's job is gone", || processes(&time) <= 1);
                server.signal("KILL");
                drop(server.ends());
            }
            _ => {
                let mut server = server;
                server.signal("TERM");
                server.says("once more");
                server.signal("TERM");
                assert_eq!(server.ends().code, 143);
                assert_eq!(worker.ends().code, 0);
            }
        }
        until("no job is left", || processes(&time) == 0);
    }
}

#[test]
fn a_worker_that_is_asked_to_leave_finishes_what_it_has_begun() {
    let (mut server, line) = serve(&["-k", "sleep 0.4; echo {}", ":::", "1", "2", "3"]);
    let mut leaving = worker(&line, &["-j1", "--name", "leaving"]);
    server.says("leaving");
    std::thread::sleep(std::time::Duration::from_millis(150));
    leaving.signal("TERM");
    leaving.says("finishing what was begun");
    assert_eq!(leaving.ends().code, 143);
    let staying = worker(&line, &["-j2"]);
    let ended = server.ends();
    assert_eq!((ended.code, ended.out()), (0, "1\n2\n3\n"), "{ended:?}");
    staying.ends();
}

#[test]
fn large_outputs_and_failures_come_over_the_network_too() {
    let (server, line) = serve(&["-k", "head -c {} /dev/zero | tr '\\0' x; exit 3", ":::", "5000000", "3"]);
    let worker = worker(&line, &[]);
    let ended = server.ends();
    assert_eq!((ended.code, ended.stdout.len()), (2, 5_000_003));
    worker.ends();
}

#[test]
fn on_a_unix_socket_there_is_nothing_to_paste_but_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/socket", directory.path().display());
    let mut server = Running::start(&["serve", "--listen", &address, "echo", ":::", "1"]);
    let line = server.says("distchan work ");
    assert!(line.contains(&address), "{line}");
    let ended = finish(distchan(&["work", "--allow", "echo", &address]), b"");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(server.ends().out(), "1\n");
}
