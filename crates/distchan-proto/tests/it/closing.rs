//! Closing means done: workers are told when every job has its outcome, and a closed receiver holds up nobody.

use distchan_proto::ids::SinkId;

use crate::harness::{Cluster, NO};

#[test]
fn with_no_workers_jobs_wait() {
    let mut cluster = Cluster::new(3);
    let channel = cluster.channel("work");
    (0..50u8).for_each(|value| cluster.send(channel, &[value]));
    cluster.settle();
    assert_eq!(cluster.server.stats(channel).submitted, 0, "nothing is taken that nobody wants");
    cluster.join(2, "work");
    cluster.work();
    assert_eq!(cluster.seen(channel).len(), 50);
}

#[test]
fn closing_tells_every_worker_once_every_job_has_its_outcome_and_not_before() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(3, "work");
        (0..7u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.close(channel);
        cluster.settle();
        for index in [0, 1] {
            cluster.nodes[index].echo();
            cluster.settle();
            assert!(cluster.finished.is_empty() && cluster.nodes.iter().all(|node| node.finished.is_empty()));
        }
        cluster.cut(2);
        cluster.settle();
        assert!(cluster.nodes.iter().all(|node| node.finished.is_empty()), "an idle worker takes over");
        cluster.work();
        assert_eq!(cluster.finished, [channel]);
        assert_eq!(cluster.seen(channel).len(), 7);
        assert!(cluster.nodes[..2].iter().all(|node| node.finished == [NO]));
        cluster.join(1, "work");
        assert_eq!(cluster.nodes[3].finished, [NO], "who comes later is told too");
    }
}

#[test]
fn an_empty_channel_that_is_closed_is_finished_at_once() {
    let mut cluster = Cluster::new(1);
    let channel = cluster.channel("work");
    cluster.close(channel);
    assert_eq!(cluster.finished, [channel]);
    cluster.join(1, "work");
    assert_eq!(cluster.nodes[0].finished, [NO]);
}

#[test]
fn results_for_a_closed_receiver_are_dropped_and_nothing_waits_for_it() {
    let mut cluster = Cluster::new(5);
    let channel = cluster.channel("work");
    cluster.join(1, "work");
    cluster.server.close_receiver(channel);
    (0..50).for_each(|_| cluster.send(channel, b"a"));
    cluster.send_to(channel, SinkId(9), b"call");
    cluster.close(channel);
    cluster.work();
    assert_eq!(cluster.seen(channel), []);
    assert_eq!(cluster.outcomes[&(channel, SinkId(9))].len(), 1, "calls have their own sinks");
    assert_eq!(cluster.server.stats(channel).unread_bytes, 0);
    assert_eq!(cluster.finished, [channel]);
}
