//! A stream, cut into blocks of whole records. A block is as large as it may be, and larger only where a single record is.

use std::io::{self, Read};
use std::vec;

use bytes::Bytes;

use crate::input::source::{self, From, Source};
use crate::input::{Task, Tasks};

/// A stream, and how it is cut.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) files: Vec<Source>,
    pub(crate) cut: Cut,
    pub(crate) size: usize,
    /// So many records make a block, whatever its size.
    pub(crate) records: Option<usize>,
    /// The first line stands before every block.
    pub(crate) has_header: bool,
}

/// Where a record ends.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    /// Between this end and this start, one of which may be empty.
    At { start: Vec<u8>, end: Vec<u8> },
    /// Behind this byte. What is there is a block: whoever writes slowly wants answers soon.
    Eager(u8),
    /// As its length says, which comes first. What is there is a block.
    Lengths,
}

impl Blocks {
    pub(super) fn open(self) -> io::Result<Tasks> {
        let opened = |source: Source| source::open(&source.from).map(|reader| (source.from, reader));
        let files = self.files.into_iter().map(opened).collect::<io::Result<Vec<_>>>()?;
        let stream = Stream {
            files: files.into_iter(),
            file: None,
            cut: self.cut,
            size: self.size,
            records: self.records,
            has_header: self.has_header,
            header: Vec::new(),
            held: Vec::new(),
            is_over: false,
        };
        Ok(Box::new(stream.map(|block| block.map(|block| Task { args: Vec::new(), stdin: Some(block) }))))
    }
}

/// The files, one after the other, as one stream.
struct Stream {
    files: vec::IntoIter<(From, Box<dyn Read + Send>)>,
    file: Option<(From, Box<dyn Read + Send>)>,
    cut: Cut,
    size: usize,
    records: Option<usize>,
    /// A first line is still to be taken ...
    has_header: bool,
    /// ... and what it is.
    header: Vec<u8>,
    /// What was read and is in no block yet.
    held: Vec<u8>,
    is_over: bool,
}

impl Iterator for Stream {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self.block() {
            Ok(block) if block.is_empty() => None,
            Ok(block) => Some(Ok(block)),
            Err(error) => {
                self.is_over = true;
                self.held.clear();
                Some(Err(error))
            }
        }
    }
}

impl Stream {
    /// The next block; empty at the end.
    fn block(&mut self) -> io::Result<Bytes> {
        if std::mem::take(&mut self.has_header) {
            self.read_header()?;
        }
        let mut size = self.size;
        loop {
            let wanted = size.saturating_sub(self.held.len());
            if !self.is_over && wanted > 0 {
                self.read(wanted)?;
            }
            if let Some(end) = self.end() {
                return Ok(self.take(end));
            }
            if self.is_over {
                return Ok(self.take(self.held.len()));
            }
            if self.held.len() >= size {
                size = size.saturating_mul(2);
            }
        }
    }

    fn read_header(&mut self) -> io::Result<()> {
        loop {
            let line = self.held.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            if let Some(end) = line.or(self.is_over.then_some(self.held.len())) {
                let rest = self.held.split_off(end);
                self.header = std::mem::replace(&mut self.held, rest);
                return Ok(());
            }
            self.read(self.size.max(1))?;
        }
    }

