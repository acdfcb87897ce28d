//! An honest conversation, recorded call by call, and played again to a fresh machine with whatever was done to its bytes.

use bytes::BytesMut;
use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::ids::{Attempt, ConnectionId, JobId};
use distchan_proto::server::{ChannelOptions, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::harness::NO;

const NOW: Time = Time::ZERO;
const JOBS: u64 = 12;

/// What came out at one end: jobs or results with their payloads, in order.
pub(crate) type Delivered = Vec<(u64, Kind, Vec<u8>)>;

/// What one side sent in an honest conversation, call by call, and what came out at the other end.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) up: Vec<Vec<u8>>,
    pub(crate) down: Vec<Vec<u8>>,
    pub(crate) at_server: Delivered,
    pub(crate) at_worker: Delivered,
}

fn server_for(spec: &ChannelSpec) -> (ServerMachine, ConnectionId) {
    let mut server =
        ServerMachine::new(ServerConfig { signature: "app".into(), epoch: 7, ..ServerConfig::default() });
    let channel = server
        .open_channel(NOW, spec.clone(), ChannelOptions { credit: Some(4), ..ChannelOptions::default() })
        .unwrap();
    let mut batch = OpenBatch::default();
    for job in 1..=JOBS {
        batch.payload.own().extend_from_slice(format!("job {job}").as_bytes());
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
    }
    server.submit(NOW, channel, batch.take());
    server.close(channel);
    let connection = server.accept(NOW, "");
    (server, connection)
}

fn worker_for(spec: &ChannelSpec) -> WorkerMachine {
    let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
    worker.handle_connected(NOW, "");
    worker.open(spec.clone(), OpenOptions::default()).unwrap();
    worker
}

/// Lets a worker react to what it was told, as its user would: two results a job, a failure and a return now and then.
fn react(worker: &mut WorkerMachine, delivered: &mut Delivered) -> Vec<u8> {
    while let Some(event) = worker.poll_event() {
        let WorkerEvent::Jobs { batch, .. } = event else {
            continue;
        };
        let mut answers = OpenBatch::default();
        let mut push = |kind, job, attempt, payload: &str| {
            answers.payload.own().extend_from_slice(payload.as_bytes());
            answers.push(kind, job, attempt, 0);
        };
        for (_, entry) in batch.iter() {
            let (job, attempt) = (entry.job, entry.attempt);
            match job.0 % 4 {
                0 if attempt == Attempt::FIRST => push(Kind::Returned, job, attempt, ""),
                1 => push(Kind::Failed, job, attempt, "no"),
                _ => {
                    push(Kind::Result, job, attempt, &format!("first of {job}"));
                    push(Kind::Last, job, attempt, &format!("last of {job}"));
                }
            }
        }
        worker.submit(NO, answers.take());
        note(delivered, &batch);
    }
    worker.poll_transmit(NOW).unwrap_or_default().into_bytes().to_vec()
}

fn respond(server: &mut ServerMachine, id: ConnectionId, delivered: &mut Delivered) -> Vec<u8> {
    while let Some(event) = server.poll_event() {
        if let ServerEvent::Results { channel, batch, .. } = event {
            server.consumed(channel, batch.cost());
            note(delivered, &batch);
        }
    }
    while server.poll_ready().is_some() {}
    server.poll_transmit(NOW, id).unwrap_or_default().into_bytes().to_vec()
}

fn note(delivered: &mut Delivered, batch: &Batch) {
    delivered.extend(batch.iter().map(|(start, entry)| {
        (entry.job.0, entry.kind, batch.payload[start as usize..entry.end as usize].to_vec())
    }));
}

/// An honest conversation from the first byte to the goodbye.
pub(crate) fn record(spec: &ChannelSpec) -> Recording {
    let mut recording = Recording::default();
    let (mut server, id) = server_for(spec);
    let mut worker = worker_for(spec);
    loop {
        let up = react(&mut worker, &mut recording.at_worker);
        server.handle_input(NOW, id, &mut BytesMut::from(up.as_slice()));
        let down = respond(&mut server, id, &mut recording.at_server);
        worker.handle_input(NOW, &mut BytesMut::from(down.as_slice()));
        if up.is_empty() && down.is_empty() {
            break;
        }
        recording.up.push(up);
        recording.down.push(down);
    }
    let ends = recording.at_server.iter().filter(|(_, kind, _)| *kind != Kind::Result).count();
    assert_eq!(ends as u64, JOBS, "{:?}", recording.at_server);
    recording
}

/// Says the worker's part to a server; returns what came out there, and whether it took all of it.
pub(crate) fn replay_up(spec: &ChannelSpec, parts: &[Vec<u8>]) -> (Delivered, bool) {
    let (mut server, id) = server_for(spec);
    let (mut delivered, mut input) = (Vec::new(), BytesMut::new());
    for part in parts {
        input.extend_from_slice(part);
        server.handle_input(NOW, id, &mut input);
        while !respond(&mut server, id, &mut delivered).is_empty() {}
    }
    (delivered, !server.is_closing(id) && input.is_empty())
}

/// Says the server's part to a worker.
pub(crate) fn replay_down(spec: &ChannelSpec, parts: &[Vec<u8>]) -> (Delivered, bool) {
    let mut worker = worker_for(spec);
    let (mut delivered, mut input) = (Vec::new(), BytesMut::new());
    for part in parts {
        while !react(&mut worker, &mut delivered).is_empty() {}
        input.extend_from_slice(part);
        worker.handle_input(NOW, &mut input);
    }
    while !react(&mut worker, &mut delivered).is_empty() {}
    (delivered, !worker.is_closing() && input.is_empty())
}
