//! Large values travel in pieces: they arrive whole, and nobody waits long behind one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::batch::Kind;
use distchan_proto::error::Code;
use distchan_proto::limits;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::worker::OpenOptions;

use crate::channels::shifted;
use crate::harness::{Cluster, NO, spec};
use crate::stranger::Stranger;
use crate::wire::{self, Second};

const MIB: usize = 1 << 20;

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(31) >> 3).to_le_bytes()[0] ^ seed).collect()
}

#[test]
fn values_of_every_size_around_a_frame_arrive_whole_with_and_without_a_transform() {
    for (seed, spec) in [spec("work"), shifted("work", 77), padded("work")].into_iter().enumerate() {
        let mut cluster = Cluster::new(seed as u64);
        cluster.chunk = 50_000;
        let channel = cluster.channel_with(spec.clone(), ChannelOptions::default());
        let index = cluster.connect();
        cluster.nodes[index].machine.open(spec, OpenOptions::default()).unwrap();
        cluster.settle();
        let frame = limits::MAX_FRAME_BODY;
        let sizes = [
            0,
            frame - 63,
            frame - 90,
            frame - 64,
            frame - 63,
            0,
            frame - 20,
            1,
            frame,
            frame + 1,
            3 * frame,
            MIB,
            5,
        ];
        for (job, size) in sizes.iter().enumerate() {
            cluster.send(channel, &noise(*size, job.to_le_bytes()[0]));
        }
        cluster.work();
        assert_eq!(cluster.nodes[index].closed, None);
        let seen = cluster.seen(channel);
        assert_eq!(seen.len(), sizes.len());
        for (job, size) in sizes.iter().enumerate() {
            let expected = [noise(*size, job.to_le_bytes()[0]), b"!".to_vec()].concat();
            assert!(seen[job].results == [expected], "job {job} of {size} bytes");
        }
        let node = &cluster.nodes[index];
        assert!(
            node.reader.landed > 10 && node.server_reader.landed > 10,
            "pieces were read straight to their place"
        );
    }
}

/// A transform whose output is never smaller than two frames.
fn padded(name: &str) -> ChannelSpec {
    #[derive(Debug)]
    struct Pad;
    impl Transform for Pad {
        fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(&(plain.len() as u64).to_le_bytes());
            out.extend_from_slice(plain);
            out.resize(out.len().max(2 * limits::MAX_FRAME_BODY), 0);
        }

        fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
            let (length, rest) = coded.split_first_chunk::<8>().ok_or("too short")?;
            let length = usize::try_from(u64::from_le_bytes(*length))
                .ok()
                .filter(|length| *length <= limit)
                .ok_or("too long")?;
            out.extend_from_slice(rest.get(..length).ok_or("too short")?);
            Ok(())
        }
    }
    // A probe must fit the frame of an OPEN; only what is longer than a name is padded.
    #[derive(Debug)]
    struct PadBodies(Pad);
    impl Transform for PadBodies {
        fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
            if plain == [b"work", &crc32fast::hash(b"work").to_le_bytes()[..]].concat() {
                out.extend_from_slice(plain);
            } else {
                self.0.encode(plain, out);
            }
        }

        fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
            if coded.len() == 8 {
                out.extend_from_slice(coded);
                return Ok(());
            }
            self.0.decode(coded, limit, out)
        }
    }
    ChannelSpec { transform: Some(SharedTransform(Arc::new(PadBodies(Pad)))), ..spec(name) }
}

/// How much is written to the only worker before it says anything.
fn written_ahead(cluster: &mut Cluster, index: usize) -> usize {
    while cluster.server_writes(index) {}
    cluster.nodes[index].down.len()
}

