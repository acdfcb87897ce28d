//! The wire as `PROTOCOL.md` has it, written a second time and without the crate's own code: what strangers and liars send.
//! It must never borrow from `frame`, or both would be wrong together.

use distchan_proto::schema::Schema;

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const WELCOME: u8 = 0x02;
pub(crate) const GOODBYE: u8 = 0x03;
pub(crate) const PING: u8 = 0x04;
pub(crate) const ACK: u8 = 0x05;
pub(crate) const OPEN: u8 = 0x10;
pub(crate) const OPENED: u8 = 0x11;
pub(crate) const SCHEMAS: u8 = 0x13;
pub(crate) const CREDIT: u8 = 0x15;
pub(crate) const LEAVE: u8 = 0x16;
pub(crate) const STARTED: u8 = 0x18;
pub(crate) const CANCEL: u8 = 0x19;
pub(crate) const BATCH: u8 = 0x20;

pub(crate) const VALUE: u64 = 0;
pub(crate) const RESULT: u64 = 1;
pub(crate) const LAST: u64 = 2;
pub(crate) const DONE: u64 = 3;
pub(crate) const RETURNED: u64 = 5;

pub(crate) const MORE: u8 = 1;
pub(crate) const IMMEDIATE_ACK: u8 = 2;

/// Magic and versions.
pub(crate) fn preamble(lowest: u16, highest: u16) -> Vec<u8> {
    [b"distchan".as_slice(), &lowest.to_le_bytes(), &highest.to_le_bytes()].concat()
}

/// A frame with a right checksum.
pub(crate) fn frame(kind: u8, flags: u8, channel: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let rest = [&[kind, flags][..], &channel.to_le_bytes()].concat();
    let checksum = crc32fast::hash(&[&length[..], &rest, body].concat());
    [&length[..], &checksum.to_le_bytes(), &rest, body].concat()
}

pub(crate) fn hello(signature: &str, name: &str) -> Vec<u8> {
    frame(HELLO, 0, 0, &[text(signature.as_bytes()), text(name.as_bytes()), text(b""), varint(0)].concat())
}

/// A HELLO of a worker that sees this route, and wants to go on with a session.
pub(crate) fn hello_again(route: &str, back: &Back) -> Vec<u8> {
    let body = [
        text(b"app"),
        text(b"back"),
        text(route.as_bytes()),
        varint(back.session),
        varint(back.epoch),
        back.key.to_vec(),
        varint(back.received),
    ];
    frame(HELLO, 0, 0, &body.concat())
}

/// What a worker shows to go on with its session, and what a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) session: u64,
    pub(crate) epoch: u64,
    pub(crate) key: [u8; 16],
    pub(crate) received: u64,
}

/// Reads a WELCOME.
pub(crate) fn read_welcome(frame: &Read) -> Back {
    assert_eq!(frame.kind, WELCOME);
    let mut rest = frame.body.as_slice();
    let (session, epoch) = (take_varint(&mut rest), take_varint(&mut rest));
    let (key, mut rest) = rest.split_first_chunk::<16>().unwrap();
    Back { session, epoch, key: *key, received: take_varint(&mut rest) }
}

/// A WELCOME to a session that goes on, or not.
pub(crate) fn welcome_back(back: &Back) -> Vec<u8> {
    let times = [5_000, 15_000, 30_000].into_iter().flat_map(varint).collect();
    let body = [varint(back.session), varint(back.epoch), back.key.to_vec(), varint(back.received), times];
    frame(WELCOME, 0, 0, &body.concat())
}

pub(crate) fn ping(number: u64) -> Vec<u8> {
    frame(PING, 0, 0, &varint(number))
}

pub(crate) fn ack(received: u64, ping: u64) -> Vec<u8> {
    frame(ACK, 0, 0, &[varint(received), varint(ping)].concat())
}

/// A WELCOME with the default rhythm and a key of zeros.
pub(crate) fn welcome(session: u64, epoch: u64) -> Vec<u8> {
    let numbers = [0, 5_000, 15_000, 30_000];
    let body = [varint(session), varint(epoch), vec![0; 16], numbers.into_iter().flat_map(varint).collect()];
    frame(WELCOME, 0, 0, &body.concat())
}

/// An OPEN of a channel of strings, jobs both ways, without a transform.
pub(crate) fn open(no: u16, name: &str, wait_millis: u64) -> Vec<u8> {
    let fingerprint = Schema::of::<String>(false).fingerprint().to_bytes();
    let numbers = [1, 65_536, 8 << 20, 16 << 20, wait_millis];
    let body = [
        text(name.as_bytes()),
        vec![0],
        text(b"plain"),
        fingerprint.to_vec(),
        fingerprint.to_vec(),
        text(b""),
        numbers.into_iter().flat_map(varint).collect(),
    ]
    .concat();
    frame(OPEN, 0, no, &body)
}

/// A STARTED or a CANCEL: runs of deliveries of one attempt.
pub(crate) fn deliveries(kind: u8, no: u16, attempt: u64, runs: &[(u64, u64)]) -> Vec<u8> {
    let (mut body, mut previous) = ([varint(attempt), varint(runs.len() as u64)].concat(), 0u64);
    for (job, further) in runs {
        let difference = job.wrapping_sub(previous).cast_signed();
        previous = *job;
        body.extend(varint(((difference << 1) ^ (difference >> 63)).cast_unsigned()));
        body.extend(varint(*further));
    }
    frame(kind, 0, no, &body)
}

/// A body of entries of one attempt: kind, job, and the payload (or, for a run, how many further jobs).
pub(crate) fn body(attempt: u64, entries: &[(u64, u64, Second<'_>)]) -> Vec<u8> {
    let (mut payload, mut table, mut previous) = (Vec::new(), varint(attempt), 0u64);
    for (kind, job, second) in entries {
        let difference = job.wrapping_sub(previous).cast_signed();
        previous = *job;
        let zigzag = ((difference << 1) ^ (difference >> 63)).cast_unsigned();
        table.extend(varint((zigzag << 3) | kind));
        match second {
            Second::Bytes(bytes) => {
                payload.extend_from_slice(bytes);
                table.extend(varint(bytes.len() as u64));
            }
            Second::Run(further) => table.extend(varint(*further)),
        }
    }
    let length = u32::try_from(table.len()).unwrap().to_le_bytes();
    [payload, table, length.to_vec()].concat()
}

/// What an entry has besides its kind and its job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Second<'a> {
    Bytes(&'a [u8]),
    Run(u64),
}

pub(crate) fn batch(no: u16, attempt: u64, entries: &[(u64, u64, Second<'_>)]) -> Vec<u8> {
    frame(BATCH, 0, no, &body(attempt, entries))
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) body: Vec<u8>,
}

/// Splits what a machine wrote, without its preamble, into frames; each checksum must be right.
pub(crate) fn split(mut bytes: &[u8]) -> Vec<Read> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        let (whole, rest) = bytes.split_at(12 + length);
        let (kind, flags) = (whole[8], whole[9]);
        let channel = u16::from_le_bytes(whole[10..12].try_into().unwrap());
        assert_eq!(whole, frame(kind, flags, channel, &whole[12..]));
        frames.push(Read { kind, channel, body: whole[12..].to_vec() });
        bytes = rest;
    }
    frames
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

pub(crate) fn take_varint(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, behind) = rest.split_first().unwrap();
        *rest = behind;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}
