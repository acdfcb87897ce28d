//! What stands before each line of a job's output.

use bytes::Bytes;

use crate::command::fill;
use crate::wire::Command;

/// The tag of all jobs, with replacement strings.
#[derive(Debug)]
pub(super) struct Tag {
    template: Option<Bytes>,
    command: Command,
}

/// The tag of one job; empty for none.
#[derive(Clone, Debug, Default)]
pub(super) struct Tagged(Vec<u8>);

impl Tag {
    pub(super) fn new(template: Option<Bytes>, command: &Command) -> Self {
        Self { template, command: command.clone() }
    }

    pub(super) fn of(&self, seq: u64, args: &[Bytes], slot: u32) -> Tagged {
        let Some(template) = &self.template else { return Tagged::default() };
        let mut tag = fill(template, &self.command, seq, args, slot);
        tag.push(b'\t');
        Tagged(tag)
    }
}

impl Tagged {
    /// Whether output goes out as it is.
    pub(super) const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a piece of output, with the tag before each line. `is_at_start` says whether a line begins here, and then whether one does at the end.
    pub(super) fn put(&self, bytes: &[u8], is_at_start: &mut bool, out: &mut Vec<u8>) {
        if self.is_none() {
            out.extend_from_slice(bytes);
            return;
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if *is_at_start {
                out.extend_from_slice(&self.0);
            }
            out.extend_from_slice(line);
            *is_at_start = line.ends_with(b"\n");
        }
    }
}
