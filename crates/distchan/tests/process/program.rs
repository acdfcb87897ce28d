//! This test program, started again in a role: its output line by line, its signals, its end.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::role::{ADDRESS, COUNT, NAME, ROLE, SAID};

/// A process that does not say or do for so long what it is waited for hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// A process in a role. It is killed with the test.
pub(crate) struct Program {
    child: Child,
    said: Receiver<String>,
    heard: RefCell<Vec<String>>,
}

impl Program {
    /// Starts this program again, as `role` at `address`; `name` is what it calls itself, `count` how much or many, as the role has it.
    pub(crate) fn start(role: &str, address: &str, name: &str, count: usize) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), role, address, name, count)
    }

    /// The same, where `command` is what starts it.
    pub(crate) fn start_by(
        mut command: Command,
        role: &str,
        address: &str,
        name: &str,
        count: usize,
    ) -> Self {
        let mut child = command
            .args(["--exact", "role::play", "--nocapture"])
            .env(ROLE, role)
            .env(ADDRESS, address)
            .env(NAME, name)
            .env(COUNT, count.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, said) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, words)) = line.split_once(SAID) {
                    // Whoever listened may be gone.
                    let _ = say.send(words.to_owned());
                }
            }
        });
        Self { child, said, heard: RefCell::default() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next thing it says that begins with `words`; returns what follows them.
    pub(crate) fn says(&self, words: &str) -> String {
        self.says_within(LIMIT, words)
    }

    /// The same, for what takes longer.
    pub(crate) fn says_within(&self, limit: Duration, words: &str) -> String {
        let until = Instant::now() + limit;
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(said) => {
                    let rest = said.strip_prefix(words).map(|rest| rest.trim().to_owned());
                    self.heard.borrow_mut().push(said);
                    if let Some(rest) = rest {
                        return rest;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("in vain: until it says {words:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended before it said {words:?}"),
            }
        }
    }

    /// Whether it has said something that begins with `words`, ever.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        let mut heard = self.heard.borrow_mut();
        heard.extend(self.said.try_iter());
        heard.iter().any(|said| said.starts_with(words))
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.unwrap().success(), "kill -{name} {}", self.id());
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, where it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, which is to be a success.
    pub(crate) fn succeeds(&mut self) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "it ended with {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself. A stopped process is killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
