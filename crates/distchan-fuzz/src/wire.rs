//! The wire as `PROTOCOL.md` has it, written without the machines' own code: what strangers and liars send. It must never borrow from the
//! machines, or both would be wrong together.

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const WELCOME: u8 = 0x02;
pub(crate) const GOODBYE: u8 = 0x03;
pub(crate) const PING: u8 = 0x04;
pub(crate) const ACK: u8 = 0x05;
pub(crate) const FIRST_OF_SESSION: u8 = 0x10;
pub(crate) const OPEN: u8 = 0x10;
pub(crate) const OPENED: u8 = 0x11;
pub(crate) const REFUSED: u8 = 0x12;
pub(crate) const SCHEMAS: u8 = 0x13;
pub(crate) const FINISHED: u8 = 0x14;
pub(crate) const CREDIT: u8 = 0x15;
pub(crate) const LEAVE: u8 = 0x16;
pub(crate) const DRAIN: u8 = 0x17;
pub(crate) const STARTED: u8 = 0x18;
pub(crate) const CANCEL: u8 = 0x19;
pub(crate) const RECALL: u8 = 0x1a;
pub(crate) const BATCH: u8 = 0x20;

/// Bytes before a body.
pub(crate) const HEADER: usize = 12;
pub(crate) const CHECKSUM: std::ops::Range<usize> = 4..8;

/// Magic and versions.
pub(crate) const PREAMBLE: [u8; 12] = *b"distchan\x01\0\x01\0";

/// A frame with a right checksum.
pub(crate) fn frame(kind: u8, flags: u8, channel: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend(length(body).to_le_bytes());
    out.extend([0; 4]);
    out.extend([kind, flags]);
    out.extend(channel.to_le_bytes());
    out.extend_from_slice(body);
    repair(&mut out);
    out
}

/// Gives what is meant as a frame the checksum that is right for it.
pub(crate) fn repair(frame: &mut [u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..4]);
    hasher.update(&frame[8..]);
    let checksum = hasher.finalize();
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

fn length(body: &[u8]) -> u32 {
    u32::try_from(body.len()).expect("bodies are short here")
}

/// The length of the body behind a header.
pub(crate) fn body_length(header: &[u8; HEADER]) -> usize {
    let [a, b, c, d, ..] = *header;
    u32::from_le_bytes([a, b, c, d]) as usize
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (first, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        shift += 7;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) const fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}
