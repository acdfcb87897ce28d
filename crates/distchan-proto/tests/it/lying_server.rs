//! Servers that shake hands politely and then lie: their worker leaves them, with a reason.

use bytes::BytesMut;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::harness::spec;
use crate::wire::{self, Second};

/// A worker that has opened its first channel at a server written by hand, and is then told `lie`.
pub(crate) fn lie_to_worker(lie: &[u8], options: OpenOptions) -> (Vec<WorkerEvent>, bool) {
    let config = WorkerConfig { signature: "app".into(), name: "w".into() };
    let mut worker = WorkerMachine::new(config);
    worker.handle_connected(Time::ZERO, "");
    worker.open(spec("work"), options).unwrap();
    let opened = [wire::text(b""), wire::varint(1000), wire::varint(1 << 20)].concat();
    let bytes =
        [wire::preamble(1, 1), wire::welcome(1, 7), wire::frame(wire::OPENED, 0, 1, &opened), lie.to_vec()];
    worker.handle_input(Time::ZERO, &mut BytesMut::from(bytes.concat().as_slice()));
    worker.poll_transmit(Time::ZERO);
    (std::iter::from_fn(|| worker.poll_event()).skip(2).collect(), worker.is_closing())
}

#[test]
fn a_server_that_lies_is_left() {
    let value = |count: u64| {
        let entries: Vec<_> = (1..=count).map(|job| (wire::VALUE, job, Second::Bytes(b"x"))).collect();
        wire::batch(1, 1, &entries)
    };
    let opened = [wire::text(b""), wire::varint(1000), wire::varint(1 << 20)].concat();
    let options = OpenOptions { max_jobs: 3, ..OpenOptions::default() };
    for (lie, reason) in [
        (value(4), "the peer sent more jobs than it was granted"),
        ([value(2), value(2)].concat(), "the peer sent more jobs than it was granted"),
        (wire::batch(1, 1, &[(wire::LAST, 1, Second::Bytes(b"x"))]), "unexpected entry from a server"),
        (
            wire::batch(2, 1, &[(wire::VALUE, 1, Second::Bytes(b"x"))]),
            "unexpected batch for a channel that is not open",
        ),
        (wire::frame(wire::OPENED, 0, 1, &opened), "unexpected a second OPENED"),
        (wire::frame(wire::OPENED, 0, 5, &opened), "unexpected OPENED for a channel that was not asked for"),
        (wire::frame(wire::LEAVE, 0, 1, b""), "unexpected message from a server"),
        (wire::hello("app", "x"), "unexpected greeting from this side"),
        (wire::frame(wire::CREDIT, 0, 1, b""), "malformed CREDIT"),
        (
            wire::batch(1, 1, &[(wire::VALUE, 1, Second::Bytes(&[0; 1001]))]),
            "a value larger than this channel's limit of 1000 bytes",
        ),
    ] {
        let (events, is_closing) = lie_to_worker(&lie, options);
        let Some(WorkerEvent::Closed { reason: said, .. }) = events.last() else {
            panic!("{reason}: {events:?}")
        };
        assert_eq!(said, reason);
        assert!(is_closing);
    }
    let (events, is_closing) = lie_to_worker(&value(3), options);
    assert!(matches!(events.as_slice(), [WorkerEvent::Jobs { .. }]) && !is_closing, "the truth is taken");
}
