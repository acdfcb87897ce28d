//! Whatever is said in a greeting about sessions, keys and numbers, and whatever follows it: no machine panics, and no job gets a second
//! outcome.

use bytes::BytesMut;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::ids::{Attempt, ConnectionId, JobId};
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::{NO, spec};
use crate::returning::{ROUTE, Returning};
use crate::wire::{self, Back, Second};

fn number(rng: &mut ChaCha8Rng) -> u64 {
    match rng.random_range(0..8) {
        0 => u64::MAX,
        1 => rng.random(),
        2 => 1 << rng.random_range(0..64),
        _ => rng.random_range(0..8),
    }
}

/// What a worker shows, with some of it changed.
fn claim(rng: &mut ChaCha8Rng, back: &Back) -> Back {
    let mut claim = *back;
    for _ in 0..rng.random_range(0..3) {
        match rng.random_range(0..6) {
            0 => claim.session = number(rng),
            1 => claim.epoch = number(rng),
            2 => claim.key[rng.random_range(0..16)] = rng.random(),
            _ => claim.received = number(rng),
        }
    }
    claim
}

/// A frame that a worker might send, or not.
fn of_worker(rng: &mut ChaCha8Rng, back: &Back) -> Vec<u8> {
    let (first, second) = (number(rng), number(rng));
    match rng.random_range(0..12) {
        0 => wire::ping(first),
        1 | 2 => wire::ack(first, second),
        3 => wire::open(u16::try_from(rng.random_range(0..4)).unwrap(), "work", first),
        4 => wire::frame(wire::LEAVE, 0, 1, b""),
        5 => wire::frame(0x17, 0, 1, b""),
        6 => wire::frame(wire::GOODBYE, 0, 0, &[wire::varint(first % 20), wire::text(b"bye")].concat()),
        7 => wire::hello_again(ROUTE, &claim(rng, back)),
        8 => wire::batch(1, first % 3, &[(wire::DONE, second, Second::Run(first % 5))]),
        9 => wire::batch(1, 1, &[(wire::LAST, first % 12, Second::Bytes(b"x"))]),
        10 => wire::frame(wire::BATCH, wire::MORE, 1, &[7; 50]),
        _ => wire::deliveries(wire::STARTED, 1, first % 4, &[(second, first % 9)]),
    }
}

/// A frame that a server might send, or not.
fn of_server(rng: &mut ChaCha8Rng, back: &Back) -> Vec<u8> {
    let (first, second) = (number(rng), number(rng));
    let no = rng.random_range(0..4);
    match rng.random_range(0..10) {
        0 => wire::ping(first),
        1 | 2 => wire::ack(first, second),
        3 => {
            let opened = [wire::text(b""), wire::varint(first), wire::varint(second)].concat();
            wire::frame(wire::OPENED, 0, no, &opened)
        }
        4 => wire::frame(wire::CREDIT, 0, no, &wire::varint(first)),
        5 => wire::frame(wire::GOODBYE, 0, 0, &[wire::varint(first % 20), wire::text(b"bye")].concat()),
        6 => wire::welcome_back(&claim(rng, back)),
        7 => wire::batch(no, first % 3, &[(wire::VALUE, second, Second::Bytes(b"x"))]),
        8 => wire::deliveries(wire::CANCEL, no, first % 4, &[(second, first % 9)]),
        _ => wire::frame(0x14, 0, no, b""),
    }
}

fn mangled(rng: &mut ChaCha8Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    if rng.random_range(0..20) == 0 {
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
    }
    bytes
}

#[test]
fn whatever_strangers_claim_panics_no_server() {
    let (mut resumed, mut completed) = (0, 0);
    for seed in 0..1500 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut server, channel, first, mut back) = Returning::with_worker();
        let mut batch = OpenBatch::default();
        (0..10).for_each(|_| batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0));
        server.server.submit(server.now, channel, batch.take());
        server.hear();
        back.received = 2;
        let mut connections: Vec<ConnectionId> = vec![first];
        for _ in 0..rng.random_range(1..25) {
            let at = rng.random_range(0..connections.len());
            match rng.random_range(0..6) {
                0 => {
                    let connection = server.connect();
                    connections.push(connection);
                    let hello = wire::hello_again(ROUTE, &claim(&mut rng, &back));
                    let bytes = [wire::preamble(1, 1), hello].concat();
                    server.say(connection, &mangled(&mut rng, bytes));
                }
                1 => server.cut(connections[at]),
                2 => {
                    if let Some(time) = server.server.poll_timeout() {
                        server.now = server.now.max(time);
                        server.server.handle_timeout(server.now);
                        server.hear();
                    }
                }
                _ => {
                    let frame = of_worker(&mut rng, &back);
                    server.say(connections[at], &mangled(&mut rng, frame));
                }
            }
        }
        resumed += server.back;
        let stats = server.server.stats(channel);
        assert!(stats.completed <= 10, "seed {seed}");
        completed += stats.completed;
    }
    assert!(
        resumed > 400 && completed > 100,
        "it is no test where nothing gets through: {resumed} {completed}"
    );
}

#[test]
fn whatever_servers_answer_panics_no_worker() {
    let mut resumed_often = 0;
    for seed in 0..3000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
        worker.open(spec("work"), OpenOptions::default()).unwrap();
        let back = Back { session: 3, epoch: 7, key: [9; 16], received: rng.random_range(0..3) };
        let mut now = Time::ZERO;
        for connection in 0..rng.random_range(2..6) {
            worker.handle_connected(now, ROUTE);
            let mut input = BytesMut::new();
            let welcome = if connection == 0 { back } else { claim(&mut rng, &back) };
            let greeting = [wire::preamble(1, 1), wire::welcome_back(&welcome)].concat();
            input.extend_from_slice(&mangled(&mut rng, greeting));
            for _ in 0..rng.random_range(0..12) {
                worker.handle_input(now, &mut input);
                let frame = of_server(&mut rng, &back);
                input.extend_from_slice(&mangled(&mut rng, frame));
                if rng.random() {
                    let mut batch = OpenBatch::default();
                    batch.push(Kind::Done, JobId(number(&mut rng)), Attempt::FIRST, 0);
                    worker.submit(NO, batch.take());
                    worker.started(NO, JobId(number(&mut rng)), Attempt(2));
                }
                match rng.random_range(0..12) {
                    0 => worker.leave(NO),
                    1 => worker.drain(NO),
                    2 => worker.close(),
                    3 => {
                        if let Some(time) = worker.poll_timeout() {
                            now = now.max(time);
                            worker.handle_timeout(now);
                        }
                    }
                    _ => while worker.poll_transmit(now).is_some() {},
                }
            }
            worker.handle_disconnected("cut");
            while let Some(event) = worker.poll_event() {
                resumed_often += usize::from(matches!(event, WorkerEvent::Connected { resumed: true, .. }));
            }
        }
    }
    assert!(resumed_often > 150, "it is no test where nothing gets through: {resumed_often}");
}
