//! Who is there and who is not: a silent peer is found in time by both ends, whichever direction is silent, and nobody else is lost.

use std::time::Duration;

use distchan_proto::batch::Kind;
use distchan_proto::ids::Attempt;
use distchan_proto::server::ServerConfig;
use distchan_proto::time::Time;

use crate::harness::{Cluster, NO, config};
use crate::links::{DIRECT, INDIRECT};
use crate::node::After;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);
const SILENT: &str = "the peer was silent for 15s";

/// A worker with a job in hand, and how long their connection has been idle.
fn idle(seed: u64, routes: (&str, &str), idle: Duration) -> (Cluster, usize) {
    let mut cluster = Cluster::new(seed);
    let channel = cluster.channel("work");
    let index = cluster.join_over(routes);
    cluster.send(channel, b"a");
    cluster.advance(idle);
    assert_eq!((cluster.gone.len(), cluster.away.len()), (0, 0));
    (cluster, index)
}

#[test]
fn an_idle_worker_is_never_lost() {
    let (mut cluster, index) = idle(3, DIRECT, Duration::from_secs(2 * 3600));
    assert_eq!(cluster.nodes[index].disconnected, [""; 0]);
    assert_eq!(cluster.server.workers()[0].unacknowledged, 0, "and nothing is kept for it");
    let bytes = cluster.nodes[index].arrived;
    assert!(bytes < 2 * 3600 / 5 * 2 * 2 * 20, "{bytes} bytes in two hours");
    cluster.work();
    assert_eq!(cluster.nodes[index].delivered.len(), 1);
}

#[test]
fn silence_both_ways_is_found_by_both_ends_after_fifteen_seconds() {
    for after in [Duration::ZERO, SECOND, 4 * SECOND, 7 * SECOND, 13 * SECOND] {
        let (mut cluster, index) = idle(1, DIRECT, after);
        (cluster.nodes[index].is_mute, cluster.nodes[index].server_is_mute) = (true, true);
        cluster.advance(9 * SECOND);
        assert_eq!((cluster.gone.len(), cluster.nodes[index].disconnected.len()), (0, 0));
        cluster.advance(7 * SECOND);
        assert_eq!(cluster.gone, [SILENT], "within 16 s of the silence's begin");
        assert_eq!(cluster.nodes[index].disconnected.len(), 1);
        assert_eq!(cluster.nodes[index].closed, None, "it looks for the server");
        cluster.come_back(index);
        cluster.settle();
        let node = &cluster.nodes[index];
        assert_eq!((node.was_reset.as_slice(), node.welcomed[1].resumed), ([NO].as_slice(), false));
        assert_eq!(node.inbox.iter().map(|job| job.attempt).collect::<Vec<_>>(), [Attempt(2)]);
    }
}

#[test]
fn a_worker_that_cannot_be_heard_is_found_by_both_ends() {
    for after in [Duration::ZERO, SECOND, 4 * SECOND, 7 * SECOND, 13 * SECOND] {
        let (mut cluster, index) = idle(2, INDIRECT, after);
        cluster.nodes[index].is_mute = true;
        cluster.advance(9 * SECOND);
        assert_eq!((cluster.gone.len(), cluster.nodes[index].disconnected.len()), (0, 0));
        cluster.advance(7 * SECOND);
        assert_eq!((cluster.gone.as_slice(), cluster.away.len()), ([SILENT.to_owned()].as_slice(), 0));
        assert_eq!(cluster.nodes[index].disconnected.len(), 1, "it was told");
        cluster.come_back(index);
        cluster.work();
        assert_eq!(cluster.nodes[index].was_reset, [NO]);
        assert_eq!(cluster.nodes[index].closed, None);
    }
}

#[test]
fn a_server_that_cannot_be_heard_is_found_by_both_ends_and_the_session_goes_on() {
    for after in [Duration::ZERO, SECOND, 4 * SECOND, 7 * SECOND, 13 * SECOND] {
        let (mut cluster, index) = idle(3, INDIRECT, after);
        cluster.nodes[index].server_is_mute = true;
        cluster.advance(9 * SECOND);
        assert_eq!((cluster.away.len(), cluster.nodes[index].disconnected.len()), (0, 0));
        cluster.advance(7 * SECOND);
        assert_eq!((cluster.away.as_slice(), cluster.gone.len()), ([SILENT.to_owned()].as_slice(), 0));
        assert_eq!(cluster.nodes[index].disconnected.len(), 1);
        cluster.come_back(index);
        cluster.work();
        let node = &cluster.nodes[index];
        assert_eq!((node.was_reset.len(), node.welcomed[1].resumed, node.delivered.len()), (0, true, 1));
    }
}

