//! The body of a batch frame: all payloads, then a table that says what they are, then the table's length.
//! The table stands last so that payloads are copied straight to their place while the table grows beside them.

use std::time::Duration;

use bytes::Bytes;

use crate::batch::{Batch, Entry, Kind};
use crate::error::ProtocolError;
use crate::ids::{Attempt, JobId};
use crate::limits;
use crate::varint;

const TABLE_LENGTH: usize = 4;

/// A job with a deadline, on the wire.
const TIMED: u64 = 6;

/// The payloads of bodies below this size are copied out of the buffer in which they arrived.
const SMALL_BODY: usize = 16 * 1024;

/// Composes the table of one body. One writer serves many bodies, so that its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct TableWriter {
    table: Vec<u8>,
    attempt: Option<Attempt>,
    previous: u64,
}

impl TableWriter {
    /// Whether `entry` can go into the same body as those before it: all of a body's jobs have one attempt.
    #[inline]
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        self.attempt.is_none_or(|attempt| attempt == entry.attempt)
    }

    /// What [`TableWriter::finish`] will append, in bytes, with room for one more entry.
    pub(crate) const fn size_with_one_more(&self) -> usize {
        self.table.len() + TABLE_LENGTH + 3 * 10
    }

    /// Names a payload of `length` bytes.
    #[inline]
    pub(crate) fn push(&mut self, entry: &Entry, length: usize) {
        debug_assert!(self.accepts(entry), "a body has one attempt");
        if self.attempt.is_none() {
            self.attempt = Some(entry.attempt);
            varint::put(&mut self.table, u64::from(entry.attempt.0));
        }
        let difference = entry.job.0.wrapping_sub(self.previous).cast_signed();
        self.previous = entry.job.0;
        if let (Kind::Result | Kind::Last, 0..8, Ok(length @ 0..0x80)) =
            (entry.kind, difference, u8::try_from(length))
        {
            // Two bytes, as nearly always: the next job, and a short result.
            let key = varint::zigzag(difference) << 3 | entry.kind as u64;
            self.table.extend_from_slice(&[varint::low_byte(key), length]);
            return;
        }
        let deadline = entry.extra.checked_sub(1).filter(|_| entry.kind == Kind::Value);
        let kind = if deadline.is_some() { TIMED } else { entry.kind as u64 };
        varint::put(&mut self.table, (varint::zigzag(difference) << 3) | kind);
        let second = match entry.kind {
            Kind::Done | Kind::Returned | Kind::Unbegun => u64::from(entry.extra),
            Kind::Value | Kind::Result | Kind::Last | Kind::Failed | Kind::Void => length as u64,
        };
        varint::put(&mut self.table, second);
        if let Some(millis) = deadline {
            varint::put(&mut self.table, u64::from(millis));
        }
    }

    /// Names a value of `length` bytes whose job is the one behind the last, which was a value too.
    #[inline]
    pub(crate) fn push_next(&mut self, length: usize) {
        /// A difference of 1, which is 2 in zigzag.
        const KEY: u8 = 2 << 3 | Kind::Value as u8;
        self.previous = self.previous.wrapping_add(1);
        match u8::try_from(length) {
            Ok(length @ 0..0x80) => self.table.extend_from_slice(&[KEY, length]),
            _ => {
                self.table.push(KEY);
                varint::put(&mut self.table, length as u64);
            }
        }
    }

    /// Names the payloads of the first of these entries, which begin at `start`, as long as each is the one and short result of the job behind the one
    /// before and `fits`, given its length and what [`TableWriter::finish`] would append; returns how many that is.
    #[inline]
    pub(crate) fn push_run(
        &mut self,
        entries: &[Entry],
        mut start: u32,
        mut fits: impl FnMut(usize, usize) -> bool,
    ) -> usize {
        /// A difference of 1, which is 2 in zigzag.
        const KEY: u8 = 2 << 3 | Kind::Last as u8;
        let mut count = 0;
        for entry in entries {
            let follows = entry.kind == Kind::Last
                && entry.job.0 == self.previous.wrapping_add(1)
                && self.attempt == Some(entry.attempt);
            match u8::try_from(entry.end - start) {
                Ok(length @ 0..0x80) if follows && fits(length.into(), self.size_with_one_more()) => {
                    self.table.extend_from_slice(&[KEY, length]);
                }
                _ => break,
            }
            self.previous = entry.job.0;
            start = entry.end;
            count += 1;
        }
        count
    }

    /// Appends the table to the payloads in `body` and is ready for the next one.
    pub(crate) fn finish(&mut self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.table);
        let length = u32::try_from(self.table.len()).expect("a table is as bounded as a frame");
        body.extend_from_slice(&length.to_le_bytes());
        self.table.clear();
        self.attempt = None;
        self.previous = 0;
    }
}

