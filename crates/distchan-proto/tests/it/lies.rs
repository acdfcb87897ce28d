//! Workers that shake hands politely and then lie: each lie is refused and counted, or ends their connection.

use distchan_proto::error::Code;
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::server::ChannelOptions;

use crate::stranger::Stranger;
use crate::wire::{self, Second};

#[test]
fn answers_about_jobs_that_the_worker_does_not_have_are_refused_and_counted() {
    for (kind, job, run) in [
        (wire::DONE, 1, 65_534),
        (wire::DONE, 11, 9),
        (wire::RETURNED, 11, 65_534),
        (wire::RETURNED, u64::MAX - 70_000, 65_534),
        (wire::DONE, 0, 0),
    ] {
        let (mut stranger, channel) = Stranger::with_jobs(10);
        stranger.say(&wire::batch(1, 1, &[(kind, job, Second::Run(run))]));
        let stats = stranger.server.stats(channel);
        assert_eq!(stats.completed + stats.refused_answers + stats.redelivered, run + 1);
        assert!(stats.completed <= 10);
    }
    let (mut stranger, channel) = Stranger::with_jobs(10);
    for attempt in [0, 2, u64::from(u32::MAX)] {
        stranger.say(&wire::batch(1, attempt, &[(wire::LAST, 1, Second::Bytes(b"x"))]));
    }
    assert_eq!(stranger.server.stats(channel).refused_answers, 3);
    assert_eq!(stranger.released, 0);
}

#[test]
fn runs_longer_than_any_worker_could_hold_end_the_connection() {
    for entries in [
        vec![(wire::DONE, 1, Second::Run(65_536))],
        vec![(wire::RETURNED, 1, Second::Run(u64::MAX))],
        vec![(wire::DONE, u64::MAX, Second::Run(1))],
        vec![(wire::DONE, 1, Second::Run(40_000)), (wire::DONE, 1, Second::Run(40_000))],
    ] {
        let (mut stranger, channel) = Stranger::with_jobs(3);
        stranger.say(&wire::batch(1, 1, &entries));
        assert_eq!(stranger.reason(), "malformed batch: run");
        assert_eq!(stranger.server.stats(channel).completed, 0);
    }
}

#[test]
fn more_answers_than_were_granted_end_the_connection() {
    let (mut stranger, channel) = Stranger::with_jobs(3);
    let big = vec![0; 1100 * 1024];
    let body = wire::body(1, &[(wire::LAST, 1, Second::Bytes(&big)), (wire::LAST, 2, Second::Bytes(b"x"))]);
    let (earlier, last) = body.split_at(body.len() - 100);
    for piece in earlier.chunks(limits::MAX_FRAME_BODY) {
        stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, piece));
    }
    assert_eq!(stranger.refused, None);
    stranger.say(&wire::frame(wire::BATCH, 0, 1, last));
    assert_eq!(stranger.reason(), "the peer sent more answers than it was granted");
    assert_eq!(stranger.server.stats(channel).completed, 0);
}

#[test]
fn bodies_that_contradict_themselves_end_the_connection() {
    let long_table = wire::body(1, &[(wire::RESULT, 1, Second::Bytes(b"")); 40_000]);
    let whole = wire::body(1, &[(wire::LAST, 1, Second::Bytes(b"hello"))]);
    let mut bodies = vec![
        vec![],
        vec![0; 3],
        vec![0xff; 4],
        wire::body(1, &[]),
        wire::body(1, &[(6, 1, Second::Run(0))]),
        wire::body(1 << 32, &[(wire::DONE, 1, Second::Run(0))]),
        wire::body(1, &[(wire::VALUE, 1, Second::Bytes(b"a job for the server"))]),
    ];
    bodies.extend((0..whole.len()).map(|cut| whole[..cut].to_vec()));
    bodies.extend(
        (0..whole.len()).map(|cut| whole[cut + 1..].to_vec()).filter(|body| body.len() < whole.len() - 5),
    );
    for body in bodies {
        let (mut stranger, channel) = Stranger::with_jobs(1);
        stranger.say(&wire::frame(wire::BATCH, 0, 1, &body));
        assert!(!stranger.reason().is_empty(), "{body:?}");
        assert_eq!(stranger.server.stats(channel).completed, 0);
    }
    let (mut stranger, _) = Stranger::with_jobs(1);
    let (first, second) = long_table.split_at(60_000);
    stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, first));
    stranger.say(&wire::frame(wire::BATCH, 0, 1, second));
    assert_eq!(stranger.reason(), "malformed batch: table", "no honest table is larger than a frame");
}

