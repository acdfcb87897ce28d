//! What becomes of a worker whose connection broke: how long its jobs stay with it, and what it is told when that was too long.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo};
use distchan_proto::server::{Loss, ServerConfig};
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, config, spec};
use crate::links::{DIRECT, FOREIGN, INDIRECT};
use crate::node::{After, Welcomed};

const TICK: Duration = Duration::from_millis(1);
const GRACE: Duration = Duration::from_secs(30);

#[test]
fn a_worker_that_is_away_keeps_its_jobs_and_gets_no_new_ones() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let away = cluster.join_over(INDIRECT);
        (0..2).for_each(|_| cluster.send(channel, b"a"));
        cluster.settle();
        let old = cluster.nodes[away].inbox.len();
        assert_eq!(old, 2);
        cluster.lose(away, Loss::Broken);
        assert_eq!((cluster.away.as_slice(), cluster.gone.len()), (["cut".to_owned()].as_slice(), 0));
        let worker = &cluster.server.workers()[0];
        assert_eq!((worker.connection, worker.in_flight), (None, 2));
        let here = cluster.join_over(INDIRECT);
        (0..6).for_each(|_| cluster.send(channel, b"b"));
        cluster.advance(GRACE - TICK);
        assert_eq!(cluster.nodes[here].inbox.len(), 6);
        assert!(cluster.nodes[here].inbox.iter().all(|job| job.bytes == b"b"));
        cluster.come_back(away);
        cluster.work();
        assert_eq!((cluster.gone.len(), cluster.back), (0, 1));
        assert_eq!(cluster.nodes[away].was_reset, []);
        assert_eq!(cluster.nodes[away].delivered.len(), 2);
        assert_eq!(cluster.seen(channel).len(), 8);
        assert_eq!(cluster.server.stats(channel).redelivered, 0);
        cluster.send(channel, b"c");
        cluster.send(channel, b"c");
        cluster.work();
        assert!(cluster.nodes[away].delivered.len() > 2, "who is back gets new jobs");
    }
}

#[test]
fn after_the_grace_period_the_session_is_over_and_its_late_answers_are_refused() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let late = cluster.join_over(INDIRECT);
        (0..4).for_each(|_| cluster.send(channel, b"a"));
        cluster.settle();
        let old = cluster.nodes[late].inbox.clone();
        let other = cluster.join_over(INDIRECT);
        cluster.lose(late, Loss::Broken);
        cluster.nodes[late].echo();
        cluster.advance(GRACE - TICK);
        assert_eq!(cluster.gone.len(), 0);
        cluster.advance(TICK);
        assert_eq!(cluster.gone, ["its connection broke, and it did not come back in time"]);
        let again: Vec<_> = cluster.nodes[other].inbox.iter().map(|job| job.attempt).collect();
        assert_eq!(again, vec![Attempt(2); old.len()]);
        cluster.come_back(late);
        cluster.settle();
        let node = &cluster.nodes[late];
        assert_eq!((node.was_reset.as_slice(), node.closed.as_ref()), ([NO].as_slice(), None));
        let last = *node.welcomed.last().unwrap();
        assert_eq!((last.resumed, last.epoch), (false, 7));
        assert_ne!(last.session, node.welcomed[0].session);
        assert!(node.opened.contains_key(&NO), "the channel is asked for again");
        assert_eq!(cluster.seen(channel), []);
        for job in &old {
            cluster.nodes[late].complete(job, &[b"late"]);
        }
        cluster.settle();
        assert_eq!(cluster.server.stats(channel).refused_answers, old.len() as u64);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), old.len());
        assert!(cluster.seen(channel).iter().all(|outcome| outcome.results == [b"a!"]));
        cluster.nodes[other].close();
        cluster.settle();
        cluster.send(channel, b"c");
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), old.len() + 1, "it serves again");
    }
}

