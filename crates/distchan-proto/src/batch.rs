//! Many values, one behind the other: what the channels fill, the machines pass on, and the receivers read from.
//! It knows neither what a value means nor how a batch looks on the wire.

use std::time::Duration;

use bytes::Bytes;

use crate::ids::{Attempt, JobId, SinkId};
use crate::limits;
use crate::scattered::{Scattered, ScatteredMut};

/// What an entry of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A value: a job on its way to a worker, or a value on a one-way channel.
    Value = 0,
    /// One result of a job that goes on.
    Result = 1,
    /// The last result of a job, which is thereby completed.
    Last = 2,
    /// A run of jobs, beginning with the entry's, is completed without a further result.
    Done = 3,
    /// The job failed. From a worker the payload is the reason, in UTF-8; to the server's user it is a [`crate::failure::Failure`], of a
    /// job that failed, is dead, or was cancelled.
    Failed = 4,
    /// A run of jobs, beginning with the entry's, is given back: the attempt is over.
    Returned = 5,
    /// A run of jobs, beginning with the entry's, is given back on request, and was not begun: there was no attempt.
    Unbegun = 7,
    /// Nothing: an entry that was refused or has moved elsewhere. Never on the wire.
    Void = 8,
}

/// One value of a batch, or what is said about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The job; 0 on a one-way channel from the workers.
    pub job: JobId,
    /// The delivery it belongs to.
    pub attempt: Attempt,
    /// Where the payload ends; it begins where the previous entry's ends.
    pub end: u32,
    /// For [`Kind::Done`], [`Kind::Returned`] and [`Kind::Unbegun`]: how many further consecutive jobs this settles. For a job that is sent: its sink.
    /// For a job on its way from the server's machine to the wire: 0, or the milliseconds left until its deadline, and one.
    pub extra: u32,
    /// What this says.
    pub kind: Kind,
}

impl Entry {
    /// A value of which there is nothing to say but where it ends.
    #[inline]
    const fn value(end: u32) -> Self {
        Self { job: JobId(0), attempt: Attempt::FIRST, end, extra: 0, kind: Kind::Value }
    }

    /// How many jobs this entry speaks of.
    #[must_use]
    pub const fn run(&self) -> u64 {
        match self.kind {
            Kind::Done | Kind::Returned | Kind::Unbegun => self.extra as u64 + 1,
            Kind::Value | Kind::Result | Kind::Last | Kind::Failed | Kind::Void => 1,
        }
    }

    /// The sink of a job that is sent.
    #[must_use]
    pub const fn sink(&self) -> SinkId {
        SinkId(self.extra)
    }
}

/// A batch that is complete: shared, never changed in its payload.
#[derive(Clone, Debug, Default)]
pub struct Batch<P = Bytes> {
    /// All payloads, one behind the other: in one piece of memory where they have come, in several where they are to be sent.
    pub payload: P,
    /// What they are.
    pub entries: Vec<Entry>,
    /// The jobs that have a deadline, each by its index in `entries`, in order, and how long was left when the batch was sealed (on a
    /// worker: when the server wrote it). Empty nearly always.
    pub deadlines: Vec<(u32, Duration)>,
    /// On a channel whose jobs have keys, on their way to the server's machine: the key of each. Else empty.
    pub keys: Vec<u64>,
}

/// A batch that is to be sent.
pub type Submission = Batch<Scattered>;

impl Batch {
    /// What this batch costs of a window: its payload, and a little for every entry.
    #[must_use]
    pub fn cost(&self) -> u64 {
        cost(self.entries.len(), self.payload.len())
    }
}

impl<P> Batch<P> {
    /// The entries with where their payloads begin.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let mut start = 0;
        self.entries.iter().map(move |entry| (std::mem::replace(&mut start, entry.end), entry))
    }

    /// A part of this batch as a batch of its own; `slice` shares the payload.
    pub(crate) fn part(
        &self,
        entries: std::ops::Range<usize>,
        slice: impl FnOnce(&P, std::ops::Range<usize>) -> P,
    ) -> Self {
        let (start, end) = (self.start(entries.start), self.start(entries.end));
        let mut own: Vec<Entry> = self.entries.get(entries).unwrap_or_default().to_vec();
        for entry in &mut own {
            entry.end -= start;
        }
        let payload = slice(&self.payload, start as usize..end as usize);
        Self { payload, entries: own, deadlines: Vec::new(), keys: Vec::new() }
    }

    /// Where the payload of the entry at `index` begins.
    pub(crate) fn start(&self, index: usize) -> u32 {
        index.checked_sub(1).and_then(|previous| self.entries.get(previous)).map_or(0, |entry| entry.end)
    }
}

