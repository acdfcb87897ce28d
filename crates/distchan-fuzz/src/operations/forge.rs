//! Frames that a liar who knows the protocol sends: well formed, half formed, or anything, always with right checksums.

use distchan_proto::schema::Schema;

use crate::operations::lane::NAMES;
use crate::operations::stranger::Told;
use crate::script::Script;
use crate::wire;

/// What a worker could say.
pub(super) fn to_server(script: &mut Script<'_>, told: &Told) -> Vec<u8> {
    let (what, no) = (script.byte(), u16::from(script.byte() & 7));
    let mut body = Vec::new();
    let kind = match what % 20 {
        0 | 1 => open(script, &mut body),
        2 | 3 => started(script, &mut body),
        4..=8 => batch(script, &mut body),
        9 => {
            wire::put_varint(&mut body, told.received.wrapping_add(script.number()).wrapping_sub(1));
            wire::put_varint(&mut body, script.number());
            wire::ACK
        }
        10 => number(script, &mut body, wire::PING),
        11 => {
            wire::put_bytes(&mut body, script.bytes());
            wire::put_bytes(&mut body, &Schema::of::<Vec<u8>>(false).encode());
            wire::SCHEMAS
        }
        12 => wire::LEAVE,
        13 => wire::DRAIN,
        14 => {
            wire::put_varint(&mut body, script.number());
            wire::put_bytes(&mut body, script.bytes());
            wire::GOODBYE
        }
        15 => hello(script, &mut body, told),
        _ => return anything(script),
    };
    let (is_of_connection, flags) = (kind < wire::FIRST_OF_SESSION, script.byte());
    let flags = if flags > 0xf0 { flags & 1 } else { 0 };
    wire::frame(kind, flags, if is_of_connection { 0 } else { no }, &body)
}

/// What a server could say.
pub(super) fn to_worker(script: &mut Script<'_>) -> Vec<u8> {
    let (what, no) = (script.byte(), u16::from(script.byte() & 7));
    let mut body = Vec::new();
    let kind = match what % 16 {
        0 => welcome(script, &mut body),
        1 => {
            wire::put_bytes(&mut body, script.bytes());
            wire::put_varint(&mut body, script.number());
            wire::put_varint(&mut body, script.number());
            wire::OPENED
        }
        2 => {
            wire::put_varint(&mut body, script.number());
            wire::put_bytes(&mut body, script.bytes());
            body.push(script.byte() & 1);
            wire::put_bytes(&mut body, script.bytes());
            wire::put_bytes(&mut body, &Schema::of::<Vec<u8>>(false).encode());
            wire::REFUSED
        }
        3 => number(script, &mut body, wire::CREDIT),
        4 => number(script, &mut body, wire::RECALL),
        5 => number(script, &mut body, wire::PING),
        6 => {
            wire::put_varint(&mut body, script.number());
            wire::put_varint(&mut body, script.number());
            wire::ACK
        }
        7 => {
            started(script, &mut body);
            wire::CANCEL
        }
        8 => wire::FINISHED,
        9..=12 => batch(script, &mut body),
        13 => {
            wire::put_varint(&mut body, script.number());
            wire::put_bytes(&mut body, script.bytes());
            wire::GOODBYE
        }
        _ => return anything(script),
    };
    let flags = if script.byte() > 0xf0 { 1 } else { 0 };
    wire::frame(kind, flags, if kind < wire::FIRST_OF_SESSION { 0 } else { no }, &body)
}

/// The first word of a worker, honest or not.
pub(super) fn hello(script: &mut Script<'_>, body: &mut Vec<u8>, told: &Told) -> u8 {
    let how = script.byte();
    wire::put_bytes(body, if how & 0x80 == 0 { b"app" } else { script.bytes() });
    wire::put_bytes(body, b"stranger");
    let route: &[u8] = [&b"a>b"[..], b"", b"c>d"][usize::from(how & 3).min(2)];
    wire::put_bytes(body, route);
    if how & 4 == 0 || told.session == 0 {
        wire::put_varint(body, 0);
    } else {
        wire::put_varint(body, told.session);
        wire::put_varint(body, told.epoch);
        let mut key = told.key;
        key[0] ^= how >> 3 & 1;
        body.extend(key);
        let difference = if how & 0x10 == 0 { 0 } else { script.number() };
        wire::put_varint(body, told.received.wrapping_add(difference));
    }
    wire::HELLO
}

