//! What is kept for a peer until it has it: bounded for one that never says so, nothing for one that does.

use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::limits;
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::harness::{Cluster, NO, spec};
use crate::links::INDIRECT;
use crate::returning::Returning;
use crate::wire::{self, Second};

/// The bound, and what a last transmission may exceed it by.
const MOST: usize = limits::MAX_UNACKNOWLEDGED + limits::TRANSMIT_BYTES + 2 * limits::MAX_FRAME_BODY;

/// As much as a frame holds: of what is larger less may be unacknowledged.
const SIZE: usize = limits::MAX_FRAME_BODY - 100;

const JOBS: u64 = 130;

fn large_jobs(server: &mut Returning, channel: distchan_proto::ids::ChannelId) {
    for _ in 0..JOBS {
        let mut batch = OpenBatch::default();
        batch.payload.own().resize(SIZE, 7);
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
        server.server.submit(server.now, channel, batch.take());
    }
    server.hear();
}

/// Answers what has come, and what comes of that, without a word of what has arrived; returns how many jobs are done by then.
fn answer_all(server: &mut Returning, connection: distchan_proto::ids::ConnectionId, mut done: u64) -> u64 {
    loop {
        // Each is a frame.
        let came = (server.written(connection) / SIZE) as u64;
        if came == done {
            return done;
        }
        let answers = wire::batch(1, 1, &[(wire::DONE, done + 1, Second::Run(came - done - 1))]);
        server.say(connection, &answers);
        done = came;
    }
}

#[test]
fn a_worker_that_never_acknowledges_stops_the_server_and_is_served_on_when_it_does() {
    let (mut server, channel, connection, _) = Returning::with_worker();
    large_jobs(&mut server, channel);
    let done = answer_all(&mut server, connection, 0);
    let stuck_at = server.written(connection);
    assert!((limits::MAX_UNACKNOWLEDGED..MOST).contains(&stuck_at), "{stuck_at}");
    assert!(server.server.workers()[0].unacknowledged <= MOST);
    for ping in 1..=100 {
        server.now = server.now + limits::HEARTBEAT;
        server.server.handle_timeout(server.now);
        server.hear();
        // It is there, and answers every question, but has received nothing, as it says.
        server.say(connection, &[wire::ack(0, ping), wire::ping(ping)].concat());
    }
    assert_eq!(server.gone, [""; 0], "it harms nobody but itself");
    assert!(server.written(connection) < stuck_at + 100 * 2 * 40, "questions and answers go on");
    let is_of_session = |frame: &&wire::Read| frame.kind >= 0x10;
    let acknowledge = |server: &mut Returning| {
        let arrived = server.frames(connection).iter().filter(is_of_session).count() as u64;
        server.say(connection, &wire::ack(arrived, 100));
    };
    acknowledge(&mut server);
    let done = answer_all(&mut server, connection, done);
    assert!(server.written(connection) > stuck_at + (2 << 20));
    acknowledge(&mut server);
    assert_eq!(answer_all(&mut server, connection, done), JOBS);
    acknowledge(&mut server);
    assert_eq!(server.server.workers()[0].unacknowledged, 0);
    assert_eq!(server.server.stats(channel).completed, JOBS);
}

#[test]
fn a_worker_that_answers_no_question_is_lost_however_much_it_says() {
    let (mut server, channel, connection, _) = Returning::with_worker();
    large_jobs(&mut server, channel);
    for second in 1..=40 {
        server.now = Time::from_origin(Duration::from_secs(second));
        server.server.handle_timeout(server.now);
        server.hear();
        server.say(connection, &wire::ping(second));
    }
    assert_eq!(server.gone, ["the peer was silent for 15s"]);
    assert_eq!(server.goodbye(connection), Some(13));
    assert_eq!(server.server.workers(), []);
}

#[test]
fn a_server_that_never_acknowledges_stops_the_worker() {
    let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
    worker.handle_connected(Time::ZERO, "a>b");
    let no = worker.open(spec("work"), OpenOptions::default()).unwrap();
    let opened = [wire::text(b""), wire::varint(16 << 20), wire::varint(1 << 40)].concat();
    let said = [wire::preamble(1, 1), wire::welcome(1, 7), wire::frame(wire::OPENED, 0, 1, &opened)];
    worker.handle_input(Time::ZERO, &mut BytesMut::from(said.concat().as_slice()));
    let mut written = Vec::new();
    let mut write = |worker: &mut WorkerMachine| {
        while let Some(bytes) = worker.poll_transmit(Time::ZERO).map(Transmit::into_bytes) {
            written.extend_from_slice(&bytes);
        }
        let frames = wire::split(written.get(12..).unwrap_or_default());
        let of_session = frames.iter().filter(|frame| frame.kind >= 0x10).count() as u64;
        (written.len(), of_session)
    };
    write(&mut worker);
    for job in 1..=300 {
        let mut batch = OpenBatch::default();
        batch.payload.own().resize(SIZE, 7);
        batch.push(Kind::Last, JobId(job), Attempt::FIRST, 0);
        worker.submit(no, batch.take());
        write(&mut worker);
    }
    let (stuck_at, frames) = write(&mut worker);
    assert!((limits::MAX_UNACKNOWLEDGED..MOST).contains(&stuck_at), "{stuck_at}");
    assert!(!worker.is_ready(), "nothing is written now");
    worker.handle_input(Time::ZERO, &mut BytesMut::from(wire::ack(frames, 0).as_slice()));
    let (more, _) = write(&mut worker);
    assert!((limits::MAX_UNACKNOWLEDGED..MOST).contains(&(more - stuck_at)), "{more}");
    let lie = wire::ack(1 << 40, 0);
    worker.handle_input(Time::ZERO, &mut BytesMut::from(lie.as_slice()));
    let closed = std::iter::from_fn(|| worker.poll_event())
        .find_map(|event| if let WorkerEvent::Closed { reason, .. } = event { Some(reason) } else { None });
    assert_eq!(closed.as_deref(), Some("malformed ACK: of what was not sent"));
}

#[test]
fn an_idle_session_keeps_nothing_after_the_next_heartbeat() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        (0..50).for_each(|_| cluster.send(channel, &[5; 300]));
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 50);
        assert_ne!(
            cluster.server.workers()[0].unacknowledged,
            0,
            "small things are not acknowledged one by one"
        );
        cluster.advance(limits::HEARTBEAT);
        assert_eq!(cluster.server.workers()[0].unacknowledged, 0);
        assert!(cluster.nodes[index].opened.contains_key(&NO));
    }
}
