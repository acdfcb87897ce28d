//! Who is let in, and what the others are told.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::worker::{OpenOptions, WorkerConfig};

use crate::harness::{Cluster, spec};
use crate::stranger::{Stranger, tell_worker};
use crate::wire;

#[test]
fn strangers_are_turned_away_at_their_first_wrong_byte_and_told_nothing() {
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        b"\x16\x02\x01",
        b"\0\0\0\0",
        b"distchaN\x01\0\x01\0",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let mut stranger = Stranger::new();
        stranger.say(bytes);
        assert!(stranger.reason().starts_with("this is not a distchan peer"), "{}", stranger.reason());
        assert_eq!(stranger.output, b"", "nothing is written to a stray connection");
    }
    let mut stranger = Stranger::new();
    stranger.say(b"G");
    assert!(stranger.reason().ends_with("got \"G\""));
    let (code, reason) = tell_worker(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    assert_eq!(code, Code::Protocol);
    assert!(reason.contains("got \"HTTP/1.1 400 Bad Request\\r\\n\""), "{reason}");
}

#[test]
fn a_worker_that_begins_tls_is_told_in_the_clear_that_it_must_not() {
    let mut stranger = Stranger::new();
    stranger.say(b"\x16");
    assert_eq!(stranger.output, b"");
    stranger.say(b"\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(stranger.reason().starts_with("the peer speaks TLS"), "{}", stranger.reason());
    let (code, reason) = tell_worker(&stranger.output).unwrap();
    assert_eq!(code, Code::Security);
    assert_eq!(reason, stranger.reason());
}

#[test]
fn what_a_stranger_sends_is_escaped_before_anyone_reads_it() {
    let mut stranger = Stranger::new();
    stranger.say(b"\x1b[2Jx\x07\xff\n");
    assert!(!stranger.reason().contains(|c: char| c.is_control()), "{:?}", stranger.reason());
}

#[test]
fn a_truncated_handshake_waits_and_is_given_up_after_ten_seconds() {
    let whole = [wire::preamble(1, 1), wire::hello("app", "w")].concat();
    for cut in 0..whole.len() {
        let mut stranger = Stranger::new();
        stranger.say(&whole[..cut]);
        assert_eq!(stranger.refused, None, "cut at {cut}");
        let timeout = stranger.server.poll_timeout().unwrap();
        assert_eq!(timeout.since_origin(), Duration::from_secs(10));
        stranger.server.handle_timeout(timeout);
        stranger.note();
        assert_eq!(stranger.reason(), "the handshake was not finished within 10 s");
        assert_eq!(stranger.server.poll_timeout(), None, "nothing is left to wait for");
    }
    let mut stranger = Stranger::new();
    stranger.say(&whole);
    let pulse = stranger.server.poll_timeout().map(|time| time.since_origin());
    assert_eq!(pulse, Some(Duration::from_millis(20)), "only its pulse is watched from now on");
    assert_eq!(stranger.frames()[0].kind, wire::WELCOME);
}

#[test]
fn a_worker_gives_up_a_silent_server_after_ten_seconds() {
    let mut cluster = Cluster::new(0);
    let index = cluster.connect();
    cluster.nodes[index].reads = false;
    cluster.advance(Duration::from_millis(9999));
    assert_eq!(cluster.nodes[index].closed, None);
    cluster.advance(Duration::from_millis(1));
    let (code, reason) = cluster.nodes[index].closed.clone().unwrap();
    assert_eq!((code, reason.as_str()), (Code::Timeout, "the handshake was not finished within 10 s"));
}

#[test]
fn an_oversized_frame_is_refused_before_it_is_waited_for() {
    let header = |length: u32| [&length.to_le_bytes()[..], &[0; 8]].concat();
    let mut stranger = Stranger::new();
    stranger.say(&wire::preamble(1, 1));
    stranger.say(&header(4097));
    assert_eq!(stranger.reason(), "a frame of 4097 bytes where at most 4096 are allowed");
    let (mut stranger, _) = Stranger::with_jobs(0);
    stranger.say(&header(65_536));
    assert_eq!(stranger.refused, None, "a whole frame");
    let (mut stranger, _) = Stranger::with_jobs(0);
    stranger.say(&header(65_537));
    assert_eq!(stranger.reason(), "a frame of 65537 bytes where at most 65536 are allowed");
    let told = stranger.frames();
    let farewell = told.last().unwrap();
    assert_eq!(farewell.kind, wire::GOODBYE);
    assert!(
        farewell.body.ends_with(b"a frame of 65537 bytes where at most 65536 are allowed"),
        "the peer is told"
    );
}

#[test]
fn other_versions_are_refused_by_both_sides_in_words() {
    let mut stranger = Stranger::new();
    stranger.say(&wire::preamble(2, 9));
    let text = "no common protocol version: this side speaks 1 to 1, the peer 2 to 9";
    assert_eq!(stranger.reason(), text);
    assert!(stranger.frames()[0].body.ends_with(text.as_bytes()), "a worker of another version is told");
    assert_eq!(stranger.output[..12], wire::preamble(1, 1), "and which versions there are");
    assert_eq!(tell_worker(&wire::preamble(2, 9)), Some((Code::Version, text.to_owned())));
    let mut newer = Stranger::new();
    newer.say(&[wire::preamble(1, 9), wire::hello("app", "newer")].concat());
    assert_eq!(newer.refused, None, "who speaks newer versions too is let in");
}

#[test]
fn a_wrong_signature_is_refused_and_both_sides_know_why() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let index = cluster.connect_as(WorkerConfig { signature: "other\n".into(), name: "w".into() });
        cluster.settle();
        let text = "the server's signature is \"app\", this worker's is \"other\\n\"";
        assert_eq!(cluster.refused, [(None, Code::Signature, text.to_owned())]);
        let closed = cluster.nodes[index].closed.clone().unwrap();
        assert_eq!(closed.0, Code::Signature);
        assert!(closed.1.starts_with("the server's signature is \"app\""), "{}", closed.1);
        assert!(cluster.server.workers().is_empty());
    }
}

