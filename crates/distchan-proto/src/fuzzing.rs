//! What the fuzz targets reach of the wire besides the machines: whether what is read of it is what would have been written. It must never be
//! used by anything else.

use bytes::{Bytes, BytesMut};

use crate::batch::{Batch, Kind};
use crate::compression::SharedCompressor;
use crate::error::ProtocolError;
use crate::frame::batch::{self, TableWriter};
use crate::frame::control::Control;
use crate::frame::decode::{self, Frame};
use crate::frame::header::{FrameKind, Integrity};
use crate::ids::ChannelNo;
use crate::limits;
use crate::session::envelope;
use crate::transform::SharedTransform;

/// Reads frames, whole and in pieces of `piece` bytes.
///
/// # Panics
/// Where it matters how the bytes are cut, or where what was read would be written in another way.
pub fn frames(bytes: &[u8], piece: usize) {
    let (frames, end) = read(bytes, bytes.len());
    let (in_pieces, end_in_pieces) = read(bytes, piece);
    assert_eq!(end, end_in_pieces, "it matters where the bytes are cut");
    assert_eq!(frames.len(), in_pieces.len(), "it matters where the bytes are cut");
    for (frame, other) in frames.iter().zip(&in_pieces) {
        assert_eq!((frame.kind, frame.flags, frame.channel), (other.kind, other.flags, other.channel));
        assert_eq!(frame.body, other.body, "it matters where the bytes are cut");
        check(frame);
    }
}

/// One body of a batch, as it stands in a frame or is put together from several.
///
/// # Panics
/// Where what was read would be written in another way.
pub fn body(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(read) = batch::decode(&body) {
        check_batch(&body, &read);
    }
}

/// What a body becomes on a compressed channel.
#[must_use]
pub fn pack(compressor: &SharedCompressor, plain: &[u8]) -> Vec<u8> {
    envelope::pack(compressor, plain.to_vec())
}

/// The inverse of [`pack`].
///
/// # Errors
/// As a peer is told.
pub fn unpack(compressor: &SharedCompressor, body: &[u8], limit: usize) -> Result<Bytes, String> {
    envelope::unpack(compressor, Bytes::copy_from_slice(body), limit)
}

/// What a transform makes of plain bytes, with their checksum.
#[must_use]
pub fn seal(transform: &SharedTransform, plain: &[u8]) -> Vec<u8> {
    transform.seal(&mut plain.to_vec())
}

/// The inverse of [`seal`].
///
/// # Errors
/// As a peer is told.
pub fn open(transform: &SharedTransform, coded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    transform.open(coded, limit)
}

/// All frames, and what stopped the reader, if not the end.
fn read(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<ProtocolError>) {
    let (mut input, mut frames) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match decode::take(&mut input, limits::MAX_FRAME_BODY, Integrity::Checksums) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn check(frame: &Frame) {
    if frame.kind == FrameKind::Batch {
        body(&frame.body);
    } else if frame.kind != FrameKind::Skippable
        && let Ok(message) = Control::parse(frame)
    {
        check_control(&message, frame.channel);
    }
}

/// A message says the same when it is written again. What is longer than this side writes is cut once, and not again.
fn check_control(message: &Control, channel: ChannelNo) {
    let written = write(message, channel);
    let again = parse(&written);
    let is_cut = matches!(message, Control::Goodbye(goodbye) if goodbye.text.len() > limits::MAX_FAREWELL);
    assert!(is_cut || again == *message, "{message:?} was read, {again:?} written");
    assert_eq!(write(&again, channel), written);
}

fn write(message: &Control, channel: ChannelNo) -> Vec<u8> {
    let mut out = Vec::new();
    message.put(&mut out, channel);
    out
}

fn parse(written: &[u8]) -> Control {
    let frame = decode::take(&mut BytesMut::from(written), limits::MAX_FRAME_BODY, Integrity::Checksums);
    let frame = frame.expect("its checksum is right").expect("it is whole");
    Control::parse(&frame).expect("this side has written it")
}

fn check_batch(body: &Bytes, read: &Batch) {
    assert!(read.entries.len() * 2 <= body.len(), "more was made than has come");
    let mut start = 0;
    for entry in &read.entries {
        assert!(start <= entry.end, "payloads overlap");
        start = entry.end;
    }
    assert_eq!(start as usize, read.payload.len(), "the payloads are all there is");
    let mut deadlines = read.deadlines.iter().copied().peekable();
    let mut table = TableWriter::default();
    let mut written = read.payload.to_vec();
    for (index, (start, entry)) in (0..).zip(read.iter()) {
        let mut entry = *entry;
        if let Some((_, left)) = deadlines.next_if(|(at, _)| *at == index) {
            // This side writes no longer ones.
            let Some(extra) = u32::try_from(left.as_millis()).ok().and_then(|millis| millis.checked_add(1))
            else {
                return;
            };
            assert_eq!(entry.kind, Kind::Value);
            entry.extra = extra;
        }
        table.push(&entry, (entry.end - start) as usize);
    }
    assert!(deadlines.peek().is_none(), "a deadline of nothing");
    table.finish(&mut written);
    let again = batch::decode(&Bytes::from(written)).expect("this side has written it");
    assert_eq!((&again.payload, &again.entries), (&read.payload, &read.entries));
    assert_eq!(again.deadlines, read.deadlines);
}
