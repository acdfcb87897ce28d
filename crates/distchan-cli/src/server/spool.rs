//! Output that has come and cannot be printed yet: small in memory, larger in a file without a name, which the system removes however this process ends.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::wire::Stream;

/// What is kept in memory of one output.
const IN_MEMORY: usize = 64 * 1024;

/// How much is read back at once.
const READ: usize = 256 * 1024;

/// The outputs of one run, as far as they have come.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) seq: u64,
    outputs: [Kept; 2],
}

#[derive(Debug)]
struct Kept {
    file: SpooledTempFile,
    chunks: u64,
}

impl Spool {
    pub(super) fn new(seq: u64) -> Self {
        let kept = || Kept { file: SpooledTempFile::new(IN_MEMORY), chunks: 0 };
        Self { seq, outputs: [kept(), kept()] }
    }

    /// A chunk has come, which is printed by somebody else.
    pub(super) const fn count(&mut self, stream: Stream) {
        self.kept(stream).chunks += 1;
    }

    /// A chunk has come.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.count(stream);
        self.kept(stream).file.write_all(bytes)
    }

    /// How many chunks have come.
    pub(super) const fn chunks(&mut self, stream: Stream) -> u64 {
        self.kept(stream).chunks
    }

    /// Hands over what is kept, piece by piece, and forgets it.
    pub(super) fn take(
        &mut self,
        stream: Stream,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let kept = self.kept(stream);
        let mut file = std::mem::replace(&mut kept.file, SpooledTempFile::new(IN_MEMORY));
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; READ];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                length => each(buffer.get(..length).unwrap_or_default())?,
            }
        }
    }

    const fn kept(&mut self, stream: Stream) -> &mut Kept {
        let [out, err] = &mut self.outputs;
        match stream {
            Stream::Out => out,
            Stream::Err => err,
        }
    }
}
