//! Who may go on with a session: the worker that it was given to, over its newest connection. Everybody else gets a new one.

use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, JobId};

use crate::harness::Cluster;
use crate::links::{DIRECT, INDIRECT};
use crate::returning::Returning;
use crate::wire::{self, Back, Second};

const SUPERSEDED: u64 = 12;

/// What is wrong with a claim.
type Change = Box<dyn Fn(&mut Back)>;

fn jobs(count: u64) -> Submission {
    let mut batch = OpenBatch::default();
    for job in 1..=count {
        batch.payload.own().extend_from_slice(job.to_string().as_bytes());
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
    }
    batch.take()
}

#[test]
fn the_newest_connection_wins_and_the_old_one_is_told() {
    for (seed, routes) in (0..40).zip([DIRECT, INDIRECT].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(routes);
        (0..5).for_each(|_| cluster.send(channel, b"a"));
        cluster.steps(usize::try_from(seed).unwrap());
        cluster.nodes[index].echo();
        let old = cluster.abandon(index);
        cluster.come_back(index);
        cluster.work();
        assert_eq!((cluster.away.len(), cluster.gone.len(), cluster.back), (0, 0, 1));
        assert_eq!((cluster.seen(channel).len(), cluster.nodes[index].delivered.len()), (5, 5));
        let frames = wire::split(&cluster.lingering[&old]);
        let last = frames.last().unwrap();
        assert_eq!((last.kind, u64::from(last.body[0])), (wire::GOODBYE, SUPERSEDED));
        assert!(last.body.ends_with(b"another connection has taken over this session"));
        assert_eq!(frames.iter().filter(|frame| frame.kind == wire::GOODBYE).count(), 1);
        assert_eq!(cluster.server.stats(channel).redelivered, 0);
    }
}

#[test]
fn what_still_comes_over_the_old_connection_is_not_heard() {
    let (mut server, channel, old, back) = Returning::with_worker();
    server.server.submit(server.now, channel, jobs(2));
    server.hear();
    let (new, welcome) = server.claim(&Back { received: 2, ..back });
    assert_eq!((welcome.session, welcome.received, server.back), (back.session, 1, 1));
    assert_eq!(server.goodbye(old), Some(SUPERSEDED));
    server.say(old, &wire::batch(1, 1, &[(wire::LAST, 1, Second::Bytes(b"old"))]));
    assert_eq!(server.server.stats(channel).completed, 0);
    server.cut(old);
    assert_eq!((server.away, server.gone.len()), (0, 0), "its end is nobody's");
    server.say(new, &wire::batch(1, 1, &[(wire::LAST, 1, Second::Bytes(b"new"))]));
    assert_eq!(server.server.stats(channel).completed, 1);
}

#[test]
fn a_greeting_that_was_held_up_does_not_win_over_a_newer_connection() {
    let (mut server, channel, first, back) = Returning::with_worker();
    let held_up = server.connect();
    server.say(held_up, &wire::preamble(1, 1));
    server.cut(first);
    let (newer, welcome) = server.claim(&back);
    assert_eq!(welcome.session, back.session);
    server.say(held_up, &wire::hello_again(crate::returning::ROUTE, &back));
    assert_eq!(server.goodbye(newer), None, "the worker has given up the older connection");
    assert_eq!(server.goodbye(held_up), Some(SUPERSEDED));
    server.server.submit(server.now, channel, jobs(1));
    server.hear();
    server.say(newer, &wire::batch(1, 1, &[(wire::LAST, 1, Second::Bytes(b"x"))]));
    assert_eq!((server.server.stats(channel).completed, server.gone.len()), (1, 0));
}

