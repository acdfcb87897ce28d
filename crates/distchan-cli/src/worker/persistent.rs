//! A process that stays: it reads records and answers each with one, so that what it costs to start is paid once.
//!
//! Many programs keep their answers until they have a bufferful, or their input ends. So a process that is silent for long, though it owes answers and
//! has read all there is, is shown the end of its input, and another takes its place. Where that has brought the answers at once, its successors are
//! shown it at once: such a command costs a process for each block, as `--pipe` does.

use std::io;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal};

use crate::command::Invocation;
use crate::wire::{Exit, Feeding, Stream};
use crate::worker::pipes::{Pipes, Seen};
use crate::worker::process::{Ending, Surroundings, exit, group_of};
use crate::worker::reports::Reports;
use crate::worker::running::signal;

/// How often is looked around.
const LOOK: Duration = Duration::from_millis(250);

/// How long a process may be silent, at first, before it is taken for one that waits for more.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers that come so soon after the end of the input had been kept.
const AT_ONCE: Duration = Duration::from_millis(200);

/// What a slot has of a persistent process, and has learnt about its kind.
#[derive(Debug)]
pub(super) struct Persistent {
    feeding: Feeding,
    kept: Option<Kept>,
    /// It answers when its input ends, and not before.
    hoards: bool,
    patience: Duration,
}

#[derive(Debug)]
struct Kept {
    child: Child,
    group: Pid,
    pipes: Pipes,
}

/// How a turn went.
enum Turn {
    /// All answers are there; the process may go on.
    Answered,
    /// The process has ended, or was ended.
    Over(Option<Ending>),
}

impl Persistent {
    pub(super) fn new(feeding: Feeding) -> Self {
        Self { feeding, kept: None, hoards: false, patience: PATIENCE }
    }

    /// Has a block answered.
    pub(super) fn run(
        &mut self,
        invocation: &Invocation,
        (seq, block): (u64, Bytes),
        around: &Surroundings<'_>,
        reports: &mut Reports<'_>,
    ) -> Exit {
        let block = whole(block, self.feeding);
        let asked = Count::of(self.feeding, &block);
        let mut kept = match self.kept.take() {
            Some(kept) => kept,
            None => match start(invocation, seq, around) {
                Ok(kept) => kept,
                Err(error) => return around.spawner.not_started(invocation, &error),
            },
        };
        let mut answered = Count::new(self.feeding);
        let turn = self.turn(&mut kept, (block, asked.records), &mut answered, around, reports);
        let is_whole = answered.records == asked.records && answered.is_between();
        match turn {
            Ok(Turn::Answered) if is_whole => {
                self.kept = Some(kept);
                Exit::Code(0)
            }
            Ok(Turn::Over(ending)) => {
                let ended = kept.end(around);
                let is_timeout = ending.is_some_and(|ending| ending.is_timeout());
                match ended.map(|status| exit(status, is_timeout)) {
                    Ok(Exit::Code(0)) if is_whole => Exit::Code(0),
                    Ok(Exit::Code(0)) => miscounted(answered.records, asked.records),
                    Ok(exit) => exit,
                    Err(error) => Exit::Misbehaved(format!("cannot watch the process: {error}")),
                }
            }
            Ok(Turn::Answered) => {
                signal(kept.group, Signal::KILL);
                let _ = kept.end(around);
                miscounted(answered.records, asked.records)
            }
            Err(error) => {
                signal(kept.group, Signal::KILL);
                let _ = kept.end(around);
                Exit::Misbehaved(format!("cannot watch the process: {error}"))
            }
        }
    }

    /// Lets the process end: there is nothing more for it.
    pub(super) fn finish(&mut self, around: &Surroundings<'_>) {
        let Some(mut kept) = self.kept.take() else { return };
        kept.pipes.close_stdin();
        let asked = Instant::now();
        while let Ok(Seen::Nothing) = kept.pipes.step(&mut kept.child, LOOK, true, |_, _| ()) {
            if asked.elapsed() > Duration::from_secs(2) || around.running.is_stopping() {
                signal(kept.group, Signal::KILL);
            }
        }
        let _ = kept.end(around);
    }