#[test]
fn how_a_connection_ended_and_over_what_route_says_whether_its_worker_may_come_back() {
    let twice_the_same = ("", "");
    for (routes, loss, comes_back) in [
        (DIRECT, Loss::Closed, false),
        (DIRECT, Loss::Broken, true),
        (DIRECT, Loss::Fault, false),
        (INDIRECT, Loss::Closed, true),
        (INDIRECT, Loss::Broken, true),
        (INDIRECT, Loss::Fault, false),
        (FOREIGN, Loss::Closed, false),
        (FOREIGN, Loss::Broken, false),
        (twice_the_same, Loss::Broken, false),
        (twice_the_same, Loss::Closed, false),
        ((INDIRECT.0, ""), Loss::Closed, true),
    ] {
        for grace in [GRACE, Duration::ZERO] {
            let mut cluster = Cluster::with(1, ServerConfig { grace, ..config(7) });
            let channel = cluster.channel("work");
            let index = cluster.join_over(routes);
            cluster.send(channel, b"a");
            cluster.settle();
            cluster.lose(index, loss);
            let is_gone = !comes_back || grace.is_zero();
            assert_eq!(cluster.gone.len(), usize::from(is_gone), "{routes:?} {loss:?}");
            assert_eq!(cluster.away.len(), usize::from(!is_gone));
            cluster.come_back(index);
            cluster.work();
            let node = &cluster.nodes[index];
            assert_eq!(node.welcomed[1].resumed, !is_gone);
            assert_eq!(node.was_reset.len(), usize::from(is_gone));
            assert_eq!(node.delivered.len(), 1 + usize::from(is_gone));
            assert_eq!(cluster.seen(channel).len(), 1);
        }
    }
}

#[test]
fn a_session_that_went_on_may_be_lost_and_found_any_number_of_times() {
    let mut cluster = Cluster::new(4);
    let channel = cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    for round in 0..50 {
        cluster.send(channel, &[round]);
        cluster.settle();
        cluster.lose(index, Loss::Closed);
        cluster.nodes[index].echo();
        cluster.advance(Duration::from_secs(29));
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.seen(channel).len(), usize::from(round) + 1);
    }
    let welcomed = &cluster.nodes[index].welcomed;
    let first = welcomed[0].session;
    assert!(welcomed[1..].iter().all(|one| *one == Welcomed { session: first, epoch: 7, resumed: true }));
    cluster.advance(GRACE * 3);
    assert_eq!((cluster.gone.len(), cluster.server.workers().len()), (0, 1), "it is here, and stays");
}

#[test]
fn a_server_that_shuts_down_waits_for_nobody_who_is_away() {
    let mut cluster = Cluster::new(2);
    let channel = cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    cluster.send(channel, b"a");
    cluster.settle();
    cluster.lose(index, Loss::Broken);
    cluster.server.shutdown();
    cluster.settle();
    assert_eq!(cluster.gone, ["the server shuts down"]);
    assert_eq!(cluster.server.workers(), []);
    cluster.come_back(index);
    cluster.settle();
    assert_eq!(cluster.nodes[index].closed, Some((Code::Shutdown, "the server shuts down".to_owned())));
    assert_eq!(cluster.server.poll_timeout(), None);
}

#[test]
fn a_channel_that_is_opened_while_its_worker_is_away_gives_it_no_jobs_before_it_is_back() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let nodes: Vec<usize> = (0..2).map(|_| cluster.connect_over(INDIRECT, After::Waits)).collect();
        for index in &nodes {
            cluster.nodes[*index].machine.open(spec("late"), OpenOptions::default()).unwrap();
        }
        cluster.settle();
        cluster.lose(nodes[0], Loss::Broken);
        let channel = cluster.channel("late");
        (0..6).for_each(|_| cluster.send(channel, b"a"));
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 6, "whoever is here does them all");
        cluster.come_back(nodes[0]);
        cluster.settle();
        assert_eq!(cluster.nodes[nodes[0]].opened.len(), 1);
        (0..20).for_each(|_| cluster.send(channel, b"b"));
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 26);
        assert!(!cluster.nodes[nodes[0]].delivered.is_empty(), "who is back takes part");
    }
}

