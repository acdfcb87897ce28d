//! Standard output or standard error, as a file without a buffer: what is written is there.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// An output of this process.
#[derive(Debug)]
pub(crate) struct Sink(File);

impl Sink {
    /// Standard output.
    ///
    /// # Errors
    /// The process has too many open files.
    pub(crate) fn stdout() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    /// Standard error.
    ///
    /// # Errors
    /// The process has too many open files.
    pub(crate) fn stderr() -> io::Result<Self> {
        Ok(Self(File::from(io::stderr().as_fd().try_clone_to_owned()?)))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The system's; `BrokenPipe` where nobody reads any more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}
