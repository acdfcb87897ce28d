//! A second process of this program, which does nothing but wait until the first is gone, however it went, and then ends what that left running.
//!
//! It learns of the end by a pipe that only the first process holds, and of what runs by the table of [`Running`](super::running), which both have in
//! memory: a job costs it nothing. (`PR_SET_PDEATHSIG` would need unsafe code in every child, and reaches no grandchildren.)

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::worker::running::{Running, signal};

/// Holds the guardian back: once this is dropped, it looks what is left.
#[derive(Debug)]
pub(crate) struct Guarded {
    _pipe: OwnedFd,
}

/// Starts a guardian for what runs.
///
/// # Errors
/// The system's. Jobs can be run without.
pub(crate) fn start(running: &Running) -> io::Result<Guarded> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("distchan").arg("guard");
    // A group of its own: what ends this one, Ctrl-C or a `kill` of the group, must not reach it.
    command
        .process_group(0)
        .stdin(Stdio::from(read))
        .stdout(Stdio::from(running.share()?))
        .stderr(Stdio::null());
    // Never waited for while this process lives; afterwards it is init's.
    drop(command.spawn()?);
    Ok(Guarded { _pipe: write })
}

/// The guardian's whole life.
pub(crate) fn guard() -> u8 {
    let mut nothing = [0; 16];
    while !matches!(io::stdin().read(&mut nothing), Ok(0) | Err(_)) {}
    let out = io::stdout();
    let (mut entry, mut at) = ([0_u8; 4], 0);
    while let Ok(4) = rustix::io::pread(out.as_fd(), &mut entry, at) {
        if let Some(group) = Pid::from_raw(i32::from_ne_bytes(entry)) {
            signal(group, Signal::KILL);
        }
        at += 4;
    }
    crate::exit::SUCCESS
}