#[test]
fn channel_numbers_are_few_and_used_once() {
    for (bytes, reason) in [
        (wire::open(0, "work", 0), "a channel number is used once on a connection, and never 0"),
        (wire::open(1, "other", 0), "a channel number is used once on a connection, and never 0"),
        (wire::frame(wire::SCHEMAS, 0, 1, b"\0\0"), "schemas that nobody asked for"),
        (wire::frame(wire::SCHEMAS, 0, 9, b"\0\0"), "schemas that nobody asked for"),
        (
            wire::batch(2, 1, &[(wire::DONE, 1, Second::Run(0))]),
            "unexpected batch for a channel that is not open",
        ),
        (wire::frame(wire::CREDIT, 0, 1, &[1]), "unexpected message from a worker"),
    ] {
        let (mut stranger, _) = Stranger::with_jobs(1);
        stranger.say(&bytes);
        assert_eq!(stranger.reason(), reason);
        assert_eq!(stranger.frames().last().unwrap().kind, wire::GOODBYE);
    }
    let (mut stranger, _) = Stranger::with_jobs(1);
    for no in 2..=1024 {
        stranger.say(&wire::open(no, "nothing", 0));
    }
    assert_eq!(stranger.refused, None);
    stranger.say(&wire::open(1025, "nothing", 0));
    assert_eq!(stranger.refused.as_ref().unwrap().0, Code::Limit);
}

#[test]
fn who_has_left_a_channel_can_keep_nothing_in_it() {
    let (mut stranger, _) = Stranger::with_jobs(1);
    stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, &[0; 60_000]));
    stranger.say(&wire::frame(wire::LEAVE, 0, 1, b""));
    assert_eq!(stranger.refused, None);
    stranger.say(&wire::frame(wire::BATCH, wire::MORE, 1, b"more"));
    assert_eq!(stranger.reason(), "unexpected batch for a channel that is not open");
}

#[test]
fn who_asks_and_never_reads_the_answers_is_cut_off() {
    let (mut stranger, _) = Stranger::with_jobs(0);
    for index in 0..40 {
        let name = format!("{index}{}", "long".repeat(60));
        stranger
            .server
            .open_channel(stranger.now, crate::harness::spec(&name), ChannelOptions::default())
            .unwrap();
    }
    let mut asked = 0;
    while stranger.refused.is_none() {
        stranger.say_deaf(&wire::open(2 + asked, "nothing", 0));
        asked += 1;
    }
    assert_eq!(stranger.refused.as_ref().unwrap().0, Code::Limit);
    assert_eq!(stranger.reason(), "the peer does not read the answers it asked for");
    let written = stranger.hear().len();
    assert!(written <= limits::MAX_CONTROL_BACKLOG + 8192, "{written} bytes were kept");
    stranger.say(&wire::open(1000, "nothing", 0));
    assert_eq!(stranger.hear(), b"", "nothing is answered any more");
}

#[test]
fn schemas_that_cannot_be_read_are_said_to_be_so() {
    let (mut stranger, _) = Stranger::with_jobs(0);
    let other = Schema::of::<u64>(false).fingerprint().to_bytes();
    let own = Schema::of::<String>(false).fingerprint().to_bytes();
    assert_ne!(other, own);
    let open = wire::open(2, "work", 0);
    let at = open.windows(16).position(|window| window == own).unwrap();
    let mut body = open[12..].to_vec();
    body[at - 12..at + 4].copy_from_slice(&other);
    stranger.say(&wire::frame(wire::LEAVE, 0, 1, b""));
    stranger.say(&wire::frame(wire::OPEN, 0, 2, &body));
    stranger.say(&wire::frame(wire::SCHEMAS, 0, 2, &[wire::text(b"\xff\xff\xff"), wire::text(b"")].concat()));
    assert_eq!(stranger.refused, None, "a refused open is not a broken protocol");
    stranger.say(&wire::frame(wire::SCHEMAS, 0, 2, &[wire::text(b""), wire::text(b"")].concat()));
    assert_eq!(stranger.reason(), "schemas that nobody asked for", "once");
}
