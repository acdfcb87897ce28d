//! Workers that go politely: they finish what they can, hand back the rest, and nothing is counted against anyone.

use distchan_proto::error::Code;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, spec};

#[test]
fn a_worker_that_leaves_still_sends_its_answers_and_hands_back_the_rest() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(2, "work");
        (0..8u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.settle();
        let jobs = cluster.nodes[0].take_jobs();
        for job in &jobs[..2] {
            cluster.nodes[0].complete(job, &[&job.bytes]);
        }
        cluster.nodes[0].leave(NO);
        cluster.settle();
        assert_eq!(cluster.seen(channel).len(), 2);
        assert_eq!(cluster.nodes[1].inbox.len(), 6);
        assert_eq!(cluster.nodes[0].closed, None, "its connection goes on");
        assert_eq!(cluster.server.stats(channel).workers, 1);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 8);
    }
}

#[test]
fn a_worker_that_drains_keeps_what_it_has_and_gets_no_more() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        for _ in 0..2 {
            let index = cluster.connect();
            let options = OpenOptions { max_bytes: 2, ..OpenOptions::default() };
            cluster.nodes[index].machine.open(spec("work"), options).unwrap();
            cluster.settle();
        }
        (0..20u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.steps(usize::try_from(seed).unwrap());
        cluster.nodes[0].machine.drain(NO);
        cluster.settle();
        let kept = cluster.nodes[0].inbox.len();
        assert!(kept <= 2, "what was only placed with it goes to others: {kept}");
        cluster.nodes[0].echo();
        cluster.settle();
        assert_eq!(cluster.nodes[0].inbox.len(), 0);
        cluster.close(channel);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 20);
        assert_eq!(cluster.server.stats(channel).redelivered, 0, "nothing was done twice");
        assert_eq!(cluster.nodes[0].finished, [NO], "it is still told the end");
        cluster.nodes[0].close();
        cluster.settle();
        assert_eq!(cluster.nodes[0].closed.as_ref().unwrap().0, Code::Normal);
    }
}

#[test]
fn a_worker_that_closes_is_told_that_everything_was_taken() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(2, "work");
        (0..8u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.settle();
        let jobs = cluster.nodes[0].take_jobs();
        for job in &jobs[..3] {
            cluster.nodes[0].complete(job, &[&job.bytes]);
        }
        cluster.nodes[0].close();
        assert!(cluster.nodes[0].machine.open(spec("other"), OpenOptions::default()).is_none());
        while cluster.nodes[0].closed.is_none() {
            assert!(cluster.steps(1), "stuck");
        }
        assert_eq!(cluster.nodes[0].closed.as_ref().unwrap().0, Code::Normal);
        assert_eq!(cluster.seen(channel).len(), 3, "by then the server has its answers");
        cluster.settle();
        assert_eq!(cluster.gone.len(), 1);
        assert!(!cluster.nodes[0].is_open && !cluster.nodes[0].server_is_open);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 8);
    }
}

#[test]
fn a_worker_that_closes_before_the_handshake_is_done_says_goodbye_after_it() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let index = cluster.connect();
        cluster.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap();
        cluster.nodes[index].machine.close();
        cluster.settle();
        assert_eq!(cluster.nodes[index].closed.as_ref().unwrap().0, Code::Normal);
    }
}