#[test]
fn a_large_value_leaves_room_as_long_as_small_jobs_come() {
    let mut cluster = Cluster::new(1);
    cluster.chunk = 10_000_000;
    let (big, small) = (cluster.channel("big"), cluster.channel("small"));
    let index = cluster.connect();
    for name in ["big", "small"] {
        cluster.nodes[index].machine.open(spec(name), OpenOptions::default()).unwrap();
    }
    cluster.settle();
    let large = |cluster: &mut Cluster| cluster.send(big, &noise(MIB, 1));
    let most = limits::PIECES_AHEAD + limits::MAX_FRAME_BODY + 200;
    (0..3).for_each(|_| large(&mut cluster));
    cluster.work();
    large(&mut cluster);
    assert!(written_ahead(&mut cluster, index) > most, "alone it takes the line");
    cluster.work();
    let now = cluster.now;
    for round in 1..=5 {
        large(&mut cluster);
        cluster.send(small, b"quick");
        let ahead = written_ahead(&mut cluster, index);
        assert!((32 << 10..most).contains(&ahead), "{ahead} bytes");
        // Whatever was acknowledged in part by then, it goes on as acknowledgements come.
        cluster.work();
        assert_eq!((cluster.seen(big).len(), cluster.seen(small).len()), (4 + round, round));
    }
    assert_eq!(cluster.now, now, "without a word of the clock's");
    cluster.advance(limits::SHARING);
    large(&mut cluster);
    assert!(written_ahead(&mut cluster, index) > most, "it is alone again");
}

#[test]
fn on_a_slow_line_a_small_job_waits_for_little_of_a_large_value_that_was_alone() {
    /// What arrives in a millisecond: 10 MB/s.
    const RATE: usize = 10_000;
    let mut cluster = Cluster::new(1);
    cluster.chunk = 10_000_000;
    let large = ChannelSpec { max_value: 20 * MIB, ..spec("big") };
    let big = cluster.channel_with(large.clone(), ChannelOptions::default());
    let small = cluster.channel("small");
    let index = cluster.connect();
    for spec in [large, spec("small")] {
        cluster.nodes[index].machine.open(spec, OpenOptions::default()).unwrap();
    }
    cluster.advance(Duration::from_secs(1));
    cluster.send(big, &noise(20 * MIB, 0));
    let (mut line, mut idle) = (VecDeque::new(), 0);
    let mut sent_at = None;
    for millisecond in 0..2000 {
        cluster.now = cluster.now + Duration::from_millis(1);
        if millisecond == 1000 {
            cluster.send(small, b"quick");
            sent_at = Some(cluster.now);
        }
        cluster.server.handle_timeout(cluster.now);
        cluster.nodes[index].machine.handle_timeout(cluster.now);
        cluster.drain();
        while cluster.server_writes(index) {
            line.extend(cluster.nodes[index].down.drain(..));
        }
        idle += usize::from(millisecond > 0 && line.len() < RATE);
        let arrived = line.len().min(RATE);
        cluster.nodes[index].down.extend(line.drain(..arrived));
        while cluster.worker_reads(index) || cluster.worker_writes(index) || cluster.server_reads(index) {}
        if cluster.nodes[index].inbox.iter().any(|job| job.bytes == b"quick") {
            let waited = cluster.now - sent_at.expect("it was sent before");
            assert!(waited <= Duration::from_millis(60), "{waited:?}");
            assert!(idle < 10, "{idle} milliseconds in which the line had nothing to do");
            return;
        }
    }
    panic!("the small job did not arrive");
}

#[test]
fn a_small_job_passes_a_large_value_on_another_channel() {
    let mut cluster = Cluster::new(1);
    cluster.chunk = 10_000_000;
    let (big, small) = (cluster.channel("big"), cluster.channel("small"));
    let index = cluster.connect();
    let big_no = cluster.nodes[index].machine.open(spec("big"), OpenOptions::default()).unwrap();
    let small_no = cluster.nodes[index].machine.open(spec("small"), OpenOptions::default()).unwrap();
    cluster.settle();
    cluster.send(big, &noise(MIB, 0));
    cluster.send(big, &noise(MIB, 1));
    assert!(cluster.server_writes(index), "the first piece is on its way");
    let ahead = cluster.nodes[index].down.len();
    assert!(ahead <= limits::TRANSMIT_BYTES + 2 * limits::MAX_FRAME_BODY);
    cluster.send(small, b"quick");
    cluster.nodes[index].down.clear();
    assert!(cluster.server_writes(index));
    let bytes: Vec<u8> = cluster.nodes[index].down.iter().copied().collect();
    let frames = wire::split(&bytes);
    let before = frames.iter().take_while(|frame| frame.channel != small_no.0).count();
    assert_eq!(before, 0, "frames before the small job");
    assert!(
        frames.iter().all(|frame| frame.channel != big_no.0),
        "the large one leaves room for more of them"
    );
}

