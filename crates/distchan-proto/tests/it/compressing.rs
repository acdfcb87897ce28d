//! Compression: agreed upon when a channel opens, undone on the other side, and refused where it lies.

use std::sync::Arc;

use bytes::BytesMut;
use distchan_proto::compression::{Compressor, SharedCompressor};
use distchan_proto::error::Code;
use distchan_proto::limits;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::channels::Shift;
use crate::harness::{Cluster, spec};
use crate::stranger::Stranger;
use crate::wire::{self, Second};

/// Run lengths: a byte, and how often it comes.
#[derive(Debug)]
struct Runs(u8);

impl Compressor for Runs {
    fn number(&self) -> u8 {
        self.0
    }

    fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
        for run in plain.chunk_by(|one, next| one == next).flat_map(|run| run.chunks(255)) {
            out.extend([run[0], u8::try_from(run.len()).unwrap()]);
        }
    }

    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        for pair in packed.chunks(2) {
            let [byte, count] = *pair else { return Err("half a run".to_owned()) };
            out.resize(out.len() + usize::from(count), byte);
            if out.len() > length {
                return Err("too long".to_owned());
            }
        }
        Ok(())
    }
}

fn with(numbers: &[u8]) -> ChannelSpec {
    let compressors = numbers.iter().map(|number| SharedCompressor(Arc::new(Runs(*number)))).collect();
    ChannelSpec { compressors, ..spec("work") }
}

/// Sends values through a channel, and returns how many bytes the server wrote for them.
fn bytes_for(values: &[Vec<u8>], server: ChannelSpec, worker: ChannelSpec) -> usize {
    let mut cluster = Cluster::new(1);
    cluster.chunk = 10_000_000;
    let channel = cluster.channel_with(server, ChannelOptions::default());
    let index = cluster.connect();
    cluster.nodes[index].machine.open(worker, OpenOptions::default()).unwrap();
    cluster.settle();
    let mut written = 0;
    for value in values {
        cluster.send(channel, value);
        cluster.server_writes(index);
        written += cluster.nodes[index].down.len();
        cluster.work();
    }
    assert_eq!(cluster.nodes[index].closed, None);
    let seen: Vec<_> = cluster.seen(channel).iter().flat_map(|outcome| outcome.results.clone()).collect();
    let expected: Vec<Vec<u8>> = values.iter().map(|value| [value.as_slice(), b"!"].concat()).collect();
    assert!(seen == expected, "every value has come back");
    written
}

#[test]
fn values_of_every_size_around_a_frame_arrive_whole() {
    let frame = limits::MAX_FRAME_BODY;
    let sizes =
        [0, 1, 255, 256, 300, frame - 90, frame - 64, frame - 63, frame - 5, frame, frame + 1, 3 * frame];
    let even: Vec<Vec<u8>> = sizes.map(|size| vec![7; size]).into();
    let uneven: Vec<Vec<u8>> = sizes.map(|size| (0..size).map(|at| at.to_le_bytes()[0]).collect()).into();
    let transformed = |numbers: &[u8]| ChannelSpec {
        transform: Some(distchan_proto::transform::SharedTransform(Arc::new(Shift(3)))),
        ..with(numbers)
    };
    for form in [with as fn(&[u8]) -> ChannelSpec, transformed] {
        let plain = bytes_for(&even, form(&[]), form(&[5]));
        let packed = bytes_for(&even, form(&[5]), form(&[5]));
        assert!(packed * 20 < plain, "{packed} bytes, and {plain} without");
        let plain = bytes_for(&uneven, form(&[]), form(&[5]));
        let packed = bytes_for(&uneven, form(&[5]), form(&[5]));
        assert!(
            packed <= plain + 16 * uneven.len(),
            "{packed} bytes, and {plain} without: it is never much longer"
        );
    }
}

