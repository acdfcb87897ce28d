//! Sorts the answers of one batch into parts: each part goes to one sink and shares the batch's memory. A batch that goes to one sink as it
//! stands, which nearly all do, is passed on whole.

use std::ops::Range;

use crate::batch::{Batch, Entry, Kind};
use crate::dispatch::outcome::{Outcomes, Release};
use crate::ids::{JobId, SinkId};

/// Collects accepted entries as long as they go to the same sink.
#[derive(Debug)]
pub(crate) struct Parts {
    source: Batch,
    sink: SinkId,
    /// So many of the source's first entries are the part, as they stand; none of them is in `entries` then.
    leading: usize,
    entries: Vec<Entry>,
    /// The payload of the part so far.
    covers: Range<u32>,
}

impl Parts {
    pub(crate) const fn new(source: Batch) -> Self {
        Self { source, sink: SinkId::RECEIVER, leading: 0, entries: Vec::new(), covers: 0..0 }
    }

    pub(crate) const fn source(&self) -> &Batch {
        &self.source
    }

    /// Adds entries of the source as they stand.
    pub(crate) fn push_as_they_stand(&mut self, sink: SinkId, range: Range<usize>, outcomes: &mut Outcomes) {
        let continues = self.leading == range.start && self.entries.is_empty();
        if continues && (range.start == 0 || sink == self.sink) {
            self.leading = range.end;
            self.sink = sink;
            return;
        }
        for index in range {
            let start = self.source.start(index);
            if let Some(entry) = self.source.entries.get(index).copied() {
                self.push(sink, start, entry, outcomes);
            }
        }
    }

    /// Adds an entry whose payload begins at `start` of the source.
    pub(crate) fn push(&mut self, sink: SinkId, start: u32, entry: Entry, outcomes: &mut Outcomes) {
        self.spill();
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

    /// Adds `count` completed jobs of a run, from this one on; a run stays one entry as long as it goes to one sink.
    pub(crate) fn push_done(
        &mut self,
        sink: SinkId,
        start: u32,
        job: JobId,
        count: u64,
        entry: &Entry,
        outcomes: &mut Outcomes,
    ) {
        self.spill();
        let further = u32::try_from(count - 1).expect("no run is longer than the one that came");
        if sink == self.sink
            && let Some(last) = self.entries.last_mut()
            && last.kind == Kind::Done
            && last.job.0.checked_add(u64::from(last.extra) + 1) == Some(job.0)
        {
            last.extra += further + 1;
            return;
        }
        self.push(sink, start, Entry { job, extra: further, ..*entry }, outcomes);
    }

    /// Releases what was collected.
    pub(crate) fn flush(&mut self, outcomes: &mut Outcomes) {
        if self.leading == self.source.entries.len() && self.leading > 0 {
            self.leading = 0;
            return outcomes.release(Release { sink: self.sink, batch: std::mem::take(&mut self.source) });
        }
        self.spill();
        if self.entries.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        let payload = self.source.payload.slice(self.covers.start as usize..self.covers.end as usize);
        outcomes.release(Release { sink: self.sink, batch: Batch { payload, entries, ..Batch::default() } });
    }

    /// On an ordered channel: `jobs` that were next have been added. What had waited for them comes behind them.
    pub(crate) fn pass_over(&mut self, jobs: u64, outcomes: &mut Outcomes) {
        if outcomes.is_parked() {
            self.flush(outcomes);
        }
        outcomes.pass_over(jobs);
    }

    /// The part does not go on as the source does: it gets entries of its own.
    fn spill(&mut self) {
        let leading = std::mem::take(&mut self.leading);
        if leading > 0 {
            self.covers = 0..self.source.start(leading);
            self.entries.extend_from_slice(self.source.entries.get(..leading).unwrap_or_default());
        }
    }
}
