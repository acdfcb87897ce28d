//! A worker that closes while its connection is gone: nothing that it has said is lost silently.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::server::Loss;

use crate::harness::Cluster;
use crate::links::INDIRECT;
use crate::node::After;

const LOST: &str = "the session was lost before everything that was sent had arrived";

#[test]
fn a_worker_with_nothing_to_say_needs_no_connection_to_close() {
    let mut cluster = Cluster::new(1);
    let index = cluster.connect_over(INDIRECT, After::Waits);
    cluster.settle();
    cluster.lose(index, Loss::Broken);
    cluster.nodes[index].close();
    cluster.settle();
    assert_eq!(cluster.nodes[index].closed.as_ref().expect("closed").0, Code::Normal);
}

#[test]
fn a_worker_that_closes_with_jobs_in_hand_comes_back_to_give_them_to_others() {
    let mut cluster = Cluster::new(1);
    let channel = cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    cluster.send(channel, b"a");
    cluster.settle();
    let other = cluster.join_over(INDIRECT);
    cluster.lose(index, Loss::Broken);
    cluster.nodes[index].close();
    cluster.settle();
    assert_eq!(cluster.nodes[index].closed, None);
    cluster.come_back(index);
    cluster.settle();
    assert_eq!(cluster.nodes[index].closed.as_ref().expect("closed").0, Code::Normal);
    assert_eq!(cluster.nodes[other].inbox.len(), 1, "long before the grace period is over");
}

#[test]
fn answers_given_while_away_arrive_before_the_goodbye() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        (0..3).for_each(|_| cluster.send(channel, b"a"));
        cluster.settle();
        cluster.advance(Duration::from_secs(6));
        cluster.lose(index, Loss::Broken);
        cluster.nodes[index].echo();
        cluster.nodes[index].close();
        cluster.settle();
        assert_eq!(cluster.nodes[index].closed, None, "it has something to say");
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.nodes[index].closed.as_ref().unwrap().0, Code::Normal);
        assert_eq!(cluster.seen(channel).len(), 3);
        assert_eq!(cluster.gone, ["the worker has closed the connection"]);
    }
}

#[test]
fn a_worker_that_closes_and_comes_too_late_is_told_that_its_answers_did_not_count() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        (0..3).for_each(|_| cluster.send(channel, b"a"));
        cluster.settle();
        cluster.advance(Duration::from_secs(6));
        let is_sent = seed % 2 == 0;
        if is_sent {
            cluster.nodes[index].echo();
            assert!(cluster.worker_writes(index), "they leave, and are lost on the way");
        }
        cluster.lose(index, Loss::Broken);
        cluster.nodes[index].echo();
        cluster.nodes[index].close();
        cluster.advance(Duration::from_secs(31));
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.nodes[index].closed, Some((Code::Other, LOST.to_owned())), "sent: {is_sent}");
        assert_eq!(cluster.seen(channel), []);
        cluster.join_over(INDIRECT);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 3);
    }
}

#[test]
fn the_close_of_a_worker_whose_connection_breaks_during_it_is_certain_or_says_that_it_is_not() {
    for seed in 0..400 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        (0..3).for_each(|_| cluster.send(channel, b"a"));
        cluster.settle();
        cluster.nodes[index].echo();
        cluster.nodes[index].close();
        cluster.steps(usize::try_from(seed % 40).unwrap());
        if cluster.nodes[index].machine.is_over() {
            continue;
        }
        cluster.lose(index, if seed % 3 == 0 { Loss::Broken } else { Loss::Closed });
        if seed % 5 == 0 {
            cluster.advance(Duration::from_secs(31));
        }
        if !cluster.nodes[index].machine.is_over() {
            cluster.come_back(index);
        }
        cluster.settle();
        let (code, reason) = cluster.nodes[index].closed.clone().expect("closed");
        match code {
            Code::Normal => assert_eq!(cluster.seen(channel).len(), 3, "seed {seed}: {reason}"),
            _ => assert_eq!((code, reason.as_str()), (Code::Other, LOST), "seed {seed}"),
        }
    }
}