#[test]
fn an_open_that_waits_goes_on_waiting_and_is_refused_in_time() {
    let mut cluster = Cluster::new(2);
    let index = cluster.connect_over(INDIRECT, After::Waits);
    let patient = OpenOptions { wait: Duration::from_secs(60), ..OpenOptions::default() };
    let nothing = cluster.nodes[index].machine.open(spec("nothing"), OpenOptions::default()).unwrap();
    let soon = cluster.nodes[index].machine.open(spec("soon"), patient).unwrap();
    cluster.settle();
    cluster.lose(index, Loss::Broken);
    cluster.advance(Duration::from_secs(20));
    cluster.come_back(index);
    cluster.settle();
    let node = &cluster.nodes[index];
    assert_eq!(
        node.refused.keys().collect::<Vec<_>>(),
        [&nothing],
        "its wait of 10 s ended while it was away"
    );
    assert_eq!(node.refused[&nothing].0, Code::UnknownChannel);
    cluster.channel("soon");
    cluster.settle();
    assert_eq!(cluster.nodes[index].opened.keys().collect::<Vec<_>>(), [&soon]);
}

#[test]
fn a_job_that_is_cancelled_while_its_worker_is_away_is_stopped_when_it_is_back() {
    let mut cluster = Cluster::new(2);
    let channel = cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    (0..2).for_each(|_| cluster.send(channel, b"a"));
    cluster.settle();
    let jobs = cluster.nodes[index].take_jobs();
    cluster.lose(index, Loss::Broken);
    cluster.server.cancel(cluster.now, channel, jobs[0].id);
    cluster.settle();
    assert_eq!(cluster.seen(channel).len(), 1);
    cluster.nodes[index].complete(&jobs[0], &[b"late"]);
    cluster.nodes[index].complete(&jobs[1], &[b"good"]);
    cluster.come_back(index);
    cluster.settle();
    assert_eq!(cluster.nodes[index].cancelled, [(jobs[0].id, jobs[0].attempt)]);
    let stats = cluster.server.stats(channel);
    assert_eq!((cluster.seen(channel).len(), stats.refused_answers, stats.completed), (2, 1, 1));
}

#[test]
fn what_was_left_or_drained_while_away_is_left_and_drained() {
    let mut cluster = Cluster::new(2);
    let (work, more) = (cluster.channel("work"), cluster.channel("more"));
    let index = cluster.join_over(INDIRECT);
    let second = cluster.nodes[index].machine.open(spec("more"), OpenOptions::default()).unwrap();
    assert_eq!(second, ChannelNo(2));
    for channel in [work, more] {
        cluster.send(channel, b"a");
    }
    cluster.settle();
    cluster.lose(index, Loss::Broken);
    cluster.nodes[index].machine.drain(NO);
    cluster.nodes[index].leave(second);
    cluster.come_back(index);
    cluster.settle();
    assert_eq!((cluster.server.stats(work).workers, cluster.server.stats(more).workers), (1, 0));
    for channel in [work, more] {
        cluster.send(channel, b"b");
    }
    cluster.nodes[index].inbox.retain(|job| job.no == NO);
    cluster.work();
    assert_eq!((cluster.seen(work).len(), cluster.seen(more).len()), (1, 0));
    let other = cluster.join_over(INDIRECT);
    cluster.nodes[other].machine.open(spec("more"), OpenOptions::default()).unwrap();
    cluster.work();
    assert_eq!((cluster.seen(work).len(), cluster.seen(more).len()), (2, 2));
    assert_eq!(cluster.server.stats(more).redelivered, 1, "what was in hand of the channel that was left");
}
