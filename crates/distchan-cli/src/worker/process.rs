//! A process for one job: started, fed, read, timed, ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal};

use crate::command::Invocation;
use crate::wire::Exit;
use crate::worker::pipes::{Pipes, Seen};
use crate::worker::reports::Reports;
use crate::worker::running::{GRACE, Running, signal};
use crate::worker::spawn::Spawner;

/// How often is looked whether the job is still wanted, and how long it may take by now.
const LOOK: Duration = Duration::from_millis(250);

/// How long a job may take, in microseconds: it may change while the job runs.
#[derive(Debug)]
pub(super) struct TimeLimit(AtomicU64);

impl TimeLimit {
    pub(super) fn new(micros: Option<u64>) -> Self {
        Self(AtomicU64::new(micros.unwrap_or(u64::MAX)))
    }

    pub(super) fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// What a process runs within.
pub(super) struct Surroundings<'a> {
    pub(super) spawner: &'a Spawner,
    pub(super) running: &'a Running,
    /// Which slot, from 0.
    pub(super) place: usize,
    pub(super) limit: &'a TimeLimit,
    /// Whether nobody wants the job any more.
    pub(super) is_unwanted: &'a dyn Fn() -> bool,
}

/// Ends a process that has to end: asks first, and sees to it after a while.
#[derive(Debug)]
pub(super) struct Ending {
    is_timeout: bool,
    kill_at: Instant,
}

impl Ending {
    pub(super) const fn is_timeout(&self) -> bool {
        self.is_timeout
    }

    /// Asks the group to end.
    pub(super) fn begin(group: Pid, is_timeout: bool) -> Self {
        signal(group, Signal::TERM);
        Self { is_timeout, kill_at: Instant::now() + GRACE }
    }

    /// Ends the group if it has had its time.
    pub(super) fn go_on(&self, group: Pid) {
        if Instant::now() >= self.kill_at {
            signal(group, Signal::KILL);
        }
    }
}

/// Runs a process to its end.
pub(super) fn run(
    invocation: &Invocation,
    (seq, stdin): (u64, Option<Bytes>),
    around: &Surroundings<'_>,
    reports: &mut Reports<'_>,
) -> Exit {
    let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let slot = u32::try_from(around.place + 1).unwrap_or(u32::MAX);
    let mut child = match around.spawner.spawn(invocation, seq, slot, input) {
        Ok(child) => child,
        Err(error) => return around.spawner.not_started(invocation, &error),
    };
    let group = group_of(&child);
    around.running.enter(around.place, group);
    let watched = watch(&mut child, group, stdin.unwrap_or_default(), around, reports);
    if watched.is_err() {
        signal(group, Signal::KILL);
    }
    around.running.leave(around.place);
    match (child.wait(), watched) {
        (Ok(status), Ok(ending)) => exit(status, ending.is_some_and(|ending| ending.is_timeout)),
        (Err(error), _) | (_, Err(error)) => Exit::Misbehaved(format!("cannot watch the process: {error}")),
    }
}

fn watch(
    child: &mut Child,
    group: Pid,
    stdin: Bytes,
    around: &Surroundings<'_>,
    reports: &mut Reports<'_>,
) -> io::Result<Option<Ending>> {
    let started = Instant::now();
    let mut pipes = Pipes::of(child, group, stdin)?;
    let mut ending: Option<Ending> = None;
    loop {
        let left = around.limit.get().saturating_sub(started.elapsed());
        let wait = if ending.is_none() { left.min(LOOK) } else { LOOK };
        if pipes.step(child, wait, true, |stream, bytes| reports.add(stream, bytes))? == Seen::End {
            return Ok(ending);
        }
        match &ending {
            Some(ending) => ending.go_on(group),
            None if started.elapsed() >= around.limit.get() => ending = Some(Ending::begin(group, true)),
            None if around.running.is_stopping() || (around.is_unwanted)() => {
                ending = Some(Ending::begin(group, false));
            }
            None => {}
        }
    }
}

/// The group of a process that is the first of its own.
pub(super) fn group_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// A process's end in our words.
pub(super) fn exit(status: ExitStatus, is_timeout: bool) -> Exit {
    match (status.signal(), is_timeout) {
        (signal, true) => Exit::TimedOut(signal.unwrap_or(15)),
        (Some(signal), false) => Exit::Signal(signal),
        (None, false) => Exit::Code(status.code().unwrap_or(255)),
    }
}