#[test]
fn an_answer_passes_a_large_result_on_another_channel() {
    let mut cluster = Cluster::new(1);
    cluster.chunk = 100_000;
    let (big, small) = (cluster.channel("big"), cluster.channel("small"));
    let index = cluster.connect();
    for name in ["big", "small"] {
        cluster.nodes[index].machine.open(spec(name), OpenOptions::default()).unwrap();
    }
    cluster.settle();
    cluster.send(big, b"");
    cluster.settle();
    let job = cluster.nodes[index].take_jobs().remove(0);
    cluster.send(small, b"");
    cluster.settle();
    cluster.nodes[index].complete(&job, &[&noise(4 * MIB, 0)]);
    assert!(cluster.worker_writes(index));
    cluster.nodes[index].echo();
    while cluster.seen(small).is_empty() {
        assert!(cluster.steps(1));
    }
    assert_eq!(cluster.seen(big), [], "the small one is done long before");
    cluster.settle();
    assert!(cluster.seen(big)[0].results == [noise(4 * MIB, 0)]);
}

#[test]
fn a_channels_jobs_keep_their_order_behind_a_large_one() {
    for (seed, spec) in [spec("work"), shifted("work", 3)].into_iter().enumerate() {
        let mut cluster = Cluster::new(seed as u64);
        cluster.chunk = 30_000;
        let channel = cluster.channel_with(spec.clone(), ChannelOptions::default());
        let index = cluster.connect();
        cluster.nodes[index].machine.open(spec, OpenOptions::default()).unwrap();
        cluster.settle();
        for job in 0..12 {
            cluster.send(channel, &noise(if job % 4 == 1 { 300_000 } else { 10 }, 0));
        }
        cluster.settle();
        let ids: Vec<u64> = cluster.nodes[index].inbox.iter().map(|job| job.id.0).collect();
        assert_eq!(ids, (1..=12).collect::<Vec<_>>());
    }
}

#[test]
fn a_connection_cut_inside_a_large_value_gives_the_job_to_another() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        cluster.chunk = 20_000;
        let channel = cluster.channel("work");
        cluster.join(1, "work");
        cluster.send(channel, &noise(500_000, 1));
        cluster.steps(5 + usize::try_from(seed).unwrap());
        cluster.cut(0);
        cluster.join(1, "work");
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 1);
        assert_eq!(cluster.seen(channel)[0].results[0].len(), 500_001);
    }
}

#[test]
fn a_result_larger_than_agreed_ends_the_connection_and_the_smaller_limit_counts() {
    let mut cluster = Cluster::new(2);
    cluster.chunk = 100_000;
    let smaller = |max_value| ChannelSpec { max_value, ..spec("work") };
    let channel = cluster.channel_with(smaller(1000), ChannelOptions::default());
    let index = cluster.connect();
    cluster.nodes[index].machine.open(smaller(5000), OpenOptions::default()).unwrap();
    cluster.send(channel, b"");
    cluster.send(channel, b"");
    cluster.settle();
    assert_eq!(cluster.nodes[index].opened[&NO], 1000);
    let jobs = cluster.nodes[index].take_jobs();
    cluster.nodes[index].complete(&jobs[0], &[&noise(1000, 0)]);
    cluster.settle();
    assert_eq!(cluster.seen(channel).len(), 1);
    cluster.nodes[index].complete(&jobs[1], &[&noise(1001, 0)]);
    cluster.settle();
    let text = "a value larger than this channel's limit of 1000 bytes";
    assert_eq!(cluster.refused, [(None, Code::Protocol, text.to_owned())]);
    assert_eq!(cluster.nodes[index].closed.as_ref().unwrap().1, text);
    assert_eq!(cluster.seen(channel).len(), 1);
}

#[test]
fn a_reason_may_be_longer_than_a_small_channels_values() {
    let mut cluster = Cluster::new(2);
    let small = ChannelSpec { max_value: 10, ..spec("work") };
    let channel = cluster.channel_with(small.clone(), ChannelOptions::default());
    let index = cluster.connect();
    cluster.nodes[index].machine.open(small, OpenOptions::default()).unwrap();
    cluster.send(channel, b"");
    cluster.settle();
    let job = cluster.nodes[index].take_jobs().remove(0);
    cluster.nodes[index].end(&job, Kind::Failed, b"the disk of this worker is full");
    cluster.settle();
    assert_eq!(cluster.refused, []);
    assert_eq!(cluster.seen(channel)[0].failure.as_deref(), Some("the disk of this worker is full"));
}