#[test]
fn both_sides_have_to_know_it() {
    let values = vec![vec![7; 60_000]];
    let few = |server: &[u8], worker: &[u8]| bytes_for(&values, with(server), with(worker)) < 6_000;
    assert!(few(&[5], &[5]));
    assert!(few(&[5], &[4, 5, 63]), "the worker knows others, too");
    assert!(few(&[6, 5], &[5]), "the server would rather have another");
    assert!(!few(&[5], &[]));
    assert!(!few(&[5], &[4]));
    assert!(!few(&[], &[5]), "the server does not want it");
}

/// A stranger with an open channel that is compressed with number 5.
fn stranger() -> Stranger {
    let mut stranger = Stranger::new();
    stranger.server.open_channel(Time::ZERO, with(&[5]), ChannelOptions::default()).unwrap();
    stranger.say(&wire::preamble(1, 1));
    stranger.say(&wire::hello("app", "stranger"));
    let open = wire::split(&wire::open(1, "work", 0)).remove(0);
    stranger.say(&wire::frame(wire::OPEN, 0, 1, &[open.body, wire::varint(1 << 5)].concat()));
    let opened = stranger.frames().pop().unwrap();
    assert_eq!((opened.kind, opened.body.last()), (wire::OPENED, Some(&5)));
    stranger
}

#[test]
fn a_worker_whose_bodies_lie_is_turned_away() {
    let long = (limits::DEFAULT_MAX_VALUE * 2).to_le_bytes()[..4].to_vec();
    for (body, reason) in [
        (vec![], "an empty body"),
        (vec![1, 2, 3, 0, 0, 0, 6], "number 6, where 5 was agreed"),
        (vec![5], "too short"),
        (vec![1, 2, 3, 0, 0, 0, 5], "2 bytes, where 3 were said"),
        (vec![1, 4, 3, 0, 0, 0, 5], "too long"),
        (vec![1, 3, 3, 3, 0, 0, 0, 5], "half a run"),
        ([&[1, 255], long.as_slice(), &[5]].concat(), "33554432 bytes, where 19005440 are allowed"),
    ] {
        let mut stranger = stranger();
        stranger.say(&wire::frame(wire::BATCH, 0, 1, &body));
        assert_eq!(stranger.reason(), format!("a body cannot be decompressed: {reason}"));
        assert_eq!(stranger.refused.as_ref().unwrap().0, Code::Protocol);
    }
    // And one that does not: plain, then compressed.
    let mut honest = stranger();
    let answer = wire::body(1, &[(wire::LAST, 1, Second::Bytes(b"no such job"))]);
    honest.say(&wire::frame(wire::BATCH, 0, 1, &[answer.as_slice(), &[0]].concat()));
    let mut packed = Vec::new();
    Runs(5).compress(&answer, &mut packed);
    packed.extend(u32::try_from(answer.len()).unwrap().to_le_bytes());
    packed.push(5);
    honest.say(&wire::frame(wire::BATCH, 0, 1, &packed));
    assert_eq!(honest.refused, None);
}

#[test]
fn a_server_that_chooses_what_was_not_offered_is_left() {
    for number in [4_u64, 64, 255, 256] {
        let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
        worker.handle_connected(Time::ZERO, "");
        worker.open(with(&[5]), OpenOptions::default()).unwrap();
        let opened =
            [wire::text(b""), wire::varint(1000), wire::varint(1 << 20), wire::varint(number)].concat();
        let bytes =
            [wire::preamble(1, 1), wire::welcome(1, 7), wire::frame(wire::OPENED, 0, 1, &opened)].concat();
        worker.handle_input(Time::ZERO, &mut BytesMut::from(bytes.as_slice()));
        worker.poll_transmit(Time::ZERO);
        let closed = std::iter::from_fn(|| worker.poll_event()).last();
        let Some(WorkerEvent::Closed { code, reason }) = closed else { panic!("{number}: {closed:?}") };
        assert_eq!(code, Code::Protocol);
        let expected = if number > 255 {
            "malformed OPENED"
        } else {
            "unexpected OPENED with a compression that was not offered"
        };
        assert_eq!(reason, expected, "{number}");
        assert!(worker.is_closing());
    }
}
