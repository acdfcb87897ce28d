//! Starts processes, cheaply: nothing here keeps the standard library from `posix_spawn`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::command::{Invocation, shell};
use crate::wire::{Exit, Plan};

/// What all processes have in common.
#[derive(Debug)]
pub(super) struct Spawner {
    shell: PathBuf,
    env: Vec<(OsString, OsString)>,
    workdir: Option<OsString>,
}

impl Spawner {
    pub(super) fn new(plan: &Plan) -> Self {
        let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        Self {
            shell: shell(),
            env: plan.env.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            workdir: plan.workdir.as_deref().map(owned),
        }
    }

    /// Starts a process in a group of its own.
    pub(super) fn spawn(
        &self,
        invocation: &Invocation,
        seq: u64,
        slot: u32,
        stdin: Stdio,
    ) -> io::Result<Child> {
        let mut command = match invocation {
            Invocation::Direct(words) => {
                let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
                let mut command = Command::new(program);
                command.args(args);
                command
            }
            Invocation::Shell { script, parameters } => {
                let mut command = Command::new(&self.shell);
                command.arg("-c").arg(script).arg(&self.shell).args(parameters);
                command
            }
        };
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.env("PARALLEL_SEQ", seq.to_string()).env("PARALLEL_JOBSLOT", slot.to_string());
        if let Some(workdir) = &self.workdir {
            command.current_dir(workdir);
        }
        command.process_group(0).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    }

    /// What a process that could not be started comes to, as a shell would say it.
    pub(super) fn not_started(&self, invocation: &Invocation, error: &io::Error) -> Exit {
        let program = match invocation {
            Invocation::Direct(words) => words.first().cloned().unwrap_or_default(),
            Invocation::Shell { .. } => self.shell.clone().into_os_string(),
        };
        let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let workdir = match &self.workdir {
            Some(workdir) if error.kind() == io::ErrorKind::NotFound => {
                format!(" (in {})", workdir.display())
            }
            Some(_) | None => String::new(),
        };
        Exit::NotStarted(status, format!("cannot run {}{workdir}: {error}", program.display()))
    }
}
