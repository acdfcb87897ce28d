//! One list, input by input.

use std::io::{self, BufRead, BufReader, Read};
use std::vec;

use bytes::Bytes;

use crate::input::source::{self, From, Source};

/// How much is read at once.
const READ: usize = 64 * 1024;

/// The inputs of one list. A last input that nothing ends counts; an error is the last.
pub(super) enum Records {
    Words(vec::IntoIter<Bytes>),
    Read { reader: BufReader<Box<dyn Read + Send>>, end: u8, from: From, is_over: bool },
}

impl Records {
    /// Opens the list.
    pub(super) fn open(source: Source, end: u8, cuts_words: bool) -> io::Result<Self> {
        match source.from {
            From::Words(words) if cuts_words => Ok(Self::Words(cut(words, end).into_iter())),
            From::Words(words) => Ok(Self::Words(words.into_iter())),
            from => {
                let reader = BufReader::with_capacity(READ, source::open(&from)?);
                Ok(Self::Read { reader, end, from, is_over: false })
            }
        }
    }
}

impl Iterator for Records {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self {
            Self::Words(words) => words.next().map(Ok),
            Self::Read { is_over: true, .. } => None,
            Self::Read { reader, end, from, is_over } => {
                let mut record = Vec::new();
                match reader.read_until(*end, &mut record) {
                    Ok(0) => None,
                    Ok(_) => {
                        if record.last() == Some(end) {
                            record.pop();
                        }
                        Some(Ok(Bytes::from(record)))
                    }
                    Err(error) => {
                        *is_over = true;
                        Some(Err(source::named(from, &error)))
                    }
                }
            }
        }
    }
}

fn cut(words: Vec<Bytes>, end: u8) -> Vec<Bytes> {
    let pieces = |word: Bytes| -> Vec<Bytes> {
        word.split(|byte| *byte == end).map(|piece| word.slice_ref(piece)).collect()
    };
    words.into_iter().flat_map(pieces).collect()
}