#[test]
fn pieces_without_an_end_stop_at_the_limit_and_empty_ones_at_once() {
    let (mut stranger, _) = Stranger::with_jobs(1);
    let piece = wire::frame(wire::BATCH, wire::MORE, 1, &[0; limits::MAX_FRAME_BODY]);
    let mut sent = 0;
    while stranger.refused.is_none() {
        stranger.say(&piece);
        sent += limits::MAX_FRAME_BODY;
        assert!(sent <= 20 << 20, "the limit is near that of a value");
    }
    assert!(stranger.reason().starts_with("a value larger than"));
    let (mut stranger, _) = Stranger::with_jobs(1);
    stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, b""));
    assert_eq!(stranger.reason(), "malformed batch: an empty piece");
}

#[test]
fn whoever_waits_for_an_acknowledgement_is_given_it_at_once() {
    let (mut stranger, channel) = Stranger::with_jobs(2);
    let acks = |stranger: &Stranger| {
        let frames = stranger.frames();
        frames.into_iter().filter(|frame| frame.kind == wire::ACK).map(|frame| frame.body).collect::<Vec<_>>()
    };
    let body = wire::body(1, &[(wire::LAST, 1, Second::Bytes(b"hello"))]);
    let (first, second) = body.split_at(4);
    stranger.say(&wire::frame(wire::BATCH, wire::MORE | wire::IMMEDIATE_ACK, 1, first));
    let said = [wire::varint(2), wire::varint(0)].concat();
    assert_eq!(acks(&stranger), [said.as_slice()], "OPEN and this");
    stranger.say(&wire::frame(wire::BATCH, 0, 1, second));
    assert_eq!((acks(&stranger).len(), stranger.server.stats(channel).completed), (1, 1));
    let whole = wire::body(1, &[(wire::LAST, 2, Second::Bytes(b"hello"))]);
    stranger.say(&wire::frame(wire::BATCH, wire::IMMEDIATE_ACK, 1, &whole));
    assert_eq!((acks(&stranger).len(), stranger.server.stats(channel).completed), (2, 2));
}

#[test]
fn an_acknowledgement_goes_along_with_what_is_written_anyhow() {
    let (mut stranger, channel) = Stranger::with_jobs(1);
    let kinds = |stranger: &Stranger, from: usize| {
        stranger.frames().into_iter().skip(from).map(|frame| frame.kind).collect::<Vec<_>>()
    };
    // With the first answer a little less than what is worth it has arrived, with the second a little more.
    for (job, expected) in [(1, vec![wire::BATCH]), (2, vec![wire::ACK, wire::BATCH])] {
        let said = stranger.frames().len();
        let result = vec![7; limits::ACKNOWLEDGE_ALONG - 100];
        stranger.say(&wire::frame(
            wire::BATCH,
            0,
            1,
            &wire::body(1, &[(wire::LAST, job, Second::Bytes(&result))]),
        ));
        assert_eq!((stranger.server.stats(channel).completed, kinds(&stranger, said)), (job, vec![]));
        let mut batch = distchan_proto::batch::OpenBatch::default();
        batch.payload.own().extend_from_slice(b"next");
        batch.push(Kind::Value, distchan_proto::ids::JobId(0), distchan_proto::ids::Attempt::FIRST, 0);
        stranger.server.submit(stranger.now, channel, batch.take());
        stranger.hear();
        assert_eq!(kinds(&stranger, said), expected);
    }
}

#[test]
fn flags_that_nobody_knows_end_the_connection() {
    for (kind, flags) in [(wire::BATCH, 4), (wire::BATCH, 255), (wire::LEAVE, 1), (wire::LEAVE, 2)] {
        let (mut stranger, _) = Stranger::with_jobs(1);
        stranger.say(&wire::frame(kind, flags, 1, b""));
        assert_eq!(stranger.reason(), "malformed frame: unknown flags", "{kind} {flags}");
    }
}

#[test]
fn a_body_in_pieces_is_read_as_a_whole() {
    let (mut stranger, channel) = Stranger::with_jobs(1);
    let body = wire::body(1, &[(wire::LAST, 1, Second::Bytes(b"hello"))]);
    for byte in &body[..body.len() - 1] {
        stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, &[*byte]));
        assert_eq!(stranger.server.stats(channel).completed, 0);
    }
    stranger.say(&wire::frame(wire::BATCH, 0, 1, &body[body.len() - 1..]));
    assert_eq!(stranger.server.stats(channel).completed, 1);
}