#[test]
fn a_server_whose_questions_alone_are_lost_is_found_too() {
    // The worker hears nothing that matters, but for a trickle of bytes that is no answer: half a frame, byte by byte.
    let (mut cluster, index) = idle(3, INDIRECT, SECOND);
    cluster.nodes[index].server_is_mute = true;
    let header = [200u8, 0, 0, 0, 1, 2, 3, 4, 0x20, 0, 1, 0];
    for second in 0..22 {
        let byte = header.get(second).copied().unwrap_or_default();
        if cluster.nodes[index].is_open {
            cluster.nodes[index].down.push_back(byte);
        }
        cluster.advance(SECOND);
    }
    assert_eq!(cluster.nodes[index].disconnected.len(), 1, "bytes are no answer");
}

#[test]
fn a_worker_that_cannot_be_heard_is_found_while_jobs_flow_to_it() {
    let (mut cluster, index) = idle(3, INDIRECT, SECOND);
    cluster.chunk = 10_000;
    cluster.nodes[index].is_mute = true;
    let channel = cluster.channel("more");
    cluster.send(channel, b"");
    cluster.send(distchan_proto::ids::ChannelId(0), &vec![7; 300_000]);
    cluster.settle_slowly(index, (0, 10_000), 16);
    assert_eq!(cluster.gone, [SILENT], "the server hears nothing");
    assert_eq!(cluster.nodes[index].disconnected.len(), 0, "the worker hears that the server gets on");
    cluster.settle_slowly(index, (0, 10_000), 30);
    assert_eq!(cluster.nodes[index].disconnected.len(), 1, "its goodbye has arrived");
}

#[test]
fn who_has_given_up_a_connection_that_takes_nothing_more_does_not_ask_for_its_timer_again_and_again() {
    let (mut cluster, index) = idle(3, INDIRECT, SECOND);
    let machine = &mut cluster.nodes[index].machine;
    let mut calls = 0;
    while let Some(time) = machine.poll_timeout() {
        machine.handle_timeout(time);
        calls += 1;
        assert!(calls < 100, "at {time:?} for ever");
    }
    assert!(machine.is_closing() && !machine.is_over());
}

#[test]
fn a_slow_line_that_gets_on_is_not_lost() {
    for (up, down) in [(16 * 1024, 16 * 1024), (16 * 1024, 2 * 1024), (2 * 1024, 16 * 1024)] {
        let mut cluster = Cluster::new(5);
        cluster.chunk = 10_000;
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        let size = 600_000;
        let job = vec![1; if down < up { 0 } else { size }];
        cluster.send(channel, &job);
        cluster.settle_slowly(index, (up, down), 200);
        let job = cluster.nodes[index].take_jobs().remove(0);
        let result = vec![2; if up < down { 0 } else { size }];
        cluster.nodes[index].end(&job, Kind::Last, &result);
        cluster.settle_slowly(index, (up, down), 200);
        assert_eq!((cluster.away.len(), cluster.gone.len()), (0, 0), "{up} {down}");
        assert_eq!(cluster.nodes[index].disconnected.len(), 0);
        assert_eq!(cluster.seen(channel)[0].results[0].len(), result.len());
    }
}

impl Cluster {
    /// Lets seconds pass in each of which only so many bytes arrive, up and down.
    fn settle_slowly(&mut self, index: usize, rate: (usize, usize), seconds: u32) {
        for _ in 0..seconds {
            self.nodes[index].budget = Some(rate);
            self.advance(SECOND);
        }
        self.nodes[index].budget = None;
    }
}