#[test]
fn messages_before_or_instead_of_a_greeting_end_the_connection() {
    for bytes in [
        wire::open(1, "work", 0),
        wire::batch(1, 1, &[(wire::DONE, 1, wire::Second::Run(0))]),
        wire::welcome(1, 1),
        wire::frame(0x7f, 0, 0, b""),
        wire::frame(wire::HELLO, 0x80, 0, b""),
        wire::frame(wire::HELLO, 0, 0, b"\xff\xff"),
        wire::frame(wire::HELLO, 0, 0, &[wire::text(b"\xff\xfe"), wire::text(b"")].concat()),
    ] {
        let mut stranger = Stranger::new();
        stranger.say(&wire::preamble(1, 1));
        stranger.say(&bytes);
        assert!(!stranger.reason().is_empty(), "{bytes:?}");
    }
    let (mut twice, _) = Stranger::with_jobs(0);
    twice.say(&wire::hello("app", "again"));
    assert_eq!(twice.reason(), "unexpected greeting: the handshake is done");
}

#[test]
fn kinds_of_later_versions_are_skipped() {
    let mut stranger = Stranger::new();
    stranger.say(&wire::preamble(1, 1));
    stranger.say(&wire::frame(0x80, 0xff, 9, b"later"));
    stranger.say(&wire::hello("app", "w"));
    stranger.say(&wire::frame(0xff, 1, 9, b""));
    assert_eq!(stranger.refused, None);
}

#[test]
fn a_server_that_shuts_down_says_so_to_those_who_are_there_and_those_who_come() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        cluster.channel("work");
        cluster.join(2, "work");
        cluster.server.shutdown();
        let late = cluster.connect();
        cluster.nodes[late].machine.open(spec("work"), OpenOptions::default()).unwrap();
        cluster.settle();
        for node in &cluster.nodes {
            assert_eq!(node.closed, Some((Code::Shutdown, "the server shuts down".to_owned())));
        }
        assert!(cluster.server.workers().is_empty());
    }
}