/// The kinds of entries that are a payload and nothing besides, by their number.
const SHORT: [Option<Kind>; 8] =
    [Some(Kind::Value), Some(Kind::Result), Some(Kind::Last), None, Some(Kind::Failed), None, None, None];

/// Reads a whole body. Each entry takes at least two bytes of the table, so what is allocated is bounded by what has arrived.
pub(crate) fn decode(body: &Bytes) -> Result<Batch, ProtocolError> {
    const TABLE: ProtocolError = ProtocolError::Malformed("batch: table");
    let (front, length) = body.split_last_chunk::<TABLE_LENGTH>().ok_or(TABLE)?;
    // A body of several frames has one entry; its table, like every other, was composed within a frame.
    let length =
        Some(u32::from_le_bytes(*length) as usize).filter(|length| *length <= limits::MAX_FRAME_BODY);
    let length = length.ok_or(TABLE)?;
    let payload_length = front.len().checked_sub(length).ok_or(TABLE)?;
    let mut table = front.get(payload_length..).ok_or(TABLE)?;
    let attempt = varint::take(&mut table).and_then(|a| u32::try_from(a).ok()).ok_or(TABLE)?;
    let attempt = Attempt(attempt);
    let mut entries = Vec::with_capacity(table.len() / 2);
    let mut deadlines = Vec::new();
    let (mut job, mut end, mut settled) = (0u64, 0usize, 0u64);
    while !table.is_empty() {
        if let [key @ 0..0x80, 0..0x80, ..] = *table
            && let Some(kind) = SHORT.get(usize::from(key & 7)).copied().flatten()
        {
            // Two bytes, as nearly always: a job near the last one, with a short payload, and others like it behind.
            let (pairs, _) = table.as_chunks();
            let count = pairs.iter().take_while(|[next, length]| *next == key && *length < 0x80).count();
            let (run, _) = pairs.split_at(count);
            let step = varint::unzigzag(u64::from(key >> 3)).cast_unsigned();
            let behind: usize = end + run.iter().map(|[_, length]| usize::from(*length)).sum::<usize>();
            u32::try_from(behind).map_err(|_| TABLE)?;
            let mut at = u32::try_from(end).map_err(|_| TABLE)?;
            entries.extend(run.iter().map(|[_, length]| {
                job = job.wrapping_add(step);
                at += u32::from(*length);
                Entry { job: JobId(job), attempt, end: at, extra: 0, kind }
            }));
            end = behind;
            table = table.get(2 * count..).unwrap_or_default();
            continue;
        }
        let key = varint::take(&mut table).ok_or(TABLE)?;
        let second = varint::take(&mut table).ok_or(TABLE)?;
        let kind = kind_from_wire(key);
        job = job.wrapping_add(varint::unzigzag(key >> 3).cast_unsigned());
        let mut extra = 0;
        if matches!(kind, Kind::Done | Kind::Returned | Kind::Unbegun) {
            // The sum over the body is bounded too: no worker can hold more, and each costs the reader a look-up.
            settled = settled.saturating_add(second);
            let fits = settled < limits::MAX_RUN && job.checked_add(second).is_some();
            extra =
                u32::try_from(second).ok().filter(|_| fits).ok_or(ProtocolError::Malformed("batch: run"))?;
        } else {
            let length = usize::try_from(second).map_err(|_| TABLE)?;
            end = end.checked_add(length).ok_or(TABLE)?;
        }
        if key & 7 == TIMED {
            let millis = varint::take(&mut table).ok_or(TABLE)?;
            deadlines.push((u32::try_from(entries.len()).map_err(|_| TABLE)?, Duration::from_millis(millis)));
        }
        let end = u32::try_from(end).map_err(|_| TABLE)?;
        entries.push(Entry { job: JobId(job), attempt, end, extra, kind });
    }
    if entries.is_empty() || end != payload_length {
        return Err(ProtocolError::Malformed("batch: payloads and table differ"));
    }
    // What waits for its reader and is small must not keep the whole buffer it arrived in.
    let payload = match front.get(..payload_length) {
        Some(small) if body.len() < SMALL_BODY => Bytes::copy_from_slice(small),
        _ => body.slice(..payload_length),
    };
    Ok(Batch { payload, entries, deadlines, keys: Vec::new() })
}

/// Refuses values above `limit` bytes. A failure's reason has a limit of its own.
pub(crate) fn check_sizes(batch: &Batch, limit: usize) -> Result<(), ProtocolError> {
    // Where the whole is small enough, each part is.
    if batch.payload.len() > limit {
        for (start, entry) in batch.iter() {
            let limit = if entry.kind == Kind::Failed { limit.max(limits::MAX_REASON) } else { limit };
            if (entry.end - start) as usize > limit {
                return Err(ProtocolError::ValueTooLarge { limit });
            }
        }
    }
    Ok(())
}

