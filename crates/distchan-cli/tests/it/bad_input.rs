//! What `docs/command.md` says of bad input, row by row.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use distchan::{Server, Worker};

use crate::program::{Running, distchan, finish, run, run_on};

#[test]
fn an_unknown_program_fails_its_jobs() {
    let ended = run(&["no-such-program-at-all", ":::", "a", "b"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("no-such-program-at-all: command not found"), "{ended:?}");
    let ended = run(&["-q", "no-such-program-at-all", ":::", "a"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot run no-such-program-at-all"), "{ended:?}");
    assert_eq!(run(&["--halt", "now,fail=1", "no-such-program-at-all", ":::", "a"]).code, 127);
    let ended = run(&["--workdir", "/no/such/directory", "true", ":::", "a"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("/no/such/directory"), "{ended:?}");
}

#[test]
fn an_input_file_that_cannot_be_read_is_named_and_nothing_is_run() {
    for args in [
        &["-a", "/no/such/file", "echo"][..],
        &["echo", "::::", "/no/such/file"],
        &["--pipe", "-a", "/no/such/file", "cat"],
    ] {
        let ended = run(args);
        assert_eq!((ended.code, ended.out()), (255, ""), "{args:?}");
        assert!(ended.stderr.contains("/no/such/file"), "{ended:?}");
    }
    let ended = run(&["-a", "/", "echo"]);
    assert_eq!((ended.code, ended.out()), (255, ""));
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_worker_and_a_server_of_other_versions_part_with_words() {
    block_on(async {
        let server =
            Server::builder().signature("distchan command, protocol 0").bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().to_string();
        let work = move || finish(distchan(&["work", &address, "--allow-exec"]), b"");
        let ended = tokio::task::spawn_blocking(work).await.unwrap();
        assert_eq!(ended.code, 5, "{ended:?}");
        assert!(ended.stderr.contains("run the same version of distchan on both sides"), "{ended:?}");
    });
    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/socket", directory.path().display());
    let mut server = Running::start(&["serve", "--listen", &address, "echo", ":::", "1"]);
    server.says("distchan work");
    block_on(async {
        let error =
            Worker::builder().signature("distchan command, protocol 0").connect(address.as_str()).await;
        assert!(error.unwrap_err().to_string().contains("turned this worker away"));
    });
    server.says("was turned away");
}

#[test]
fn a_full_disk_is_said_and_ends_the_run() {
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut command = distchan(&["run", "echo", ":::", "1"]);
    command.stdout(full());
    let ended = finish(command, b"");
    assert_eq!(ended.code, 255, "{ended:?}");
    assert!(ended.stderr.contains("cannot write to standard output: No space left"), "{ended:?}");
    let ended = run(&["--joblog", "/dev/full", "echo", ":::", "1"]);
    assert_eq!(ended.code, 255, "{ended:?}");
    assert!(ended.stderr.contains("cannot write the job log"), "{ended:?}");

    // A file system of 64 KiB, in a namespace of its own: for --results, and for outputs that wait for their turn.
    let directory = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=64k none \"$1\" && cd \"$1\" && exec env TMPDIR=\"$1\" \"$0\" run \"${@:2}\"";
    for (args, says) in [
        (&["--results", "R", "head -c {} /dev/zero", ":::", "1000000"][..], "cannot write the results in"),
        (&["head -c {} /dev/zero", ":::", "9000000"], "cannot keep the output of job 1"),
    ] {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "bash", "-c", script, env!("CARGO_BIN_EXE_distchan")]);
        command.arg(directory.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = finish(command, b"");
        if ended.stderr.contains("unshare") || ended.stderr.contains("mount:") {
            println!("SKIP: this machine gives no mount namespace: {}", ended.stderr);
            return;
        }
        assert_eq!(ended.code, 255, "{ended:?}");
        assert!(ended.stderr.contains(says) && ended.stderr.contains("No space left"), "{ended:?}");
    }
}

#[test]
fn a_line_of_a_hundred_mebibytes_goes_through_a_pipe_and_not_into_an_argument() {
    let mut line = vec![b'x'; 100 << 20];
    line.push(b'\n');
    let ended = run_on(&["--pipe", "wc", "-c"], &line).well();
    assert_eq!(ended.out(), "104857601\n");
    let ended = run_on(&["echo"], &line);
    assert_eq!((ended.code, ended.out()), (1, ""));
    assert!(ended.stderr.contains("Argument list too long"), "{}", ended.stderr);
}

#[test]
fn what_is_not_utf_8_is_passed_on_as_it_is() {
    let ended = run_on(&["-k", "echo"], b"\xff\xfe a\n\xc3\x28\n").well();
    assert_eq!(ended.stdout, b"\xff\xfe a\n\xc3\x28\n");
    let ended = run_on(&["-k", "--tag", "--dry-run", "echo"], b"\xff\n").well();
    assert_eq!(ended.stdout, b"\xff\techo '\xff'\n");
}

#[test]
fn no_lines_are_no_jobs() {
    assert_eq!(run(&["echo"]).well().out(), "");
    assert_eq!(run(&["--pipe", "cat"]).well().out(), "");
    assert_eq!(run(&["-a", "/dev/null", "echo"]).well().out(), "");
}

/// Peak memory of a process, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn ten_million_lines_are_streamed_in_bounded_memory() {
    let script = "seq 10000000 | \"$0\" run -k --pipe --block 100k wc -l";
    let mut command = Command::new("bash");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_distchan")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let shell = command.spawn().unwrap();
    let mut most = 0;
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    while !fs::read_to_string(format!("/proc/{}/stat", shell.id())).is_ok_and(|stat| stat.contains(") Z ")) {
        let children = fs::read_to_string(&children).unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        most = pids.filter_map(peak).chain([most]).max().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = shell.wait_with_output().unwrap();
    let lines: u64 =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse::<u64>().unwrap()).sum();
    println!("peak memory: {most} KiB");
    assert_eq!(lines, 10_000_000);
    assert!((1..200 * 1024).contains(&most), "{most} KiB");
}