#[test]
fn a_claim_that_does_not_fit_gets_a_new_session_and_harms_nobody() {
    let key = |at: usize| move |back: &mut Back| back.key[at] ^= 1;
    let mut claims: Vec<Change> = vec![
        Box::new(|back| back.epoch = 8),
        Box::new(|back| back.epoch = u64::MAX),
        Box::new(|back| back.session = 99),
        Box::new(|back| back.session = u64::MAX),
        // The number under which this very connection is counted.
        Box::new(|back| back.session += 1),
        Box::new(|back| back.received = 3),
        Box::new(|back| back.received = u64::MAX),
        Box::new(|back| back.received = 0),
        Box::new(|back| back.received = 1),
        Box::new(|back| back.key = [0; 16]),
    ];
    claims.extend((0..16).map(|at| Box::new(key(at)) as Change));
    for is_away in [false, true] {
        for (index, change) in claims.iter().enumerate() {
            let (mut server, channel, rightful, back) = Returning::with_worker();
            server.server.submit(server.now, channel, jobs(2));
            server.hear();
            // OPENED and the jobs, in two frames: all of it is there.
            server.say(rightful, &wire::ack(2, 0));
            if is_away {
                server.cut(rightful);
            }
            let back = Back { received: 2, ..back };
            let mut claim = back;
            change(&mut claim);
            let (stranger, welcome) = server.claim(&claim);
            assert_ne!(welcome.session, back.session, "claim {index}");
            assert_ne!(welcome.key, back.key);
            assert_eq!((welcome.epoch, welcome.received), (7, 0));
            assert_eq!((server.back, server.gone.len(), server.refused.len()), (0, 0, 0));
            let told: Vec<_> = server.frames(stranger).iter().map(|frame| frame.kind).collect();
            assert_eq!(told, [wire::WELCOME, wire::PING], "nothing of the session");
            server.say(stranger, &wire::open(1, "work", 0));
            server.say(stranger, &wire::batch(1, 1, &[(wire::LAST, 1, Second::Bytes(b"stolen"))]));
            assert_eq!(server.server.stats(channel).completed, 0);
            let (rightful, welcome) = if is_away { server.claim(&back) } else { (rightful, back) };
            assert_eq!(welcome.session, back.session);
            server.say(rightful, &wire::batch(1, 1, &[(wire::DONE, 1, Second::Run(1))]));
            assert_eq!(server.server.stats(channel).completed, 2, "the rightful worker goes on");
        }
    }
}

#[test]
fn a_session_that_is_over_is_nobodys() {
    let (mut server, _, connection, back) = Returning::with_worker();
    server.say(connection, &wire::frame(wire::GOODBYE, 0, 0, &[0, 0]));
    assert_eq!(server.gone.len(), 1);
    let (_, welcome) = server.claim(&back);
    assert_ne!(welcome.session, back.session);
    assert_eq!(server.server.workers().len(), 1);
}

#[test]
fn a_session_is_claimed_in_the_greeting_and_only_there() {
    let (mut server, _, connection, back) = Returning::with_worker();
    let (other, _) = server.claim(&Back { session: 99, ..back });
    server.say(other, &wire::hello_again(crate::returning::ROUTE, &back));
    assert_eq!(server.goodbye(other), Some(1));
    assert_eq!(server.goodbye(connection), None);
    assert_eq!(server.back, 0);
}

#[test]
fn many_claims_at_once_leave_one_worker() {
    let (mut server, channel, first, back) = Returning::with_worker();
    server.server.submit(server.now, channel, jobs(1));
    server.hear();
    let mut all = vec![first];
    for _ in 0..50 {
        all.push(server.claim(&back).0);
    }
    let newest = all.pop().unwrap();
    assert!(all.iter().all(|old| server.goodbye(*old) == Some(SUPERSEDED)));
    assert_eq!(server.server.workers().len(), 1);
    assert_eq!(server.server.workers()[0].connection, Some(newest));
    let told: Vec<_> = server.frames(newest).iter().map(|frame| frame.kind).collect();
    assert_eq!(told, [wire::WELCOME, wire::PING, wire::BATCH], "the job is sent again");
    for old in all {
        server.cut(old);
    }
    assert_eq!((server.gone.len(), server.away, server.back), (0, 0, 50));
    server.cut(newest);
    assert_eq!(server.away, 1);
}

#[test]
fn acknowledgements_of_what_was_not_sent_end_the_session() {
    for (ack, reason) in [
        (wire::ack(2, 0), "malformed ACK: of what was not sent"),
        (wire::ack(u64::MAX, 0), "malformed ACK: of what was not sent"),
        (wire::ack(1, 2), "malformed ACK: of a PING that was not sent"),
        (wire::ack(0, u64::MAX), "malformed ACK: of a PING that was not sent"),
        (wire::frame(wire::ACK, 0, 0, &[1]), "malformed ACK"),
        (wire::frame(wire::PING, 0, 0, &[]), "malformed PING"),
    ] {
        let (mut server, _, connection, _) = Returning::with_worker();
        server.say(connection, &ack);
        assert_eq!(server.refused, [(Some(connection), Code::Protocol, reason.to_owned())]);
        assert_eq!((server.goodbye(connection), server.gone.len()), (Some(1), 1));
    }
    let (mut server, _, connection, _) = Returning::with_worker();
    for ack in [wire::ack(1, 1), wire::ack(0, 0), wire::ack(1, 1), wire::ping(u64::MAX), wire::ping(3)] {
        server.say(connection, &ack);
    }
    assert_eq!(server.refused, [], "what is old news harms nobody");
    let last = server.frames(connection).pop().unwrap();
    assert_eq!(last.body, [wire::varint(1), wire::varint(u64::MAX)].concat(), "the newest question counts");
}