fn welcome(script: &mut Script<'_>, body: &mut Vec<u8>) -> u8 {
    wire::put_varint(body, script.number());
    wire::put_varint(body, script.number());
    body.extend([script.byte(); 16]);
    (0..4).for_each(|_| wire::put_varint(body, script.number()));
    wire::WELCOME
}

fn number(script: &mut Script<'_>, body: &mut Vec<u8>, kind: u8) -> u8 {
    wire::put_varint(body, script.number());
    kind
}

fn open(script: &mut Script<'_>, body: &mut Vec<u8>) -> u8 {
    let how = script.byte();
    let lane = usize::from(how & 3);
    let fingerprint = if how & 0x40 == 0 {
        Schema::of::<String>(false).fingerprint().to_bytes()
    } else {
        Schema::of::<Vec<u8>>(false).fingerprint().to_bytes()
    };
    wire::put_bytes(body, if how & 0x80 == 0 { NAMES[lane].as_bytes() } else { script.bytes() });
    body.push(if lane == 2 { 1 + (how >> 2 & 1) } else { how >> 4 & 3 });
    wire::put_bytes(body, b"plain");
    body.extend(fingerprint);
    body.extend(fingerprint);
    wire::put_bytes(body, &if lane == 3 { probe() } else { Vec::new() });
    if how & 8 == 0 {
        [1, 1000, 1 << 20, 1 << 20, 1000].into_iter().for_each(|value| wire::put_varint(body, value));
    } else {
        (0..5).for_each(|_| wire::put_varint(body, script.number()));
    }
    wire::OPEN
}

/// What the transform of the sealed channel makes of its name.
fn probe() -> Vec<u8> {
    let mut plain = NAMES[3].as_bytes().to_vec();
    plain.extend(crc32fast::hash(&plain).to_le_bytes());
    masked(&plain)
}

fn masked(plain: &[u8]) -> Vec<u8> {
    [0x4d].into_iter().chain(plain.iter().map(|byte| byte ^ 0xa5)).collect()
}

/// Runs of deliveries.
fn started(script: &mut Script<'_>, body: &mut Vec<u8>) -> u8 {
    wire::put_varint(body, script.number());
    let runs = script.byte() & 7;
    wire::put_varint(body, u64::from(runs));
    for _ in 0..runs {
        let difference = script.number().cast_signed();
        wire::put_varint(body, wire::zigzag(difference));
        wire::put_varint(body, script.number());
    }
    wire::STARTED
}

/// A body of entries; one in four is sealed.
fn batch(script: &mut Script<'_>, body: &mut Vec<u8>) -> u8 {
    let how = script.byte();
    let (mut payload, mut table) = (Vec::new(), Vec::new());
    wire::put_varint(&mut table, if how & 3 == 3 { script.number() } else { u64::from(how & 3) + 1 });
    for _ in 0..(how >> 2 & 7) {
        let (kind, difference) = (script.byte(), script.number().cast_signed());
        let difference = if kind & 0x80 == 0 { difference } else { difference.wrapping_neg() };
        wire::put_varint(&mut table, wire::zigzag(difference) << 3 | u64::from(kind & 7));
        match kind & 7 {
            3 | 5 | 7 => wire::put_varint(&mut table, script.number()),
            _ => {
                let bytes = script.bytes();
                payload.extend_from_slice(bytes);
                let lie = u64::from(kind & 0x78 == 0x78);
                wire::put_varint(&mut table, bytes.len() as u64 + lie);
                if kind & 7 == 6 {
                    wire::put_varint(&mut table, script.number());
                }
            }
        }
    }
    let length = u32::try_from(table.len()).expect("few entries");
    payload.extend(table);
    payload.extend(length.to_le_bytes());
    if how & 0xc0 == 0xc0 {
        payload.extend(crc32fast::hash(&payload).to_le_bytes());
        payload = masked(&payload);
    }
    body.extend(payload);
    wire::BATCH
}

fn anything(script: &mut Script<'_>) -> Vec<u8> {
    let (kind, flags, no) = (script.byte(), script.byte() & 1, u16::from(script.byte()));
    wire::frame(kind, flags, no, script.bytes())
}
