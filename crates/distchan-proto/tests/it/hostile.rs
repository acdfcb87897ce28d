//! Bytes that were flipped, cut, doubled and spliced on the way: no machine panics, and no value comes out that was not sent.

use distchan_proto::batch::Kind;
use distchan_proto::spec::ChannelSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::channels::shifted;
use crate::harness::spec;
use crate::recording::{Delivered, record, replay_down, replay_up};
use crate::wire;

#[test]
fn a_replay_gives_what_was_recorded() {
    for spec in [spec("work"), shifted("work", 9)] {
        let recording = record(&spec);
        assert_eq!(replay_up(&spec, &recording.up), (recording.at_server, true));
        assert_eq!(replay_down(&spec, &recording.down), (recording.at_worker, true));
    }
}

#[test]
fn every_single_flipped_bit_is_noticed_before_a_wrong_value_comes_out() {
    let spec = spec("work");
    let recording = record(&spec);
    let check =
        |parts: &[Vec<u8>], honest: &Delivered, replay: fn(&ChannelSpec, &[Vec<u8>]) -> (Delivered, bool)| {
            let mut parts = parts.to_vec();
            for part in 0..parts.len() {
                for bit in 0..parts[part].len() * 8 {
                    parts[part][bit / 8] ^= 1 << (bit % 8);
                    let (delivered, went_well) = replay(&spec, &parts);
                    parts[part][bit / 8] ^= 1 << (bit % 8);
                    assert!(honest.starts_with(&delivered), "bit {bit} of part {part}: {delivered:?}");
                    // The versions have no checksum, and offering more of them is no error.
                    let is_version = part == 0 && (64..96).contains(&bit);
                    assert!(!went_well || is_version, "bit {bit} of part {part} went unnoticed");
                }
            }
        };
    check(&recording.up, &recording.at_server, replay_up);
    check(&recording.down, &recording.at_worker, replay_down);
}

/// Changes a stream at random places; returns the parts.
fn mutate(rng: &mut ChaCha8Rng, parts: &[Vec<u8>], other: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = parts.concat();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        let to = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..7) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at.max(1)),
            3 => drop(bytes.drain(at..to.min(bytes.len() - 1).max(at))),
            4 => bytes.extend_from_within(at..),
            5 => {
                let piece: Vec<u8> = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = rng.random_range(0..other.len());
                let piece = other[from..other.len().min(from + 60)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    cut_up(rng, &bytes)
}

fn cut_up(rng: &mut ChaCha8Rng, mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (part, rest) = bytes.split_at(rng.random_range(1..=bytes.len().min(200)));
        parts.push(part.to_vec());
        bytes = rest;
    }
    parts
}

/// Whole frames, changed inside and given right checksums: what a liar who knows the protocol sends.
fn forge(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (preamble, rest) = bytes.split_at(12);
    let mut frames = wire::split(rest);
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..frames.len());
        match rng.random_range(0..6) {
            0 => drop(frames.remove(at)),
            1 => frames.insert(at, frames[at].clone()),
            2 => {
                let other = rng.random_range(0..frames.len());
                frames.swap(at, other);
            }
            3 => frames[at].channel = rng.random_range(0..3),
            4 => {
                frames[at].kind =
                    [1, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x20, 0x80][rng.random_range(0..12)]
            }
            _ => {
                let body = &mut frames[at].body;
                if !body.is_empty() {
                    let byte = rng.random_range(0..body.len());
                    body[byte] = [0, 1, 0x7f, 0x80, 0xff, rng.random()][rng.random_range(0..6)];
                }
            }
        }
        if frames.is_empty() {
            break;
        }
    }
    let more = rng.random_range(0..20);
    let frames = frames.iter().map(|frame| {
        let flags = u8::from(more == 0 && frame.kind == wire::BATCH);
        wire::frame(frame.kind, flags, frame.channel, &frame.body)
    });
    [preamble.to_vec()].into_iter().chain(frames).collect()
}

#[test]
fn ten_thousand_damaged_streams_each_way_bring_out_nothing_that_was_not_sent() {
    let spec = spec("work");
    let recording = record(&spec);
    let (up, down) = (recording.up.concat(), recording.down.concat());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for case in 0..10_000 {
        let parts = mutate(&mut rng, &recording.up, &down);
        let (delivered, _) = replay_up(&spec, &parts);
        assert!(delivered.iter().all(|one| recording.at_server.contains(one)), "case {case}: {delivered:?}");
        let parts = mutate(&mut rng, &recording.down, &up);
        let (delivered, _) = replay_down(&spec, &parts);
        assert!(delivered.iter().all(|one| recording.at_worker.contains(one)), "case {case}: {delivered:?}");
    }
}

#[test]
fn five_thousand_forged_conversations_each_way_panic_nobody() {
    for spec in [spec("work"), shifted("work", 9)] {
        let recording = record(&spec);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..2500 {
            let parts = forge(&mut rng, &recording.up.concat());
            let (delivered, _) = replay_up(&spec, &parts);
            let mut ends: Vec<u64> = delivered
                .iter()
                .filter(|(_, kind, _)| matches!(kind, Kind::Last | Kind::Failed))
                .map(|(job, ..)| *job)
                .collect();
            let all = ends.len();
            ends.sort_unstable();
            ends.dedup();
            assert_eq!(ends.len(), all, "one outcome a job, whatever is said");
            replay_down(&spec, &forge(&mut rng, &recording.down.concat()));
        }
    }
}

#[test]
fn noise_panics_nobody() {
    let spec = spec("work");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for case in 0..3000 {
        let mut bytes: Vec<u8> = (0..rng.random_range(1..300)).map(|_| rng.random()).collect();
        if case % 2 == 0 {
            bytes.splice(0..0, wire::preamble(1, 1));
        }
        let parts = cut_up(&mut rng, &bytes);
        assert_eq!(replay_up(&spec, &parts).0, []);
        assert_eq!(replay_down(&spec, &parts).0, []);
    }
}
