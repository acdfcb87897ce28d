//! Composes batch frames: small values are copied behind one another, a value larger than a frame is passed on by reference.

use std::ops::Range;

use bytes::Bytes;

use crate::batch::{Entry, Piece, Pieces, Submission};
use crate::frame::batch::TableWriter;
use crate::frame::encode::FrameWriter;
use crate::frame::header::Integrity;
use crate::ids::{ChannelNo, JobId};
use crate::limits;
use crate::scattered::{Scattered, ScatteredMut};
use crate::session::credit::Allowance;
use crate::session::envelope::Envelope;
use crate::session::outbox::Outbox;

/// A payload up to this size goes into a frame with others.
const LARGEST_SMALL: usize = limits::MAX_FRAME_BODY - 64;

/// Writes one channel's values as frames, as long as there is room in this transmission.
#[derive(Debug)]
pub(crate) struct Composer<'a> {
    channel: ChannelNo,
    envelope: &'a Envelope,
    out: &'a mut ScatteredMut,
    outbox: &'a mut Outbox,
    table: &'a mut TableWriter,
    frame: Option<FrameWriter>,
    integrity: Integrity,
    /// How long `out` may become.
    end: usize,
}

impl<'a> Composer<'a> {
    pub(crate) const fn new(
        channel: ChannelNo,
        envelope: &'a Envelope,
        out: &'a mut ScatteredMut,
        outbox: &'a mut Outbox,
        table: &'a mut TableWriter,
        integrity: Integrity,
        end: usize,
    ) -> Self {
        Self { channel, envelope, out, outbox, table, frame: None, integrity, end }
    }

    /// Takes a value; false (and nothing taken) when this transmission is full, or the channel waits for its large value.
    pub(crate) fn push(&mut self, entry: &Entry, piece: &Piece<'_>) -> bool {
        if self.frame.is_some() {
            let fits = piece.len() + self.table.size_with_one_more() <= self.room();
            if !fits || !self.table.accepts(entry) || piece.len() > LARGEST_SMALL {
                self.finish();
            }
        }
        if self.frame.is_none() && (self.outbox.is_busy(self.channel) || self.out.len() >= self.end) {
            return false;
        }
        if piece.len() > LARGEST_SMALL {
            self.push_large(entry, piece);
            return true;
        }
        if self.frame.is_none() {
            self.frame = Some(FrameWriter::begin(self.out));
        }
        self.put(piece.payload(), piece.range());
        self.table.push(entry, piece.len());
        true
    }

    /// Takes entries of a batch of answers, from the one at `first` on, as far as there are room and credit; returns how many.
    pub(crate) fn push_answers(&mut self, batch: &Submission, first: usize, credit: &mut Allowance) -> usize {
        let mut start = batch.start(first);
        // What stands in the table already, and is still to be copied behind the payloads of its frame, which has so much room.
        let mut pending = start..start;
        let mut room = self.room();
        let mut taken = 0;
        while let Some((entry, others)) = batch.entries.get(first + taken..).and_then(<[_]>::split_first) {
            if !credit.is_open() {
                break;
            }
            let piece = Piece::new(&batch.payload, start, entry.end);
            let size = piece.len();
            if size + self.table.size_with_one_more() <= room
                && size <= LARGEST_SMALL
                && self.table.accepts(entry)
            {
                self.table.push(entry, size);
                room -= size;
                pending.end = entry.end;
            } else {
                self.put(&batch.payload, pending.start as usize..pending.end as usize);
                pending = entry.end..entry.end;
                if !self.push(entry, &piece) {
                    return taken;
                }
                room = self.room();
            }
            credit.spend(limits::ENTRY_COST + size as u64);
            let run = self.table.push_run(others, entry.end, |size, table| {
                let fits = credit.is_open() && size + table <= room;
                if fits {
                    room -= size;
                    credit.spend(limits::ENTRY_COST + size as u64);
                }
                fits
            });
            start = batch.start(first + taken + 1 + run);
            pending.end = pending.end.max(start);
            taken += 1 + run;
        }
        self.put(&batch.payload, pending.start as usize..pending.end as usize);
        taken
    }

    /// How many bytes of payloads and table still fit the frame that is being filled.
    fn room(&self) -> usize {
        let most = limits::MAX_FRAME_BODY - self.envelope.overhead();
        self.frame.as_ref().map_or(0, |frame| most.saturating_sub(frame.len(self.out)))
    }

    /// Appends a part of a payload to the frame; what is to be sealed must lie in one piece.
    fn put(&mut self, payload: &Scattered, range: Range<usize>) {
        if self.envelope.is_plain() {
            self.out.put_part_of(payload, range);
        } else {
            payload.copy_to(range, self.out.own());
        }
    }

    /// Takes consecutive jobs, of which `entry` is the first, as far as there is room; returns how many.
    pub(crate) fn push_jobs(&mut self, entry: &Entry, pieces: &Pieces<'_>) -> usize {
        let mut taken = 0;
        let mut rest = *pieces;
        while let Some(first) = rest.first() {
            let entry = Entry { job: JobId(entry.job.0 + taken as u64), ..*entry };
            if !self.push(&entry, &first) {
                break;
            }
            let (_, others) = rest.split_at(1);
            let further = self.push_further(&others);
            (_, rest) = others.split_at(further);
            taken += 1 + further;
        }
        taken
    }

    /// Puts values behind the one that was pushed last, whose jobs follow on its, as far as they fit its frame; returns how many.
    fn push_further(&mut self, pieces: &Pieces<'_>) -> usize {
        let mut room = self.room();
        let mut count = 0;
        for length in pieces.lengths() {
            let needed = length + self.table.size_with_one_more();
            if needed > room || length > LARGEST_SMALL {
                break;
            }
            room -= length;
            self.table.push_next(length);
            count += 1;
        }
        let (fitting, _) = pieces.split_at(count);
        self.put(fitting.payload(), fitting.range());
        count
    }

    fn push_large(&mut self, entry: &Entry, piece: &Piece<'_>) {
        let mut table = Vec::new();
        self.table.push(entry, piece.len());
        self.table.finish(&mut table);
        if self.envelope.is_plain() {
            self.outbox.put_large(self.channel, piece.shared(), table);
        } else {
            let mut body = Vec::with_capacity(piece.len() + table.len());
            piece.payload().copy_to(piece.range(), &mut body);
            body.append(&mut table);
            self.put_sealed(body);
        }
    }

    /// Completes the frame that is being filled.
    pub(crate) fn finish(&mut self) {
        let Some(frame) = self.frame.take() else { return };
        self.table.finish(self.out.own());
        if self.envelope.is_plain() {
            frame.finish(self.out, self.channel, 0, self.integrity);
            return;
        }
        let body = frame.take_body(self.out);
        frame.cancel(self.out);
        self.put_sealed(body);
    }

    /// Puts a body as it is to travel: in a frame of its own, or in several where it is too long for one.
    fn put_sealed(&mut self, body: Vec<u8>) {
        let sealed = self.envelope.seal(body);
        if sealed.len() <= limits::MAX_FRAME_BODY {
            let frame = FrameWriter::begin(self.out);
            self.out.own().extend_from_slice(&sealed);
            frame.finish(self.out, self.channel, 0, self.integrity);
        } else {
            self.outbox.put_large(self.channel, Bytes::from(sealed).into(), Vec::new());
        }
    }
}
