//! An example's process: its output line by line, its end. It never sleeps: it waits for output, or for the output's end.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// An example that says nothing for so long hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A running example; it is killed with the test.
pub(crate) struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How it ended, and what it printed since the last line that was waited for.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(path(name))
            .args(args)
            // Or errors are printed with the path of every function on the stack.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = follow(child.stdout.take().unwrap());
        let stderr = follow(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The next line with `text` in it.
    #[cfg(unix)]
    pub(crate) fn wait_for_stdout(&mut self, text: &str) -> String {
        wait_for(&self.stdout, text)
    }

    /// The next line with `text` in it.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) -> String {
        wait_for(&self.stderr, text)
    }

    /// Ctrl-C, for this process alone and not for its workers: the harder case.
    #[cfg(unix)]
    pub(crate) fn interrupt(self) -> Self {
        self.signal("-INT")
    }

    /// What a service manager sends.
    #[cfg(unix)]
    pub(crate) fn terminate(self) -> Self {
        self.signal("-TERM")
    }

    #[cfg(unix)]
    fn signal(self, signal: &str) -> Self {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        self
    }

    /// Waits for its end, and for the end of everybody who has inherited its output: no worker is left behind.
    pub(crate) fn ends(mut self) -> Ended {
        let (stdout, stderr) = (rest(&self.stdout), rest(&self.stderr));
        Ended { code: self.child.wait().unwrap().code(), stdout, stderr }
    }

    /// [`Program::ends`], with exit code 0 and without a panic anywhere.
    pub(crate) fn ends_well(self) -> Ended {
        let ended = self.ends();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that begin with `start`.
pub(crate) fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

/// The last line that begins with `start`.
pub(crate) fn line<'a>(text: &'a str, start: &str) -> &'a str {
    lines(text, start).pop().unwrap_or_else(|| panic!("no line begins with {start:?}:\n{text}"))
}

/// Cargo builds the examples before the tests, into a directory beside that of the tests.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let example = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "{} is not built: `cargo test` builds it, `cargo test --test examples` does not; run `cargo build --examples`",
        example.display()
    );
    example
}

/// Lines with their line ends, as they come.
fn follow(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = String::new();
            let count = stream.read_line(&mut line).unwrap();
            // Whoever listened may have failed.
            if count == 0 || sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn wait_for(lines: &Receiver<String>, text: &str) -> String {
    loop {
        let line = lines.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("no line with {text:?}: {error}"));
        if line.contains(text) {
            return line.trim_end().to_owned();
        }
    }
}

fn rest(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) => text.push_str(&line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return text,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it hangs; so far it said:\n{text}"),
        }
    }
}