    /// Reads so many bytes; fewer at the end, or where whoever writes is slow and the cut is eager.
    fn read(&mut self, wanted: usize) -> io::Result<()> {
        let is_eager = !matches!(self.cut, Cut::At { .. });
        let mut wanted = wanted;
        while wanted > 0 {
            let Some((from, file)) = &mut self.file else {
                self.file = self.files.next();
                if self.file.is_none() {
                    self.is_over = true;
                    return Ok(());
                }
                continue;
            };
            let read = if is_eager {
                let at = self.held.len();
                self.held.resize(at + wanted.min(64 * 1024), 0);
                let read = file.read(self.held.get_mut(at..).unwrap_or_default());
                self.held.truncate(at + read.as_ref().map_or(0, |read| *read));
                read
            } else {
                file.take(wanted as u64).read_to_end(&mut self.held)
            };
            match read {
                Ok(0) => self.file = None,
                Ok(read) => wanted -= read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(source::named(from, &error)),
            }
            if is_eager && !self.held.is_empty() && self.file.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where the block ends that is held, if it is whole.
    fn end(&self) -> Option<usize> {
        match (&self.cut, self.records) {
            (Cut::Eager(end), _) => self.held.iter().rposition(|byte| byte == end).map(|at| at + 1),
            (Cut::Lengths, _) => whole_lengths(&self.held),
            (Cut::At { start, end }, Some(records)) => self.nth_end(start, end, records.max(1)),
            (Cut::At { .. }, None) if self.is_over && self.held.len() <= self.size => None,
            // One record is larger than a block: it is a block by itself.
            (Cut::At { start, end }, None) if self.held.len() > self.size => self.nth_end(start, end, 1),
            (Cut::At { start, end }, None) if start.is_empty() && end.len() == 1 => {
                let end = end.first()?;
                self.held.iter().rposition(|byte| byte == end).map(|at| at + 1)
            }
            (Cut::At { start, end }, None) => {
                let mark = [end.as_slice(), start].concat();
                let found = self.held.windows(mark.len()).rposition(|window| window == mark)?;
                Some(found + end.len()).filter(|at| *at > 0)
            }
        }
    }

    /// Where the record ends with this number, from 1.
    fn nth_end(&self, start: &[u8], end: &[u8], number: usize) -> Option<usize> {
        if let (true, [end]) = (start.is_empty(), end) {
            let ends = self.held.iter().enumerate().filter(|(_, byte)| *byte == end);
            return ends.map(|(at, _)| at + 1).nth(number - 1);
        }
        let mark = [end, start].concat();
        let ends = self.held.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
        ends.map(|(at, _)| at + end.len()).filter(|at| *at > 0).nth(number - 1)
    }

    fn take(&mut self, end: usize) -> Bytes {
        let rest = self.held.split_off(end.min(self.held.len()));
        let block = std::mem::replace(&mut self.held, rest);
        if self.header.is_empty() || block.is_empty() {
            return Bytes::from(block);
        }
        Bytes::from([self.header.as_slice(), &block].concat())
    }
}

/// How many bytes whole records with their lengths have.
fn whole_lengths(held: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(([a, b, c, d], rest)) =
        held.get(at..).and_then(<[u8]>::split_first_chunk::<4>).map(|(n, rest)| (*n, rest))
    {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if rest.len() < length {
            break;
        }
        at += 4 + length;
    }
    (at > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_up(text: &'static [u8], cut: Cut, size: usize, records: Option<usize>) -> Vec<Vec<u8>> {
        let file: Box<dyn Read + Send> = Box::new(text);
        let files = vec![(From::Stdin, file)].into_iter();
        collect(Stream {
            files,
            file: None,
            cut,
            size,
            records,
            has_header: false,
            header: Vec::new(),
            held: Vec::new(),
            is_over: false,
        })
    }

    fn collect(stream: Stream) -> Vec<Vec<u8>> {
        stream.map(|block| block.unwrap().to_vec()).collect()
    }

    fn lines() -> Cut {
        Cut::At { start: Vec::new(), end: b"\n".to_vec() }
    }

    #[test]
    fn a_block_ends_where_a_record_does() {
        assert_eq!(cut_up(b"1\n2\n3\n4", lines(), 5, None), [b"1\n2\n".to_vec(), b"3\n4".to_vec()]);
        assert_eq!(cut_up(b"", lines(), 5, None), Vec::<Vec<u8>>::new());
        assert_eq!(
            cut_up(b"a long record\nb\n", lines(), 3, None),
            [b"a long record\n".to_vec(), b"b\n".to_vec()]
        );
        assert_eq!(cut_up(b"1\n2\n3\n", lines(), 1, Some(2)), [b"1\n2\n".to_vec(), b"3\n".to_vec()]);
        let starts = Cut::At { start: b">".to_vec(), end: Vec::new() };
        assert_eq!(
            cut_up(b">a\n>b\n>c", starts.clone(), 1, Some(1)),
            [b">a\n".to_vec(), b">b\n".to_vec(), b">c".to_vec()]
        );
        assert_eq!(cut_up(b">a\n>b\n>c", starts, 7, None), [b">a\n>b\n".to_vec(), b">c".to_vec()]);
        let lengths = b"\0\0\0\x01x\0\0\0\x02yz\0";
        assert_eq!(
            cut_up(lengths, Cut::Lengths, 100, None),
            [b"\0\0\0\x01x\0\0\0\x02yz".to_vec(), b"\0".to_vec()]
        );
    }
}
