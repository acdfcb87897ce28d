//! Writes frames into the caller's buffer.

use crate::frame::header::{self, FLAG_MORE, FrameKind, Header};
use crate::ids::ChannelNo;
use crate::limits;

/// A frame whose body is being appended to `out`; [`FrameWriter::finish`] puts the header in front of it.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    start: usize,
}

impl FrameWriter {
    pub(crate) fn begin(out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; header::LENGTH]);
        Self { start }
    }

    /// Where the body begins.
    pub(crate) const fn body(&self) -> usize {
        self.start + header::LENGTH
    }

    pub(crate) fn finish(self, out: &mut [u8], kind: FrameKind, channel: ChannelNo) {
        let Some((head, body)) =
            out.get_mut(self.start..).and_then(|f| f.split_at_mut_checked(header::LENGTH))
        else {
            unreachable!("begin() wrote the header's room");
        };
        let header = header_for(&[body], kind, 0, channel);
        head.copy_from_slice(&header.to_bytes());
    }

    /// Takes the frame back.
    pub(crate) fn cancel(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }
}

/// Appends one whole frame with a body in two pieces.
pub(crate) fn put(out: &mut Vec<u8>, kind: FrameKind, channel: ChannelNo, more: bool, body: [&[u8]; 2]) {
    let header = header_for(&body, kind, if more { FLAG_MORE } else { 0 }, channel);
    out.extend_from_slice(&header.to_bytes());
    for piece in body {
        out.extend_from_slice(piece);
    }
}

fn header_for(body: &[&[u8]], kind: FrameKind, flags: u8, channel: ChannelNo) -> Header {
    let length: usize = body.iter().map(|piece| piece.len()).sum();
    assert!(length <= limits::MAX_FRAME_BODY, "a frame of {length} bytes");
    let length = u32::try_from(length).expect("checked in the line before");
    let mut header = Header { length, checksum: 0, kind: kind.to_wire(), flags, channel };
    header.checksum = header.checksum_of(body);
    header
}
