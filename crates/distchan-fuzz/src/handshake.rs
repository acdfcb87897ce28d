//! What a stranger says first: preamble, `HELLO`, `WELCOME`, and a ticket's proof. Whatever it is, it does not matter how it is cut, the other
//! side says a bounded number of bytes, and a proof is one only with the secret.

use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::limits;
use distchan_proto::proof::{Exporter, Secret, ServerAnswer, WorkerProof};
use distchan_proto::server::{Loss, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::worker::{WorkerConfig, WorkerEvent, WorkerMachine};

use crate::script::Script;
use crate::wire;

/// The first byte says who is spoken to, and whether the beginning is right.
pub fn handshake(data: &[u8]) {
    let mut script = Script::new(data);
    let (how, piece) = (script.below(8), script.below(32) + 1);
    let rest = script.rest();
    let said = match how & 3 {
        0 => rest.to_vec(),
        1 => [&wire::PREAMBLE, rest].concat(),
        2 => [&wire::PREAMBLE[..], &one_frame(if how < 4 { wire::HELLO } else { wire::WELCOME }, rest)]
            .concat(),
        _ => return proof(rest),
    };
    let (whole, cut) = if how < 4 {
        (to_server(&said, said.len()), to_server(&said, piece))
    } else {
        (to_worker(&said, said.len()), to_worker(&said, piece))
    };
    // How whatever else has begun is shown as far as it had come.
    if said.starts_with(&wire::PREAMBLE[..8]) {
        assert_eq!(whole, cut, "it matters how it is cut");
    } else {
        assert_eq!(whole.1.len(), cut.1.len(), "it matters how it is cut");
    }
}

/// A frame of this kind, and what is left of the bytes behind its body.
fn one_frame(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut script = Script::new(rest);
    let body = script.bytes();
    let mut out = wire::frame(kind, 0, 0, body);
    out.extend_from_slice(script.rest());
    out
}

/// What a server answers, and what it has noticed.
fn to_server(said: &[u8], piece: usize) -> (Vec<u8>, Vec<String>) {
    let config = ServerConfig { signature: "app".into(), epoch: 7, ..ServerConfig::default() };
    let mut server = ServerMachine::new(config);
    let connection = server.accept(Time::ZERO, "a>b");
    let (mut answered, mut noticed, mut input) = (Vec::new(), Vec::new(), BytesMut::new());
    for piece in said.chunks(piece.max(1)) {
        input.extend_from_slice(piece);
        server.handle_input(Time::ZERO, connection, &mut input);
        while let Some(event) = server.poll_event() {
            note(&mut noticed, &event);
        }
    }
    while let Some(bytes) = server.poll_transmit(Time::ZERO, connection) {
        answered.extend_from_slice(&bytes.into_bytes());
    }
    assert!(
        answered.len() <= 2 * limits::MAX_HANDSHAKE_BODY + said.len(),
        "{} bytes answered",
        answered.len()
    );
    // Nobody stays who has not said who it is.
    let late = Time::ZERO + limits::HANDSHAKE_BUDGET + Duration::from_secs(1);
    if server.workers().is_empty() {
        server.handle_timeout(late);
        while server.poll_transmit(late, connection).is_some() {}
        assert!(server.is_closing(connection), "a stranger stays");
    }
    server.handle_closed(late, connection, Loss::Closed, "it hung up");
    while server.poll_event().is_some() {}
    (answered, noticed)
}

fn note(noticed: &mut Vec<String>, event: &ServerEvent) {
    let text = format!("{event:?}");
    assert!(!text.contains('\u{1b}'), "{text}");
    noticed.push(text);
}

/// What a worker says, and what it has noticed.
fn to_worker(said: &[u8], piece: usize) -> (Vec<u8>, Vec<String>) {
    let mut worker = WorkerMachine::new(WorkerConfig { signature: "app".into(), name: "w".into() });
    worker.handle_connected(Time::ZERO, "a>b");
    let (mut answered, mut noticed, mut input) = (Vec::new(), Vec::new(), BytesMut::new());
    let write = |worker: &mut WorkerMachine, answered: &mut Vec<u8>| {
        while let Some(bytes) = worker.poll_transmit(Time::ZERO) {
            answered.extend_from_slice(&bytes.into_bytes());
        }
    };
    write(&mut worker, &mut answered);
    for piece in said.chunks(piece.max(1)) {
        input.extend_from_slice(piece);
        worker.handle_input(Time::ZERO, &mut input);
        while let Some(event) = worker.poll_event() {
            if let WorkerEvent::Closed { reason, .. } | WorkerEvent::Disconnected { reason } = &event {
                assert!(!reason.contains('\u{1b}'), "{reason}");
            }
            noticed.push(format!("{event:?}"));
        }
    }
    write(&mut worker, &mut answered);
    assert!(
        answered.len() <= 2 * limits::MAX_HANDSHAKE_BODY + said.len(),
        "{} bytes answered",
        answered.len()
    );
    let late = Time::ZERO + limits::HANDSHAKE_BUDGET + Duration::from_secs(1);
    worker.handle_timeout(late);
    write(&mut worker, &mut Vec::new());
    worker.handle_disconnected("it hung up");
    worker.give_up("it hung up");
    assert!(worker.is_over());
    (answered, noticed)
}

const SECRET: [u8; 16] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";

/// A proof that was made up: none, unless it is the one. The first bytes say in which session, and where the right one is changed.
fn proof(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let secret = Secret::new(SECRET);
    let mut exporter: Exporter = [0x80; 32];
    exporter[0] = script.byte();
    let right = WorkerProof::new(&secret, &exporter).to_bytes();
    let answer = ServerAnswer::accepting(&secret, &exporter);
    let (mut said, mut answered) = (right, answer);
    while !script.is_over() {
        let (at, change) = (script.byte(), script.byte());
        said[usize::from(at) % right.len()] ^= change;
        answered[usize::from(at) % answer.len()] ^= change;
    }
    match WorkerProof::parse(&said) {
        Ok(proof) => {
            assert_eq!(proof.to_bytes(), said);
            let is_taken = proof.ticket() == secret.id() && proof.is_of(&secret, &exporter);
            assert_eq!(is_taken, said == right, "a proof without the secret");
            assert!(!proof.is_of(&secret, &[0x80 ^ 1; 32]), "a recording");
        }
        Err(_) => assert_ne!(said[0], right[0]),
    }
    let [first, proof @ ..] = answered;
    match ServerAnswer::parse(first) {
        ServerAnswer::Accepted => {
            let is_taken = ServerAnswer::is_proof_of(&proof, &secret, &exporter);
            assert_eq!(is_taken, answered == answer, "an answer without the secret");
        }
        ServerAnswer::Refused(refusal) => assert!(refusal.to_wire() == first || refusal.to_wire() == 255),
    }
}