    fn turn(
        &mut self,
        kept: &mut Kept,
        (block, asked): (Bytes, u64),
        answered: &mut Count,
        around: &Surroundings<'_>,
        reports: &mut Reports<'_>,
    ) -> io::Result<Turn> {
        kept.pipes.feed(block);
        let begun = Instant::now();
        let mut heard = begun;
        let mut closed: Option<Instant> = self.hoards.then_some(begun);
        let mut ending: Option<Ending> = None;
        loop {
            let left = around.limit.get().saturating_sub(begun.elapsed());
            let mut has_answered = false;
            let seen =
                kept.pipes.step(&mut kept.child, left.min(LOOK), closed.is_some(), |stream, bytes| {
                    if stream == Stream::Out {
                        has_answered = true;
                        answered.read(bytes);
                    }
                    reports.add(stream, bytes);
                })?;
            if has_answered {
                heard = Instant::now();
            }
            if seen == Seen::End {
                return Ok(Turn::Over(ending));
            }
            if let Some(ending) = &ending {
                ending.go_on(kept.group);
                continue;
            }
            if begun.elapsed() >= around.limit.get() {
                ending = Some(Ending::begin(kept.group, true));
            } else if around.running.is_stopping() || (around.is_unwanted)() {
                ending = Some(Ending::begin(kept.group, false));
            } else if answered.records >= asked
                && answered.is_between()
                && kept.pipes.is_fed()
                && closed.is_none()
            {
                return Ok(Turn::Answered);
            } else if let Some(closed) = closed {
                if answered.records >= asked && !self.hoards && closed.elapsed() < AT_ONCE {
                    self.hoards = true;
                }
            } else if kept.pipes.is_fed() && heard.elapsed() >= self.patience {
                closed = Some(Instant::now());
                // If it was at work all the time, it is given more next time.
                self.patience = self.patience.saturating_mul(2);
            }
        }
    }
}

impl Kept {
    fn end(&mut self, around: &Surroundings<'_>) -> io::Result<std::process::ExitStatus> {
        around.running.leave(around.place);
        self.child.wait()
    }
}

fn start(invocation: &Invocation, seq: u64, around: &Surroundings<'_>) -> io::Result<Kept> {
    let slot = u32::try_from(around.place + 1).unwrap_or(u32::MAX);
    let mut child = around.spawner.spawn(invocation, seq, slot, Stdio::piped())?;
    let group = group_of(&child);
    around.running.enter(around.place, group);
    match Pipes::of(&mut child, group, Bytes::new()) {
        Ok(pipes) => Ok(Kept { child, group, pipes }),
        Err(error) => {
            signal(group, Signal::KILL);
            around.running.leave(around.place);
            let _ = child.wait();
            Err(error)
        }
    }
}

fn miscounted(answered: u64, asked: u64) -> Exit {
    Exit::Misbehaved(format!(
        "a persistent process answers each record with one, and this one gave {answered} for {asked}"
    ))
}

/// The block, with its last record ended as the others are.
fn whole(block: Bytes, feeding: Feeding) -> Bytes {
    match feeding {
        Feeding::Records(end) if block.last().is_some_and(|last| *last != end) => {
            let mut longer = BytesMut::with_capacity(block.len() + 1);
            longer.extend_from_slice(&block);
            longer.extend_from_slice(&[end]);
            longer.freeze()
        }
        Feeding::Records(_) | Feeding::Lengths | Feeding::Once => block,
    }
}

/// Counts records as they go by.
#[derive(Debug)]
struct Count {
    feeding: Feeding,
    records: u64,
    /// Bytes of the record that has begun.
    begun: u64,
    /// With lengths: the length as far as it is known, and how many of its bytes are.
    length: (u32, u8),
}

impl Count {
    const fn new(feeding: Feeding) -> Self {
        Self { feeding, records: 0, begun: 0, length: (0, 0) }
    }

    fn of(feeding: Feeding, bytes: &[u8]) -> Self {
        let mut count = Self::new(feeding);
        count.read(bytes);
        count
    }

    fn is_between(&self) -> bool {
        self.begun == 0 && self.length.1 == 0
    }

    fn read(&mut self, bytes: &[u8]) {
        match self.feeding {
            Feeding::Once => {}
            Feeding::Records(end) => {
                self.records += bytes.iter().map(|byte| u64::from(*byte == end)).sum::<u64>();
                if let Some(last) = bytes.last() {
                    self.begun = u64::from(*last != end);
                }
            }
            Feeding::Lengths => self.read_lengths(bytes),
        }
    }

    fn read_lengths(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            if self.length.1 < 4 {
                self.length = (self.length.0 << 8 | u32::from(*first), self.length.1 + 1);
                rest = behind;
            } else {
                let missing = usize::try_from(u64::from(self.length.0) - self.begun).unwrap_or(usize::MAX);
                let taken = missing.min(rest.len());
                self.begun += taken as u64;
                rest = rest.get(taken..).unwrap_or_default();
            }
            if self.length.1 == 4 && self.begun == u64::from(self.length.0) {
                self.records += 1;
                self.begun = 0;
                self.length = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_however_they_come() {
        let mut lines = Count::new(Feeding::Records(b'\n'));
        lines.read(b"a\nb");
        assert!(!lines.is_between());
        lines.read(b"\n");
        assert_eq!((lines.records, lines.is_between()), (2, true));
        let mut lengths = Count::new(Feeding::Lengths);
        for byte in b"\0\0\0\x02ab\0\0\0\0" {
            lengths.read(&[*byte]);
        }
        assert_eq!((lengths.records, lengths.is_between()), (2, true));
    }
}
