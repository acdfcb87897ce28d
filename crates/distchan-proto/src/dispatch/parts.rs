//! Sorts the answers of one batch into parts: each part goes to one sink and shares the batch's memory.

use std::ops::Range;

use crate::batch::{Batch, Entry, Kind};
use crate::dispatch::outcome::{Outcomes, Release};
use crate::ids::{JobId, SinkId};

/// Collects accepted entries as long as they go to the same sink.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    source: &'a Batch,
    sink: SinkId,
    entries: Vec<Entry>,
    /// The payload of the part so far.
    covers: Range<u32>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(source: &'a Batch) -> Self {
        let entries = Vec::with_capacity(source.entries.len());
        Self { source, sink: SinkId::RECEIVER, entries, covers: 0..0 }
    }

    /// Adds an entry whose payload begins at `start` of the source.
    pub(crate) fn push(&mut self, sink: SinkId, start: u32, entry: Entry, outcomes: &mut Outcomes) {
        if self.entries.is_empty() || sink != self.sink {
            self.flush(outcomes);
            self.sink = sink;
            self.covers = start..start;
        }
        if start != self.covers.end {
            // What lies between was refused, or has gone elsewhere.
            self.entries.push(Entry { end: start - self.covers.start, kind: Kind::Void, ..entry });
        }
        self.covers.end = entry.end;
        self.entries.push(Entry { end: entry.end - self.covers.start, ..entry });
    }

    /// Adds one completed job of a run; a run stays one entry as long as it goes to one sink.
    pub(crate) fn push_done(
        &mut self,
        sink: SinkId,
        start: u32,
        job: JobId,
        entry: &Entry,
        outcomes: &mut Outcomes,
    ) {
        if sink == self.sink
            && let Some(last) = self.entries.last_mut()
            && last.kind == Kind::Done
            && last.job.0.checked_add(u64::from(last.extra) + 1) == Some(job.0)
        {
            last.extra += 1;
            return;
        }
        self.push(sink, start, Entry { job, extra: 0, ..*entry }, outcomes);
    }

    /// Releases what was collected.
    pub(crate) fn flush(&mut self, outcomes: &mut Outcomes) {
        if self.entries.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        let payload = self.source.payload.slice(self.covers.start as usize..self.covers.end as usize);
        outcomes
            .release(Release { sink: self.sink, batch: Batch { payload, entries, deadlines: Vec::new() } });
    }
}
