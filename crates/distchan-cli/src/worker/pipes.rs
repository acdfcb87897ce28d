//! The pipes of one process, and its end, in one wait. No pipe ever keeps another waiting, and no thread waits for any of them alone.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::wire::Stream;

/// How much is read at once: what a pipe holds.
const READ: usize = 64 * 1024;

/// Where the system has no pidfd, how often is looked whether the process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The pipes of a process.
#[derive(Debug)]
pub(super) struct Pipes {
    stdin: Option<(ChildStdin, Bytes)>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Readable when the process has ended.
    ended: Option<OwnedFd>,
    buffer: Vec<u8>,
}

/// What a wait has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something was read or written, or nothing for as long as was waited.
    Nothing,
    /// The process has ended, and all that it wrote was read. What its own children may still write is not waited for.
    End,
}

impl Pipes {
    /// Takes a process's pipes.
    pub(super) fn of(child: &mut Child, pid: Pid, stdin: Bytes) -> io::Result<Self> {
        let pipes = Self {
            stdin: child.stdin.take().map(|pipe| (pipe, stdin)),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            ended: pidfd_open(pid, PidfdFlags::empty()).ok(),
            buffer: vec![0; READ],
        };
        let fds = [
            pipes.stdin.as_ref().map(|(pipe, _)| pipe.as_fd()),
            pipes.stdout.as_ref().map(AsFd::as_fd),
            pipes.stderr.as_ref().map(AsFd::as_fd),
        ];
        for fd in fds.into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(pipes)
    }

    /// More for the process to read. False where it reads no more.
    pub(super) fn feed(&mut self, bytes: Bytes) -> bool {
        match &mut self.stdin {
            Some((_, rest)) => {
                *rest = bytes;
                true
            }
            None => false,
        }
    }

    /// Whether all that was to be written is.
    pub(super) fn is_fed(&self) -> bool {
        self.stdin.as_ref().is_none_or(|(_, rest)| rest.is_empty())
    }

    /// Lets the process see the end of its input.
    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for a while, until something can be read or written, or the process ends; does it, and hands on what was read.
    ///
    /// `closes` says that the input ends when all of it is written.
    pub(super) fn step(
        &mut self,
        child: &mut Child,
        wait: Duration,
        closes: bool,
        mut on_read: impl FnMut(Stream, &[u8]),
    ) -> io::Result<Seen> {
        if closes && self.is_fed() {
            self.stdin = None;
        }
        let ready = self.wait(wait)?;
        if ready.stdin {
            self.write();
        }
        if ready.stdout {
            read(&mut self.stdout, &mut self.buffer, |bytes| on_read(Stream::Out, bytes))?;
        }
        if ready.stderr {
            read(&mut self.stderr, &mut self.buffer, |bytes| on_read(Stream::Err, bytes))?;
        }
        let has_ended = match &self.ended {
            Some(_) => ready.end,
            None => child.try_wait()?.is_some(),
        };
        if !has_ended {
            return Ok(Seen::Nothing);
        }
        // All that the process itself wrote is in the pipes by now.
        drain(&mut self.stdout, &mut self.buffer, |bytes| on_read(Stream::Out, bytes))?;
        drain(&mut self.stderr, &mut self.buffer, |bytes| on_read(Stream::Err, bytes))?;
        Ok(Seen::End)
    }

    fn wait(&self, wait: Duration) -> io::Result<Ready> {
        let wait = if self.ended.is_some() { wait } else { wait.min(LOOK) };
        let stdin = self.stdin.as_ref().filter(|(_, rest)| !rest.is_empty()).map(|(pipe, _)| pipe.as_fd());
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        let ended = self.ended.as_ref().map(AsFd::as_fd);
        let all = [
            stdin.map(|fd| (fd, PollFlags::OUT)),
            stdout.map(|fd| (fd, PollFlags::IN)),
            stderr.map(|fd| (fd, PollFlags::IN)),
            ended.map(|fd| (fd, PollFlags::IN)),
        ];
        let mut fds: Vec<PollFd<'_>> =
            all.iter().flatten().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        match poll(&mut fds, Some(&Timespec::try_from(wait).map_err(|_| ErrorKind::InvalidInput)?)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let mut answers = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut ready = all.map(|asked| asked.is_some() && answers.next().unwrap_or(false)).into_iter();
        let mut next = || ready.next().unwrap_or(false);
        Ok(Ready { stdin: next(), stdout: next(), stderr: next(), end: next() })
    }

    /// Writes what the pipe takes. A process that reads no more is its own business.
    fn write(&mut self) {
        let Some((pipe, rest)) = &mut self.stdin else { return };
        match pipe.write(rest) {
            Ok(written) => rest.advance(written),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.stdin = None,
        }
    }
}

/// What can be done without waiting.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each thing that is waited for")]
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    end: bool,
}

/// Reads once. False where nothing more is there now, or ever.
fn read<P: Read>(pipe: &mut Option<P>, buffer: &mut [u8], on_read: impl FnOnce(&[u8])) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    match open.read(buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(false)
        }
        Ok(length) => {
            on_read(buffer.get(..length).unwrap_or_default());
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

fn drain<P: Read>(pipe: &mut Option<P>, buffer: &mut [u8], mut on_read: impl FnMut(&[u8])) -> io::Result<()> {
    while read(pipe, buffer, &mut on_read)? {}
    Ok(())
}
