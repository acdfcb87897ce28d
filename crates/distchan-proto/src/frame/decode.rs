//! Splits received bytes into frames: at most one body is waited for, and its length is checked before it is.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::frame::header::{self, FrameKind, Header, Integrity};
use crate::ids::ChannelNo;

/// A frame that is as it was written.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// Whether it counts in the session's stream; others concern the connection alone.
    pub(crate) is_of_session: bool,
    pub(crate) flags: u8,
    pub(crate) channel: ChannelNo,
    pub(crate) body: Bytes,
}

/// Takes the next whole frame off the front of `input`; its body shares `input`'s memory.
pub(crate) fn take(
    input: &mut BytesMut,
    limit: usize,
    integrity: Integrity,
) -> Result<Option<Frame>, ProtocolError> {
    let Some(bytes) = input.first_chunk::<{ header::LENGTH }>() else {
        return Ok(None);
    };
    let header = Header::parse(*bytes);
    let size = header.length as usize;
    if size > limit {
        return Err(ProtocolError::FrameTooLarge { size, limit });
    }
    if input.len() < header::LENGTH + size {
        return Ok(None);
    }
    input.advance(header::LENGTH);
    let body = input.split_to(size).freeze();
    header.check(&body, integrity)?;
    let kind = FrameKind::from_wire(header.kind).ok_or(ProtocolError::Malformed("frame: unknown kind"))?;
    if header.flags & !kind.flags() != 0 {
        return Err(ProtocolError::Malformed("frame: unknown flags"));
    }
    let is_of_session = header.kind >= header::FIRST_OF_SESSION;
    Ok(Some(Frame { kind, is_of_session, flags: header.flags, channel: header.channel, body }))
}

/// The header of a batch's frame of which only a part has arrived, and that part of its body. What stands in it was looked at by [`take`], but
/// for the flags.
pub(crate) fn begun_batch(input: &[u8]) -> Option<(Header, &[u8])> {
    let (bytes, begun) = input.split_first_chunk::<{ header::LENGTH }>()?;
    let header = Header::parse(*bytes);
    let is_batch = FrameKind::from_wire(header.kind) == Some(FrameKind::Batch);
    (is_batch && header.flags & !FrameKind::Batch.flags() == 0).then_some((header, begun))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode;

    fn frame(kind: FrameKind, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode::put_with(&mut out, ChannelNo(7), |out| {
            out.extend_from_slice(body);
            kind
        });
        out
    }

    #[test]
    fn a_frame_that_trickles_in_is_taken_when_it_is_whole() {
        let whole = frame(FrameKind::Batch, b"hello");
        let mut input = BytesMut::new();
        for &byte in &whole[..whole.len() - 1] {
            input.extend_from_slice(&[byte]);
            assert!(take(&mut input, 100, Integrity::Checksums).unwrap().is_none());
        }
        input.extend_from_slice(&whole[whole.len() - 1..]);
        let taken = take(&mut input, 100, Integrity::Checksums).unwrap().unwrap();
        assert_eq!(
            (taken.kind, taken.channel, &taken.body[..]),
            (FrameKind::Batch, ChannelNo(7), &b"hello"[..])
        );
        assert!(input.is_empty());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = frame(FrameKind::Batch, b"hello");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // A longer length waits for more bytes instead; whatever comes, the checksum covers the length too.
            bytes.extend_from_slice(&[0; 1 << 9]);
            assert!(
                !matches!(
                    take(&mut BytesMut::from(bytes.as_slice()), 1 << 8, Integrity::Checksums),
                    Ok(Some(_))
                ),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_length_is_checked_before_it_is_waited_for() {
        let mut bytes = frame(FrameKind::Batch, b"hello");
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            take(&mut BytesMut::from(bytes.as_slice()), 100, Integrity::Checksums).unwrap_err(),
            ProtocolError::FrameTooLarge { size: u32::MAX as usize, limit: 100 }
        );
    }
}
