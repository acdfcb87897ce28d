//! Writes frames into the caller's buffer.

use crate::frame::header::{self, FrameKind, Header, Integrity};
use crate::ids::ChannelNo;
use crate::limits;
use crate::scattered::{Mark, ScatteredMut};

/// A batch's frame whose body is being appended to `out`; [`FrameWriter::finish`] puts the header in front of it.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    body: Mark,
}

impl FrameWriter {
    pub(crate) fn begin(out: &mut ScatteredMut) -> Self {
        out.own().extend_from_slice(&[0; header::LENGTH]);
        Self { body: out.mark() }
    }

    /// How long the body is by now.
    pub(crate) const fn len(&self, out: &ScatteredMut) -> usize {
        out.len_behind(&self.body)
    }

    /// The body, taken out again: it was copied.
    pub(crate) fn take_body(&self, out: &mut ScatteredMut) -> Vec<u8> {
        out.take_behind(&self.body)
    }

    pub(crate) fn finish(self, out: &mut ScatteredMut, channel: ChannelNo, flags: u8, integrity: Integrity) {
        let mut header = header_for(self.len(out), FrameKind::Batch, flags, channel);
        if integrity == Integrity::Checksums {
            header.checksum = header.checksum_of(out.pieces_behind(&self.body));
        }
        let end = self.body.own();
        let head = end.checked_sub(header::LENGTH).and_then(|start| out.own().get_mut(start..end));
        head.expect("begin() wrote the header's room").copy_from_slice(&header.to_bytes());
    }

    /// Takes the frame back: its body was taken out.
    pub(crate) fn cancel(self, out: &mut ScatteredMut) {
        out.own().truncate(self.body.own() - header::LENGTH);
    }
}

/// Appends one whole frame whose body `write` appends, and whose kind it says.
pub(crate) fn put_with(out: &mut Vec<u8>, channel: ChannelNo, write: impl FnOnce(&mut Vec<u8>) -> FrameKind) {
    let start = out.len();
    out.extend_from_slice(&[0; header::LENGTH]);
    let kind = write(out);
    let frame = out.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(header::LENGTH));
    let (head, body) = frame.expect("the header's room was written");
    let mut header = header_for(body.len(), kind, 0, channel);
    header.checksum = header.checksum_of([&*body]);
    head.copy_from_slice(&header.to_bytes());
}

/// A header without its checksum.
fn header_for(length: usize, kind: FrameKind, flags: u8, channel: ChannelNo) -> Header {
    assert!(length <= limits::MAX_FRAME_BODY, "a frame of {length} bytes");
    let length = u32::try_from(length).expect("checked in the line before");
    Header { length, checksum: 0, kind: kind.to_wire(), flags, channel }
}
