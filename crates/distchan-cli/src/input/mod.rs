//! Inputs: from words, files and standard input to one [`Task`] after the other. What is read is bytes and need not be text. Nothing is read ahead
//! but what combining and shuffling need.

mod blocks;
mod lists;
mod records;
mod source;

use std::io;

use bytes::Bytes;

use crate::exit::Failure;
pub(crate) use crate::input::blocks::{Blocks, Cut};
pub(crate) use crate::input::lists::Lists;
pub(crate) use crate::input::source::{Source, split_words};

/// The input of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Task {
    /// What the replacement strings stand for.
    pub(crate) args: Vec<Bytes>,
    /// What its process reads.
    pub(crate) stdin: Option<Bytes>,
}

/// Where inputs come from, and what becomes a job.
#[derive(Debug)]
pub(crate) enum Spec {
    /// Lists of arguments.
    Lists(Lists),
    /// A stream that is cut.
    Blocks(Blocks),
}

/// Inputs, ready to be read.
pub(crate) struct Opened {
    /// The arguments' names, where they have any.
    pub(crate) names: Vec<Bytes>,
    pub(crate) tasks: Tasks,
}

/// One task after the other; an error is the last.
pub(crate) type Tasks = Box<dyn Iterator<Item = io::Result<Task>> + Send>;

impl Spec {
    /// Opens all files, and reads the headers.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn open(self) -> Result<Opened, Failure> {
        let opened = match self {
            Self::Lists(lists) => lists.open(),
            Self::Blocks(blocks) => blocks.open().map(|tasks| Opened { names: Vec::new(), tasks }),
        };
        opened.map_err(|error| Failure::internal(error.to_string()))
    }
}
