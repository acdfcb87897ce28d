//! Over what guards its bytes itself, as TLS does, batches go without checksums, and everything else is as it is elsewhere.

use bytes::BytesMut;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::carrier::Carrier;
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::server::{ChannelOptions, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::conversation::{Script, play};
use crate::harness::{NO, config, spec};
use crate::returning::Returning;
use crate::wire::{self, Back, Second};

const GUARDED: Carrier<'static> = Carrier { route: "c>d", guards_bytes: true };
const NOW: Time = Time::ZERO;

/// Small values, and one of three frames.
fn values() -> Vec<Vec<u8>> {
    vec![b"a".to_vec(), vec![7; 150_000], b"b".to_vec()]
}

fn batch(values: &[(u64, Vec<u8>)], kind: Kind) -> Submission {
    let mut batch = OpenBatch::default();
    for (job, value) in values {
        batch.payload.own().extend_from_slice(value);
        batch.push(kind, JobId(*job), Attempt::FIRST, 0);
    }
    batch.take()
}

/// The kinds of what a machine wrote, and whether each frame has its checksum; where it has none, the field must be 0.
fn checksums(written: &[u8]) -> Vec<(u8, bool)> {
    let mut frames = Vec::new();
    let mut rest = &written[12..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let (whole, others) = rest.split_at(12 + length);
        let channel = u16::from_le_bytes(whole[10..12].try_into().unwrap());
        let is_right = whole == wire::frame(whole[8], whole[9], channel, &whole[12..]);
        assert!(is_right || whole[4..8] == [0; 4]);
        frames.push((whole[8], is_right));
        rest = others;
    }
    frames
}

#[test]
fn batches_go_without_checksums_both_ways_and_nothing_else_does() {
    let mut server = ServerMachine::new(config(7));
    let channel = server.open_channel(NOW, spec("work"), ChannelOptions::default()).unwrap();
    let jobs: Vec<_> = values().into_iter().map(|value| (0, value)).collect();
    server.submit(NOW, channel, batch(&jobs, Kind::Value));
    let id = server.accept(NOW, GUARDED);
    let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
    worker.handle_connected(NOW, GUARDED);
    worker.open(spec("work"), OpenOptions::default()).unwrap();
    let (mut up, mut down, mut results) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut said = Vec::new();
        while let Some(transmit) = worker.poll_transmit(NOW) {
            said.extend_from_slice(&transmit.into_bytes());
        }
        server.handle_input(NOW, id, &mut BytesMut::from(said.as_slice()));
        let mut answered = Vec::new();
        while server.poll_ready().is_some() {}
        while let Some(transmit) = server.poll_transmit(NOW, id) {
            answered.extend_from_slice(&transmit.into_bytes());
        }
        worker.handle_input(NOW, &mut BytesMut::from(answered.as_slice()));
        up.extend_from_slice(&said);
        down.extend_from_slice(&answered);
        while let Some(event) = server.poll_event() {
            if let ServerEvent::Results { batch, .. } = event {
                let payload = |(start, end)| batch.payload[start as usize..end as usize].to_vec();
                results.extend(batch.iter().map(|(start, entry)| payload((start, entry.end))));
            }
        }
        while let Some(event) = worker.poll_event() {
            if let WorkerEvent::Jobs { batch: jobs, .. } = event {
                let payload = |(start, end)| jobs.payload[start as usize..end as usize].to_vec();
                let echo: Vec<_> =
                    jobs.iter().map(|(start, entry)| (entry.job.0, payload((start, entry.end)))).collect();
                worker.submit(NO, batch(&echo, Kind::Last));
            }
        }
        if said.is_empty() && answered.is_empty() {
            break;
        }
    }
    assert_eq!(results, values());
    for (written, side) in [(up, "worker"), (down, "server")] {
        let frames = checksums(&written);
        assert!(
            frames.iter().all(|(kind, is_right)| (*kind == wire::BATCH) != *is_right),
            "{side}: {frames:?}"
        );
        let batches = frames.iter().filter(|(kind, _)| *kind == wire::BATCH).count();
        assert!(batches >= 4 && frames.len() > batches, "{side}: {frames:?}");
    }
}

#[test]
fn a_batchs_checksum_is_not_looked_at_and_that_of_a_message_is() {
    let mut done = wire::batch(1, 1, &[(wire::DONE, 1, Second::Run(0))]);
    done[4] ^= 1;
    let mut ping = wire::ping(1);
    ping[4] ^= 1;
    let (mut server, channel, connection, _) = Returning::with_worker_over(GUARDED);
    server.server.submit(server.now, channel, batch(&[(0, b"job".to_vec())], Kind::Value));
    server.server.poll_ready();
    server.server.poll_transmit(server.now, connection).unwrap();
    server.say(connection, &done);
    assert_eq!((server.server.stats(channel).completed, server.away), (1, 0));
    server.say(connection, &ping);
    assert_eq!((server.server.stats(channel).completed, server.away), (1, 1));
}

#[test]
fn a_session_goes_on_over_carriers_of_its_own_kind_only() {
    let bare = Carrier { guards_bytes: false, ..GUARDED };
    for (own, other) in [(GUARDED, bare), (bare, GUARDED)] {
        let (mut server, _, connection, back) = Returning::with_worker_over(own);
        server.say(connection, &wire::ack(1, 0));
        server.cut(connection);
        let back = Back { received: 1, ..back };
        let (_, welcome) = server.claim_over(other, &back);
        assert_ne!(welcome.session, back.session);
        assert_eq!(server.back, 0);
        let (_, welcome) = server.claim_over(own, &back);
        assert_eq!(welcome.session, back.session);
        assert_eq!(server.back, 1);
    }
}

#[test]
fn cut_again_and_again_a_conversation_goes_on() {
    let mut most = 0;
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let large = [3, 70_000][rng.random_range(0..2)];
        let script = Script { guarded: true, large, chunk: 1 + large / 5, ..Script::small(seed) };
        let fuses: Vec<usize> =
            (0..rng.random_range(2..20)).map(|_| rng.random_range(0..400 + large)).collect();
        most = most.max(play(&script, &fuses).resumed);
    }
    assert!(most > 5, "{most}");
}