/// One value's bytes, inside a batch's payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    payload: &'a Scattered,
    start: usize,
    end: usize,
}

impl<'a> Piece<'a> {
    pub(crate) const fn new(payload: &'a Scattered, start: u32, end: u32) -> Self {
        Self { payload, start: start as usize, end: end as usize }
    }

    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) const fn payload(&self) -> &'a Scattered {
        self.payload
    }

    pub(crate) const fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// To be kept without a copy.
    pub(crate) fn shared(&self) -> Scattered {
        self.payload.slice(self.start..self.end)
    }
}

/// Consecutive values' bytes, inside a batch's payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces<'a> {
    payload: &'a Scattered,
    start: u32,
    ends: &'a [u32],
}

impl<'a> Pieces<'a> {
    /// The first begins at `start`, each further one where the one before ends.
    pub(crate) const fn new(payload: &'a Scattered, start: u32, ends: &'a [u32]) -> Self {
        Self { payload, start, ends }
    }

    pub(crate) const fn payload(&self) -> &'a Scattered {
        self.payload
    }

    /// Where all their bytes are.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.ends.last().copied().unwrap_or(self.start) as usize
    }

    /// Each one's length.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        let mut start = self.start;
        self.ends.iter().map(move |end| (end - std::mem::replace(&mut start, *end)) as usize)
    }

    /// The first `count` of them, and the others.
    pub(crate) fn split_at(&self, count: usize) -> (Self, Self) {
        let (front, back) = self.ends.split_at_checked(count).unwrap_or((self.ends, &[]));
        let middle = front.last().copied().unwrap_or(self.start);
        (Self { ends: front, ..*self }, Self { ends: back, start: middle, ..*self })
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Option<Piece<'a>> {
        self.ends.first().map(|end| Piece::new(self.payload, self.start, *end))
    }
}

pub(crate) const fn cost(entries: usize, payload: usize) -> u64 {
    entries as u64 * limits::ENTRY_COST + payload as u64
}

/// What was pushed to a batch that is being filled.
#[derive(Debug)]
enum Pushed {
    /// Values of which there is nothing to say but where each ends. Whoever fetches the batch makes entries of them: what is written by one thread and
    /// read by another costs each of them more than to write it, and this is a sixth of it.
    Values(Vec<u32>),
    /// Anything else.
    Entries(Vec<Entry>),
}

impl Default for Pushed {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

impl Pushed {
    #[inline]
    const fn len(&self) -> usize {
        match self {
            Self::Values(ends) => ends.len(),
            Self::Entries(entries) => entries.len(),
        }
    }

    /// An empty one of the same kind, with room for so many.
    fn next(&self, room: usize) -> Self {
        match self {
            Self::Values(_) => Self::Values(Vec::with_capacity(room)),
            Self::Entries(_) => Self::Entries(Vec::with_capacity(room)),
        }
    }

    #[inline]
    fn push(&mut self, entry: Entry) {
        match self {
            Self::Values(ends) if entry == Entry::value(entry.end) => ends.push(entry.end),
            Self::Entries(entries) => entries.push(entry),
            Self::Values(_) => self.push_other(entry),
        }
    }

    /// There is more to say of this one.
    #[cold]
    fn push_other(&mut self, entry: Entry) {
        let mut entries = std::mem::take(self).into_entries();
        entries.push(entry);
        *self = Self::Entries(entries);
    }

    fn into_entries(self) -> Vec<Entry> {
        match self {
            Self::Values(ends) => ends.into_iter().map(Entry::value).collect(),
            Self::Entries(entries) => entries,
        }
    }
}

/// A batch that is being filled. Values are encoded straight into `payload`, then named by [`OpenBatch::push`].
#[derive(Debug, Default)]
pub struct OpenBatch {
    /// Where the next value is encoded, at the end.
    pub payload: ScatteredMut,
    /// The key of each value, on a channel whose jobs have keys; else empty.
    pub keys: Vec<u64>,
    pushed: Pushed,
}

impl OpenBatch {
    /// Names what was appended to the payload since the last entry.
    ///
    /// # Panics
    /// Where the payload has outgrown 4 GiB: the callers' limits on a value and on a batch are far below.
    #[inline]
    pub fn push(&mut self, kind: Kind, job: JobId, attempt: Attempt, extra: u32) {
        let end = u32::try_from(self.payload.len()).expect("a batch is closed long before 4 GiB");
        self.pushed.push(Entry { job, attempt, end, extra, kind });
    }

    /// The newest entry, to be amended: a last result completes its job, a run grows by one. `None` where it is a value, of which there is nothing
    /// to say.
    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut Entry> {
        match &mut self.pushed {
            Pushed::Values(_) => None,
            Pushed::Entries(entries) => entries.last_mut(),
        }
    }

