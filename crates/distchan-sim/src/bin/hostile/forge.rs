//! What a liar says who knows the protocol: frames with right checksums that are wrong otherwise. It is written from `PROTOCOL.md`, and shares
//! nothing with the machines. An honest handshake stands before them.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use crate::mutate::{mutate, noise};

pub(super) const PREAMBLE: [u8; 12] = *b"distchan\x01\0\x01\0";

const HELLO: u8 = 0x01;
const GOODBYE: u8 = 0x03;
const PING: u8 = 0x04;
const ACK: u8 = 0x05;
const OPEN: u8 = 0x10;
const STARTED: u8 = 0x18;
const BATCH: u8 = 0x20;

/// The most frames of one flood.
const FLOOD: usize = 3_000;

/// A frame as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) channel: u16,
    pub(super) body: Vec<u8>,
}

impl Frame {
    const fn new(kind: u8, channel: u16, body: Vec<u8>) -> Self {
        Self { kind, flags: 0, channel, body }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        self.put_with(out, length, 0);
    }

    /// ... with a length and a checksum that may be wrong.
    fn put_with(&self, out: &mut Vec<u8>, length: u32, error: u32) {
        let [n0, n1] = self.channel.to_le_bytes();
        let tail = [self.kind, self.flags, n0, n1];
        let checksum = crc32([&length.to_le_bytes()[..], &tail, &self.body]) ^ error;
        out.extend(length.to_le_bytes());
        out.extend(checksum.to_le_bytes());
        out.extend(tail);
        out.extend(&self.body);
    }
}

/// The frames behind a preamble, as far as they are whole.
pub(super) fn split(bytes: &[u8]) -> Vec<Frame> {
    let mut rest = bytes.get(PREAMBLE.len()..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some(([l0, l1, l2, l3, _, _, _, _, kind, flags, n0, n1], behind)) =
        rest.split_first_chunk::<12>()
    {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some((body, next)) = behind.split_at_checked(length) else { break };
        let channel = u16::from_le_bytes([*n0, *n1]);
        frames.push(Frame { kind: *kind, flags: *flags, channel, body: body.to_vec() });
        rest = next;
    }
    frames
}

/// Preamble and `HELLO`, as honest as any; where `resumes`, of a session that this side never had.
pub(super) fn handshake(rng: &mut impl Rng, resumes: bool) -> Vec<u8> {
    let mut out = PREAMBLE.to_vec();
    hello(rng, resumes).put(&mut out);
    out
}

fn hello(rng: &mut impl Rng, resumes: bool) -> Frame {
    // No signature; a name; a route that is nobody's, or none.
    let mut body = b"\0\x08stranger".to_vec();
    body.extend_from_slice([b"\0".as_slice(), b"\x04else"].choose(rng).copied().unwrap_or_default());
    if resumes {
        varint(&mut body, rng.random_range(0..6));
        varint(&mut body, rng.random());
        body.extend(rng.random::<[u8; 16]>());
        varint(&mut body, rng.random_range(0..1_000));
    } else {
        body.push(0);
    }
    Frame::new(HELLO, 0, body)
}

/// What comes behind the handshake; `honest` are the frames of somebody who had one, too.
pub(super) fn frames(rng: &mut impl Rng, honest: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    // With an open channel there is more to lie about.
    if rng.random_bool(0.6)
        && let Some(open) = honest.iter().find(|frame| frame.kind == OPEN)
    {
        open.put(&mut out);
    }
    for _ in 0..rng.random_range(1..4) {
        put_lie(rng, honest, &mut out);
    }
    out
}

fn put_lie(rng: &mut impl Rng, honest: &[Frame], out: &mut Vec<u8>) {
    let channel = rng.random_range(0..3);
    match rng.random_range(0..10) {
        0 => {
            let length = *[65_537, u32::MAX, 1 << 31, 200, 0].choose(rng).unwrap_or(&0);
            Frame::new(BATCH, channel, noise(rng, 100)).put_with(out, length, 0);
        }
        1 => Frame::new(BATCH, channel, noise(rng, 100)).put_with(out, 50, 1 << rng.random_range(0..32)),
        2 => Frame::new(rng.random(), channel, noise(rng, 300)).put(out),
        3 => Frame { flags: rng.random(), ..Frame::new(BATCH, channel, noise(rng, 2_000)) }.put(out),
        4 => Frame::new(GOODBYE, 0, [vec![rng.random()], noise(rng, 40)].concat()).put(out),
        5 => {
            let mut body = Vec::new();
            varint(&mut body, rng.random());
            varint(&mut body, rng.random_range(0..3));
            Frame::new(ACK, 0, body).put(out);
        }
        6 => {
            let resumes = rng.random();
            hello(rng, resumes).put(out);
        }
        7 => put_flood(rng, honest, out),
        _ => {
            let Some(frame) = honest.choose(rng) else { return };
            let mut frame = frame.clone();
            mutate(rng, &mut frame.body);
            if rng.random_bool(0.2) {
                frame.kind = honest.choose(rng).map_or(BATCH, |other| other.kind);
            }
            frame.put(out);
        }
    }
}

/// The same, or nearly, very often.
fn put_flood(rng: &mut impl Rng, honest: &[Frame], out: &mut Vec<u8>) {
    let what = rng.random_range(0..4);
    let open = honest.iter().find(|frame| frame.kind == OPEN);
    for number in 0..rng.random_range(10..FLOOD) {
        let mut body = Vec::new();
        match (what, open) {
            (0, _) => {
                varint(&mut body, number as u64 + 1);
                Frame::new(PING, 0, body).put(out);
            }
            (1, _) => {
                // Runs of deliveries: how many, then each.
                body.push(1);
                (0..3).for_each(|_| varint(&mut body, rng.random_range(0..5_000)));
                Frame::new(STARTED, 1, body).put(out);
            }
            (2, Some(open)) => {
                // Names that nobody has opened: the wait is the last field.
                let mut open = Frame { channel: u16::try_from(number).unwrap_or(1), ..open.clone() };
                if let Some(letter) = open.body.get_mut(1) {
                    *letter = b'z';
                }
                open.put(out);
            }
            _ => Frame::new(0x80 | rng.random::<u8>(), rng.random(), body).put(out),
        }
    }
}

/// LEB128.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while let more @ 0x80.. = number {
        out.push(0x80 | u8::try_from(more & 0x7f).unwrap_or(0));
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let bytes = pieces.into_iter().flatten();
    !bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zip_and_a_frame_is_split_as_it_was_put() {
        assert_eq!(crc32([b"12345".as_slice(), b"6789"]), 0xcbf4_3926);
        let frames = [Frame::new(PING, 0, vec![1]), Frame::new(BATCH, 7, vec![2; 300])];
        let mut bytes = PREAMBLE.to_vec();
        frames.iter().for_each(|frame| frame.put(&mut bytes));
        // PING 1, as it stands in PROTOCOL.md.
        assert_eq!(bytes[12..25], [1, 0, 0, 0, 0xbb, 0x96, 0xf5, 0x73, 4, 0, 0, 0, 1]);
        assert_eq!(split(&bytes), frames);
        assert_eq!(split(&bytes[..bytes.len() - 1]), frames[..1]);
    }
}
