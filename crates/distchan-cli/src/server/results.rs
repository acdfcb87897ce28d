//! `--results`: the output of each job in a directory of its own, named by its inputs, as GNU parallel lays them out.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::exit::Failure;
use crate::input::Task;
use crate::server::spool::Spool;
use crate::wire::{Ended, Output, Stream};

/// Where results are kept.
#[derive(Debug)]
pub(super) struct Results {
    root: PathBuf,
    /// The names of the inputs, where they have any.
    names: Vec<Bytes>,
}

impl Results {
    /// Makes the directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn open(root: &Path, names: &[Bytes]) -> Result<Self, Failure> {
        let results = Self { root: root.to_owned(), names: names.to_vec() };
        std::fs::create_dir_all(root).map_err(|error| cannot_write(root, &error))?;
        Ok(results)
    }

    /// Writes what a job has written.
    ///
    /// # Errors
    /// The disk is full, say.
    pub(super) fn write(
        &self,
        ended: &Ended,
        task: &Task,
        mut spool: Option<&mut Spool>,
    ) -> Result<(), Failure> {
        let directory = self.directory(ended.seq, &task.args);
        std::fs::create_dir_all(&directory).map_err(|error| cannot_write(&directory, &error))?;
        let outputs = [("stdout", Stream::Out, &ended.stdout), ("stderr", Stream::Err, &ended.stderr)];
        for (name, stream, output) in outputs {
            let path = directory.join(name);
            let written = File::create(&path).and_then(|mut file| match (output, spool.as_deref_mut()) {
                (Output::Whole(bytes), None) => file.write_all(bytes),
                (Output::Whole(bytes), Some(spool)) => {
                    spool.take(stream, |bytes| file.write_all(bytes))?;
                    file.write_all(bytes)
                }
                (Output::Sent { .. }, Some(spool)) => spool.take(stream, |bytes| file.write_all(bytes)),
                (Output::Sent { .. }, None) => Ok(()),
            });
            written.map_err(|error| cannot_write(&path, &error))?;
        }
        let path = directory.join("seq");
        std::fs::write(&path, ended.seq.to_string()).map_err(|error| cannot_write(&path, &error))
    }

    fn directory(&self, seq: u64, args: &[Bytes]) -> PathBuf {
        let mut directory = self.root.clone();
        if args.is_empty() {
            directory.push("seq");
            directory.push(seq.to_string());
        }
        for (at, arg) in args.iter().enumerate() {
            match self.names.get(at) {
                Some(name) => directory.push(file_name(name)),
                None => directory.push((at + 1).to_string()),
            }
            directory.push(file_name(arg));
        }
        directory
    }
}

/// An input as the name of a directory, which it is below its parent whatever it holds.
fn file_name(input: &[u8]) -> PathBuf {
    let mut name = Vec::with_capacity(input.len());
    if matches!(input, b"." | b"..") {
        name.push(b'\\');
    }
    if input.is_empty() {
        name.extend_from_slice(b"\\e");
    }
    for byte in input {
        match byte {
            b'/' => name.extend_from_slice(b"\\_"),
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\t' => name.extend_from_slice(b"\\t"),
            0 => name.extend_from_slice(b"\\0"),
            byte => name.push(*byte),
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::internal(format!("cannot write the results in {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_leads_out_of_its_directory() {
        for (input, expected) in
            [("a/b", "a\\_b"), ("..", "\\.."), (".", "\\."), ("\\..", "\\\\.."), ("", "\\e")]
        {
            assert_eq!(file_name(input.as_bytes()), PathBuf::from(expected), "{input:?}");
        }
    }
}