    /// Whether nothing was pushed.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries were pushed.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.pushed.len()
    }

    /// What this batch costs so far.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        cost(self.len(), self.payload.len())
    }

    /// Whether it is time to close it.
    #[must_use]
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.payload.len() >= limits::BATCH_BYTES || self.len() >= limits::BATCH_ENTRIES
    }

    /// Closes the batch and leaves an empty one, with room for a little more than as much again: what comes next is nearly always like what
    /// came last, and to grow would be a copy.
    pub fn seal(&mut self) -> Sealed {
        let entries = self.len().min(limits::BATCH_ENTRIES);
        let largest = self.payload.own_len() / entries.max(1);
        let payload = self.payload.own_len().min(limits::BATCH_BYTES);
        let next = Self {
            payload: ScatteredMut::new(Vec::with_capacity(
                payload + payload / 8 + largest.min(limits::BATCH_BYTES),
            )),
            pushed: self.pushed.next(entries + entries / 8 + 1),
            keys: Vec::new(),
        };
        Sealed { filled: std::mem::replace(self, next), deadlines: Vec::new() }
    }

    /// The same, to be sent at once.
    pub fn take(&mut self) -> Submission {
        self.seal().into()
    }
}

/// A batch that was filled, and waits to be sent.
#[derive(Debug)]
pub struct Sealed {
    filled: OpenBatch,
    /// See [`Batch::deadlines`].
    pub deadlines: Vec<(u32, Duration)>,
}

impl Sealed {
    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.filled.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// How many bytes of payload it has.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.filled.payload.len()
    }

    /// What its first entry says.
    #[must_use]
    pub fn first(&self) -> Option<Kind> {
        match &self.filled.pushed {
            Pushed::Values(ends) => ends.first().map(|_| Kind::Value),
            Pushed::Entries(entries) => entries.first().map(|entry| entry.kind),
        }
    }
}

impl From<Sealed> for Submission {
    fn from(Sealed { filled, deadlines }: Sealed) -> Self {
        Self {
            payload: filled.payload.freeze(),
            entries: filled.pushed.into_entries(),
            keys: filled.keys,
            deadlines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_value(batch: &mut OpenBatch, value: &[u8]) {
        batch.payload.own().extend_from_slice(value);
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
    }

    fn push_done(batch: &mut OpenBatch, job: u64) {
        batch.push(Kind::Done, JobId(job), Attempt::FIRST, 0);
    }

    fn done(job: u64, end: u32) -> Entry {
        Entry { job: JobId(job), attempt: Attempt::FIRST, end, extra: 0, kind: Kind::Done }
    }

    #[test]
    fn values_come_out_as_entries() {
        let mut batch = OpenBatch::default();
        [&b"ab"[..], b"", b"cde"].iter().for_each(|value| push_value(&mut batch, value));
        assert_eq!((batch.len(), batch.last_mut()), (3, None));
        let sealed = batch.seal();
        assert_eq!((sealed.len(), sealed.bytes(), sealed.first()), (3, 5, Some(Kind::Value)));
        assert!(batch.is_empty());
        let batch = Submission::from(sealed);
        assert_eq!(batch.entries, [2, 2, 5].map(Entry::value));
        assert_eq!(batch.payload.into_bytes(), "abcde");
    }

    #[test]
    fn a_value_of_which_there_is_more_to_say_stands_behind_those_before_and_ahead_of_those_after() {
        for other in [
            Entry { kind: Kind::Result, ..Entry::value(1) },
            Entry { job: JobId(7), ..Entry::value(1) },
            Entry { attempt: Attempt(2), ..Entry::value(1) },
            Entry { extra: 3, ..Entry::value(1) },
        ] {
            let mut batch = OpenBatch::default();
            push_value(&mut batch, b"a");
            batch.push(other.kind, other.job, other.attempt, other.extra);
            push_value(&mut batch, b"b");
            assert_eq!(batch.take().entries, [Entry::value(1), other, Entry::value(2)]);
        }
    }

    #[test]
    fn what_is_no_value_can_be_amended() {
        let mut batch = OpenBatch::default();
        push_done(&mut batch, 5);
        batch.last_mut().unwrap().extra = 1;
        let sealed = batch.seal();
        assert_eq!(sealed.first(), Some(Kind::Done));
        assert_eq!(Submission::from(sealed).entries, [Entry { extra: 1, ..done(5, 0) }]);
        // The next one is expected to be alike, and need not be.
        assert!(batch.last_mut().is_none());
        push_value(&mut batch, b"a");
        push_done(&mut batch, 6);
        assert_eq!(batch.take().entries, [Entry::value(1), done(6, 1)]);
    }
}
