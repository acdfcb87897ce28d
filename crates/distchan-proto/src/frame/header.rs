//! The twelve bytes before every frame's body.

use crate::carrier::Carrier;
use crate::error::ProtocolError;
use crate::ids::ChannelNo;

/// Body length (u32), checksum (u32), kind (u8), flags (u8), channel (u16); little endian.
pub(crate) const LENGTH: usize = 12;

/// The body goes on in this channel's next batch frame.
pub(crate) const FLAG_MORE: u8 = 1;

/// Whoever wrote this frame waits for its acknowledgement.
pub(crate) const FLAG_IMMEDIATE_ACK: u8 = 2;

/// Kinds below this speak of the connection; all others belong to the session, which survives its connections.
pub(crate) const FIRST_OF_SESSION: u8 = 0x10;

/// The kind of a batch.
const BATCH: u8 = 0x20;

/// Who notices that a batch was changed on its way. All other frames have a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// Whoever takes it, by its checksum.
    Checksums,
    /// What carries the connection: the checksum is left at 0, and not looked at.
    Carrier,
}

impl Integrity {
    pub(crate) const fn over(carrier: &Carrier<'_>) -> Self {
        if carrier.guards_bytes { Self::Carrier } else { Self::Checksums }
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Hello,
    Welcome,
    Goodbye,
    Ping,
    Ack,
    Open,
    Opened,
    Refused,
    Schemas,
    Finished,
    Credit,
    Leave,
    Drain,
    Started,
    Cancel,
    Recall,
    Batch,
    /// A kind from 0x80 up that this version does not know: skipped.
    Skippable,
}

const WIRE: [(u8, FrameKind); 17] = [
    (0x01, FrameKind::Hello),
    (0x02, FrameKind::Welcome),
    (0x03, FrameKind::Goodbye),
    (0x04, FrameKind::Ping),
    (0x05, FrameKind::Ack),
    (0x10, FrameKind::Open),
    (0x11, FrameKind::Opened),
    (0x12, FrameKind::Refused),
    (0x13, FrameKind::Schemas),
    (0x14, FrameKind::Finished),
    (0x15, FrameKind::Credit),
    (0x16, FrameKind::Leave),
    (0x17, FrameKind::Drain),
    (0x18, FrameKind::Started),
    (0x19, FrameKind::Cancel),
    (0x1a, FrameKind::Recall),
    (BATCH, FrameKind::Batch),
];

impl FrameKind {
    pub(crate) fn from_wire(byte: u8) -> Option<Self> {
        if byte >= 0x80 {
            return Some(Self::Skippable);
        }
        WIRE.iter().find(|(number, _)| *number == byte).map(|(_, kind)| *kind)
    }

    /// The flags that may stand on such a frame.
    pub(crate) const fn flags(self) -> u8 {
        if matches!(self, Self::Batch) {
            FLAG_MORE | FLAG_IMMEDIATE_ACK
        } else if matches!(self, Self::Skippable) {
            u8::MAX
        } else {
            0
        }
    }

    pub(crate) fn to_wire(self) -> u8 {
        WIRE.iter().find(|(_, kind)| *kind == self).map_or(0xff, |(number, _)| *number)
    }
}

/// A header as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) checksum: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) channel: ChannelNo,
}

impl Header {
    pub(crate) fn parse(bytes: [u8; LENGTH]) -> Self {
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind, flags, n0, n1] = bytes;
        Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            kind,
            flags,
            channel: ChannelNo(u16::from_le_bytes([n0, n1])),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        let [n0, n1] = self.channel.0.to_le_bytes();
        [l0, l1, l2, l3, c0, c1, c2, c3, self.kind, self.flags, n0, n1]
    }

    /// An error where the body is not the one that was written.
    pub(crate) fn check(&self, body: &[u8], integrity: Integrity) -> Result<(), ProtocolError> {
        let is_guarded = self.kind == BATCH && integrity == Integrity::Carrier;
        if is_guarded || self.checksum == self.checksum_of([body]) {
            Ok(())
        } else {
            Err(ProtocolError::Checksum)
        }
    }

    /// CRC-32 over length, kind, flags, channel and body.
    pub(crate) fn checksum_of<'a>(&self, body: impl IntoIterator<Item = &'a [u8]>) -> u32 {
        let [n0, n1] = self.channel.0.to_le_bytes();
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[l0, l1, l2, l3, self.kind, self.flags, n0, n1]);
        for piece in body {
            hasher.update(piece);
        }
        hasher.finalize()
    }
}
