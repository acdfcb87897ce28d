//! Starts the command, and waits for what it prints or leaves.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a process came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Standard output, as text.
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// It ended well, and said nothing.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }
}

/// The command with these arguments, in a plain environment.
pub(crate) fn distchan<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distchan"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DISTCHAN_")) {
        command.env_remove(name);
    }
    command
        .args(args)
        .env("SHELL", "/bin/bash")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// `distchan run` with these arguments, to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: &[S]) -> Ended {
    run_on(args, b"")
}

/// ... with this on its standard input.
pub(crate) fn run_on<S: AsRef<OsStr>>(args: &[S], stdin: &[u8]) -> Ended {
    let mut all = vec![OsStr::new("run")];
    all.extend(args.iter().map(AsRef::as_ref));
    finish(distchan(&all), stdin)
}

/// ... in this directory.
pub(crate) fn run_in<S: AsRef<OsStr>>(directory: &Path, args: &[S]) -> Ended {
    let mut all = vec![OsStr::new("run")];
    all.extend(args.iter().map(AsRef::as_ref));
    let mut command = distchan(&all);
    command.current_dir(directory);
    finish(command, b"")
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command, stdin: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // Whoever ends early reads no more.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
    Ended { code, stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// A process that runs beside the test. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    stdout: Option<std::thread::JoinHandle<Vec<u8>>>,
}

impl Running {
    pub(crate) fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        Self::of(distchan(args))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stdout = Some(std::thread::spawn(move || {
            let mut all = Vec::new();
            drop(stdout.read_to_end(&mut all));
            all
        }));
        Self { stdin: child.stdin.take(), child, lines, seen: Vec::new(), stdout }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that has this in it.
    #[track_caller]
    pub(crate) fn says(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("{text:?}: {error}: {:?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(signal, self.pid());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Ended {
        drop(self.stdin.take());
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => panic!("it does not end: {:?}", self.seen),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let stdout = self.stdout.take().unwrap().join().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
        Ended { code, stdout, stderr: self.seen.join("\n") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process.
pub(crate) fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many processes there are with this among their arguments.
pub(crate) fn processes(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let is_it = |entry: &std::fs::DirEntry| {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        // The sleep itself, and not those who start one.
        words.first().is_some_and(|program| program.ends_with(b"sleep")) && words.contains(&mark.as_bytes())
    };
    entries.filter(is_it).count()
}

/// A length of time that no other test sleeps for: how the processes of one are told from those of others.
pub(crate) fn a_long_time() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}.{}", 100_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