/// The kind in the lowest three bits of a key.
const fn kind_from_wire(key: u64) -> Kind {
    match key & 7 {
        1 => Kind::Result,
        2 => Kind::Last,
        3 => Kind::Done,
        4 => Kind::Failed,
        5 => Kind::Returned,
        7 => Kind::Unbegun,
        // 0 and `TIMED`.
        _ => Kind::Value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, job: u64, extra: u32) -> Entry {
        Entry { job: JobId(job), attempt: Attempt(3), end: 0, extra, kind }
    }

    #[test]
    fn a_body_reads_as_it_was_written() {
        let mut writer = TableWriter::default();
        let mut body = b"abcde".to_vec();
        writer.push(&entry(Kind::Last, 9, 0), 2);
        writer.push(&entry(Kind::Done, 4, 5), 0);
        writer.push(&entry(Kind::Failed, u64::MAX, 0), 3);
        assert!(!writer.accepts(&Entry { attempt: Attempt(4), ..entry(Kind::Value, 1, 0) }));
        writer.finish(&mut body);
        let batch = decode(&Bytes::from(body)).unwrap();
        let read: Vec<_> = batch.iter().map(|(start, e)| (e.kind, e.job.0, e.extra, start, e.end)).collect();
        assert_eq!(
            read,
            [(Kind::Last, 9, 0, 0, 2), (Kind::Done, 4, 5, 2, 2), (Kind::Failed, u64::MAX, 0, 2, 5)]
        );
    }

    #[test]
    fn a_run_is_written_as_its_entries_one_by_one_would_be() {
        let kinds = [Kind::Last, Kind::Last, Kind::Last, Kind::Result, Kind::Done, Kind::Failed];
        let mut state = 1u64;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from(state >> 33).unwrap() % below
        };
        let (mut job, mut end) = (0u64, 0);
        let mut entries = Vec::new();
        for _ in 0..5000 {
            let kind = kinds[draw(6) as usize];
            // Mostly the next job, sometimes the same, the one behind the next, or the one before.
            job = job.wrapping_add_signed([1, 1, 1, 1, 1, 1, 0, 2, -1][draw(9) as usize]);
            let most = if draw(3) == 0 { 300 } else { 0x80 };
            // A job that is done has no payload.
            end += if kind == Kind::Done { 0 } else { draw(most) };
            entries.push(Entry { end, ..entry(kind, job, 0) });
        }
        let (mut singly, mut in_runs) = (TableWriter::default(), TableWriter::default());
        let (mut at, mut start, mut longest) = (0, 0, 0);
        while let Some(entry) = entries.get(at) {
            in_runs.push(entry, (entry.end - start) as usize);
            // What a run may take is asked of each of its entries, with the size of the table as it is then.
            let mut left = draw(20);
            let run = in_runs.push_run(&entries[at + 1..], entry.end, |length, table| {
                assert!(length < 0x80 && table > TABLE_LENGTH);
                left = left.saturating_sub(1);
                left > 0
            });
            for entry in &entries[at..=at + run] {
                singly.push(entry, (entry.end - start) as usize);
                start = entry.end;
            }
            assert_eq!(in_runs.size_with_one_more(), singly.size_with_one_more());
            (at, longest) = (at + 1 + run, longest.max(run));
        }
        assert!(longest > 5, "there were runs");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        singly.finish(&mut first);
        in_runs.finish(&mut second);
        assert_eq!(first, second);
        let mut body = vec![0; end as usize];
        body.extend_from_slice(&first);
        assert_eq!(decode(&Bytes::from(body)).unwrap().entries, entries, "and is read again");
    }

    #[test]
    fn no_bytes_panic_or_allocate_beyond_themselves() {
        for length in 0..40usize {
            for seed in 0..2000u64 {
                let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ length as u64;
                let bytes: Vec<u8> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 59) as u8
                    })
                    .collect();
                if let Ok(batch) = decode(&Bytes::from(bytes)) {
                    assert!(batch.entries.len() * 2 <= length);
                }
            }
        }
    }

    #[test]
    fn a_run_longer_than_a_worker_can_hold_is_refused() {
        let mut body = Vec::new();
        let mut writer = TableWriter::default();
        writer.push(&entry(Kind::Done, 1, u32::MAX), 0);
        writer.finish(&mut body);
        assert_eq!(decode(&Bytes::from(body)).unwrap_err(), ProtocolError::Malformed("batch: run"));
    }
}
