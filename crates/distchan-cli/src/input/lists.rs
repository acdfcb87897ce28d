//! Lists of arguments, combined: every input of one with every input of the next, or side by side; cut into columns; so many to a job.

use std::io;

use bytes::Bytes;
use rand::seq::SliceRandom;
use regex::bytes::Regex;

use crate::input::records::Records;
use crate::input::source::Source;
use crate::input::{Opened, Task, Tasks};

/// Lists, and what is made of them.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Lists {
    pub(crate) sources: Vec<Source>,
    /// The byte that ends an input.
    pub(crate) end: u8,
    /// Whether words are cut at it, too.
    pub(crate) cuts_words: bool,
    pub(crate) columns: Option<Regex>,
    pub(crate) has_header: bool,
    /// How many inputs a job has; with none, an input is taken all the same.
    pub(crate) at_once: usize,
    pub(crate) links: bool,
    pub(crate) trims_left: bool,
    pub(crate) trims_right: bool,
    pub(crate) skips_empty: bool,
    pub(crate) shuffles: bool,
    /// The input is what the job's process reads.
    pub(crate) to_stdin: bool,
}

/// One input of each list.
type Row = Vec<Bytes>;
type Rows = Box<dyn Iterator<Item = io::Result<Row>> + Send>;

impl Lists {
    pub(super) fn open(self) -> io::Result<Opened> {
        let Self { sources, end, cuts_words, columns, has_header, at_once, links, .. } = self;
        let (trims_left, trims_right) = (self.trims_left, self.trims_right);
        let cells = move |record: Bytes| -> Row {
            let trimmed = |cell: &[u8]| trim(&record, cell, trims_left, trims_right);
            match &columns {
                None => vec![trimmed(&record)],
                Some(regex) => regex.split(&record).map(trimmed).collect(),
            }
        };
        let mut names = Vec::new();
        let mut groups: Vec<Vec<Rows>> = Vec::new();
        for source in sources {
            let is_linked = source.is_linked || links;
            let mut rows = Records::open(source, end, cuts_words)?;
            if has_header && let Some(header) = rows.next() {
                names.extend(cells(header?));
            }
            let cells = cells.clone();
            let rows: Rows = Box::new(rows.map(move |record| record.map(&cells)));
            match groups.last_mut() {
                Some(group) if is_linked => group.push(rows),
                Some(_) | None => groups.push(vec![rows]),
            }
        }
        let rows = if links { cycled(groups)? } else { combined(groups)? };
        let skips_empty = self.skips_empty;
        let is_blank = |row: &Row| row.iter().all(|cell| cell.iter().all(u8::is_ascii_whitespace));
        let rows = rows.filter(move |row| !(skips_empty && row.as_ref().is_ok_and(is_blank)));
        let tasks: Tasks = match self.to_stdin {
            true => Box::new(
                AtOnce { rows: Box::new(rows), at_once }.map(move |args| args.map(|args| fed(&args, end))),
            ),
            false => Box::new(
                AtOnce { rows: Box::new(rows), at_once }
                    .map(|args| args.map(|args| Task { args, stdin: None })),
            ),
        };
        Ok(Opened { names, tasks: if self.shuffles { shuffled(tasks)? } else { tasks } })
    }
}

/// The inputs as a process reads them, each ended as it was.
fn fed(args: &[Bytes], end: u8) -> Task {
    let mut stdin = Vec::with_capacity(args.iter().map(|arg| arg.len() + 1).sum());
    for arg in args {
        stdin.extend_from_slice(arg);
        stdin.push(end);
    }
    Task { args: args.to_vec(), stdin: Some(Bytes::from(stdin)) }
}

/// A part of a record, without blanks at its ends.
fn trim(record: &Bytes, cell: &[u8], left: bool, right: bool) -> Bytes {
    let cell = if left { cell.trim_ascii_start() } else { cell };
    let cell = if right { cell.trim_ascii_end() } else { cell };
    if cell.is_empty() { Bytes::new() } else { record.slice_ref(cell) }
}

/// Every row of a group with every row of the next. The first is read as it goes; the others are held.
fn combined(groups: Vec<Vec<Rows>>) -> io::Result<Rows> {
    let mut groups = groups.into_iter().map(side_by_side);
    let Some(mut rows) = groups.next() else { return Ok(Box::new(std::iter::empty())) };
    for next in groups {
        let held = next.collect::<io::Result<Vec<Row>>>()?;
        rows = Box::new(rows.flat_map(move |row| -> Vec<io::Result<Row>> {
            match row {
                Ok(row) => held.iter().map(|other| Ok(row.iter().chain(other).cloned().collect())).collect(),
                Err(error) => vec![Err(error)],
            }
        }));
    }
    Ok(rows)
}

/// The rows of linked lists, as far as the shortest goes.
fn side_by_side(group: Vec<Rows>) -> Rows {
    let mut group = group.into_iter();
    let Some(mut rows) = group.next() else { return Box::new(std::iter::empty()) };
    for next in group {
        rows = Box::new(rows.zip(next).map(|(row, other)| {
            let mut row = row?;
            row.extend(other?);
            Ok(row)
        }));
    }
    rows
}

/// The rows of all lists, as far as the longest goes: the others begin again. All are held.
fn cycled(groups: Vec<Vec<Rows>>) -> io::Result<Rows> {
    let lists = groups.into_iter().flatten().map(Iterator::collect).collect::<io::Result<Vec<Vec<Row>>>>()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let length = if lists.iter().any(Vec::is_empty) { 0 } else { longest };
    let row = move |at: usize| -> Row {
        lists.iter().flat_map(|list| list.get(at % list.len()).into_iter().flatten().cloned()).collect()
    };
    Ok(Box::new((0..length).map(move |at| Ok(row(at)))))
}

/// So many rows become one.
struct AtOnce {
    rows: Rows,
    at_once: usize,
}

impl Iterator for AtOnce {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        let first = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        if self.at_once == 0 {
            return Some(Ok(Vec::new()));
        }
        let mut args = first;
        for _ in 1..self.at_once {
            match self.rows.next() {
                Some(Ok(row)) => args.extend(row),
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        Some(Ok(args))
    }
}

fn shuffled(tasks: Tasks) -> io::Result<Tasks> {
    let mut all = tasks.collect::<io::Result<Vec<Task>>>()?;
    all.shuffle(&mut rand::rng());
    Ok(Box::new(all.into_iter().map(Ok)))
}
