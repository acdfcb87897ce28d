//! The worker processes and the proxies before some of them: starting, killing, stopping, letting go, keeping their number.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Problem;
use crate::proxy::Proxy;
use crate::worker::NEVER_CONNECTED;

/// The numbers of signals, the same on all systems.
const SIGABRT: i32 = 6;
const SIGTERM: i32 = 15;

/// All of them.
#[derive(Debug)]
pub(crate) struct Fleet {
    program: PathBuf,
    server: String,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) members: Vec<Member>,
    size: usize,
    joined: usize,
    /// Workers that were asked to leave, and did not do so in order although nothing was done to them.
    rude: Vec<String>,
    /// Why workers ended by themselves before the work was done, and how many did.
    pub(crate) gave_up: BTreeMap<String, u64>,
}

/// One worker process. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    pub(crate) name: String,
    /// Something is between it and the server.
    is_proxied: bool,
    /// It was stopped at some time.
    was_stopped: bool,
    is_leaving: bool,
}

impl Fleet {
    pub(crate) fn new(server: String, proxies: Vec<Proxy>, size: usize) -> Result<Self, Problem> {
        let program = std::env::current_exe()?;
        let mut fleet = Self {
            program,
            server,
            proxies,
            members: Vec::new(),
            size,
            joined: 0,
            rude: Vec::new(),
            gave_up: BTreeMap::new(),
        };
        fleet.tend()?;
        Ok(fleet)
    }

    /// Starts another worker: every second one connects to the server itself, the others through a proxy, in turn.
    pub(crate) fn join(&mut self) -> Result<(), Problem> {
        let number = self.joined;
        self.joined += 1;
        let proxy = (number % 2 == 1).then(|| &self.proxies[number / 2 % self.proxies.len()]);
        let address = proxy.map_or_else(|| self.server.clone(), Proxy::address);
        let name = format!("worker {number}");
        let child = Command::new(&self.program)
            .args(["worker", &address, &name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Its last words, at most a line.
            .stderr(Stdio::piped())
            .spawn()?;
        let is_proxied = proxy.is_some();
        self.members.push(Member { child, name, is_proxied, was_stopped: false, is_leaving: false });
        Ok(())
    }

    /// Buries those that have ended, and starts others where there are too few.
    pub(crate) fn tend(&mut self) -> Result<(), Problem> {
        let mut index = 0;
        while index < self.members.len() {
            let Some(status) = self.members[index].child.try_wait()? else {
                index += 1;
                continue;
            };
            let mut member = self.members.swap_remove(index);
            let words = member.last_words();
            if status.code() == Some(1) {
                *self.gave_up.entry(words.clone()).or_default() += 1;
            }
            // One that was asked before it could listen ends by the signal itself; poison may come first as well.
            let is_excused = is_excused(status) || status.signal() == Some(SIGTERM);
            if member.is_leaving && !member.is_proxied && !member.was_stopped && !is_excused {
                self.rude
                    .push(format!("{} was asked to leave, and ended with {status}: {words}", member.name));
            }
        }
        while self.members.iter().filter(|member| !member.is_leaving).count() < self.size {
            self.join()?;
        }
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, index: usize) -> Result<(), Problem> {
        let mut member = self.members.swap_remove(index);
        member.child.kill()?;
        member.child.wait()?;
        Ok(())
    }

    /// SIGSTOP.
    pub(crate) fn stop(&mut self, index: usize) -> Result<(), Problem> {
        self.members[index].was_stopped = true;
        self.members[index].signal("STOP")
    }

    /// SIGCONT, for all.
    pub(crate) fn go_on(&self) -> Result<(), Problem> {
        self.members.iter().filter(|member| member.was_stopped).try_for_each(|member| member.signal("CONT"))
    }

    /// SIGTERM: it is to drain.
    pub(crate) fn leave(&mut self, index: usize) -> Result<(), Problem> {
        self.members[index].is_leaving = true;
        self.members[index].signal("TERM")
    }

    /// How many were started.
    pub(crate) const fn joined(&self) -> usize {
        self.joined
    }

    /// Waits until all have ended by themselves; returns those that did not, or not well.
    pub(crate) async fn farewell(mut self, limit: Duration) -> Result<Vec<String>, Problem> {
        let until = Instant::now() + limit;
        let mut bad = std::mem::take(&mut self.rude);
        for member in &mut self.members {
            let ended = loop {
                match member.child.try_wait()? {
                    Some(status) => break Some(status),
                    None if Instant::now() >= until => break None,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            match ended {
                Some(status) if is_excused(status) => {}
                Some(status) => {
                    let words = member.last_words();
                    bad.push(format!("{} ended with {status}, not with the work: {words}", member.name));
                }
                None => bad.push(format!("{} does not see the end of the work", member.name)),
            }
        }
        Ok(bad)
    }
}

impl Member {
    /// What it said when it ended.
    fn last_words(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // What is no text says nothing.
            let _ = stderr.read_to_string(&mut words);
        }
        words.trim().to_owned()
    }

    fn signal(&self, name: &str) -> Result<(), Problem> {
        // One that has just ended is a zombie until it is waited for: its number is nobody else's.
        Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status()?;
        Ok(())
    }
}

/// Whether a worker did what it was to do, died of poison, or never was one.
fn is_excused(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(SIGABRT) || status.code() == Some(i32::from(NEVER_CONNECTED))
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