#[test]
fn when_both_sides_slept_nobody_is_lost() {
    let (mut cluster, index) = idle(1, DIRECT, 7 * SECOND);
    for nap in [16, 60, 3600, 100_000] {
        cluster.sleep(cluster.now + nap * SECOND);
        cluster.advance(20 * SECOND);
        assert_eq!((cluster.gone.len(), cluster.nodes[index].disconnected.len()), (0, 0), "after {nap} s");
    }
    cluster.work();
    assert_eq!(cluster.nodes[index].delivered.len(), 1);
}

#[test]
fn a_worker_that_is_stopped_for_a_while_is_forgiven_and_for_longer_begins_anew() {
    for (nap, is_lost) in [(8, false), (60, true), (1000, true)] {
        let (mut cluster, index) = idle(1, DIRECT, 7 * SECOND);
        cluster.nodes[index].after = After::Reconnects;
        cluster.nodes[index].is_stopped = true;
        cluster.advance(nap * SECOND);
        assert_eq!(cluster.gone.len(), usize::from(is_lost));
        cluster.nodes[index].is_stopped = false;
        cluster.advance(20 * SECOND);
        let node = &cluster.nodes[index];
        assert_eq!((node.was_reset.len(), node.closed.as_ref()), (usize::from(is_lost), None));
        assert_eq!(node.delivered.len(), 1 + usize::from(is_lost));
        assert_eq!(cluster.server.workers().len(), 1);
    }
}

#[test]
fn a_server_that_was_stopped_loses_nobody() {
    for nap in [8, 60, 1000] {
        let (mut cluster, index) = idle(1, INDIRECT, 7 * SECOND);
        cluster.is_stopped = true;
        cluster.advance(nap * SECOND);
        cluster.is_stopped = false;
        cluster.settle();
        assert_eq!(cluster.gone.len(), 0);
        if nap > 20 {
            assert_eq!(cluster.nodes[index].disconnected.len(), 1, "the worker looks for it");
            cluster.come_back(index);
        }
        cluster.advance(20 * SECOND);
        assert_eq!(cluster.nodes[index].was_reset, []);
        cluster.work();
        assert_eq!((cluster.gone.len(), cluster.nodes[index].delivered.len()), (0, 1));
    }
}

#[test]
fn questions_do_not_pile_up_before_a_transport_that_is_stuck() {
    let rhythm = ServerConfig { heartbeat: 100 * TICK, lost_after: 100 * SECOND, ..config(7) };
    let mut cluster = Cluster::with(1, rhythm);
    cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    for _ in 0..900 {
        cluster.now = cluster.now + 100 * TICK;
        cluster.server.handle_timeout(cluster.now);
        cluster.nodes[index].machine.handle_timeout(cluster.now);
    }
    cluster.drain();
    let connection = cluster.nodes[index].connection;
    let down = cluster.server.poll_transmit(cluster.now, connection).unwrap().into_bytes();
    let up = cluster.nodes[index].machine.poll_transmit(cluster.now).unwrap().into_bytes();
    assert!(down.len() < 100 && up.len() < 100, "{} {}", down.len(), up.len());
    cluster.nodes[index].down.extend(down);
    cluster.nodes[index].up.extend(up);
    cluster.advance(300 * SECOND);
    assert_eq!((cluster.gone.len(), cluster.nodes[index].disconnected.len()), (0, 0));
}

#[test]
fn an_impossible_rhythm_is_bent_the_same_way_by_both_ends() {
    let never = ServerConfig { heartbeat: Duration::MAX, lost_after: Duration::MAX, ..config(7) };
    let always = ServerConfig { heartbeat: Duration::ZERO, lost_after: Duration::ZERO, ..config(7) };
    let odd = ServerConfig { heartbeat: 5 * SECOND, lost_after: SECOND, ..config(7) };
    for config in [never, always, odd] {
        let heartbeat = config.heartbeat;
        let mut cluster = Cluster::with(1, config);
        cluster.channel("work");
        let index = cluster.join_over(DIRECT);
        cluster.advance(100 * SECOND);
        assert_eq!((cluster.gone.len(), cluster.nodes[index].disconnected.len()), (0, 0), "{heartbeat:?}");
        let (server, worker) = (cluster.server.poll_timeout(), cluster.nodes[index].machine.poll_timeout());
        assert!(server > Some(cluster.now) && worker > Some(Time::ZERO));
    }
}
