//! The job log: a line for each job that has ended, in GNU parallel's nine columns.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::wire::{Ended, Exit};

const HEADER: &[u8] = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// The job log.
#[derive(Debug)]
pub(super) struct Joblog {
    file: File,
    path: PathBuf,
}

/// What counts of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) is_success: bool,
    pub(super) command: &'a [u8],
}

impl Joblog {
    /// Opens it; a run that resumes goes on where it ends, and any other begins anew.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path, goes_on: bool) -> Result<Self, Failure> {
        let open = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(!goes_on).open(path)?;
            let end = file.seek(SeekFrom::End(0))?;
            if end == 0 {
                file.write_all(HEADER)?;
            } else {
                // A line that was cut off when the machine went down is ended here.
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            Ok(file)
        };
        let file = open().map_err(|error| cannot_write(path, &error))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes a job's line.
    ///
    /// # Errors
    /// The disk is full, say.
    pub(super) fn write(
        &mut self,
        ended: &Ended,
        host: &str,
        sent: u64,
        command: Vec<u8>,
    ) -> Result<(), Failure> {
        let Ended { seq, started, runtime, exit, stdout, .. } = ended;
        let (status, signal) = match exit {
            Exit::Code(code) | Exit::NotStarted(code, _) => (*code, 0),
            Exit::Signal(signal) => (0, *signal),
            Exit::TimedOut(signal) => (-1, *signal),
            Exit::Misbehaved(_) | Exit::Lost(_) => (exit.status(), 0),
        };
        let (start, start_ms) = (started / 1_000_000, started / 1000 % 1000);
        let runtime = format!("{}.{:03}", runtime / 1_000_000, runtime / 1000 % 1000);
        let receive = stdout.bytes();
        let mut line = format!(
            "{seq}\t{host}\t{start}.{start_ms:03}\t{runtime:>10}\t{sent}\t{receive}\t{status}\t{signal}\t"
        )
        .into_bytes();
        line.extend(one_line(command));
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::internal(format!("cannot write the job log {path:?}: {error}"))
}

/// Newlines become NUL, as GNU parallel has it, so that a job is one line.
pub(super) fn one_line(mut command: Vec<u8>) -> Vec<u8> {
    for byte in &mut command {
        if *byte == b'\n' {
            *byte = 0;
        }
    }
    command
}

impl<'a> Row<'a> {
    /// Reads a line without its end.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let mut columns = line.splitn(9, |byte| *byte == b'\t');
        let status = columns.nth(6)?;
        let signal = columns.next()?;
        let command = columns.next()?;
        Some(Self { is_success: status == b"0" && signal == b"0", command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let row = Row::read(b"1\t:\t1795685372.856\t     0.003\t0\t2\t0\t0\techo\ta").unwrap();
        assert_eq!(row, Row { is_success: true, command: b"echo\ta" });
        assert!(!Row::read(b"1\t:\t1.0\t0.0\t0\t2\t-1\t15\tx").unwrap().is_success);
        assert_eq!(Row::read(b"1\t:\t1.0"), None);
    }
}
