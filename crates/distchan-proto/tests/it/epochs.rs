//! A server that was started again: its workers come back by themselves, and nothing of the old run is taken for the new one.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelId, JobId};
use distchan_proto::server::{Loss, ServerConfig};
use rand::RngExt;

use crate::harness::{Cluster, NO, config, spec};
use crate::links::{DIRECT, FOREIGN, INDIRECT};
use crate::node::{After, Welcomed};

fn large(byte: u8) -> Vec<u8> {
    vec![byte; 150_000]
}

#[test]
fn a_worker_finds_a_restarted_server_and_serves_it() {
    for (seed, routes) in (0..30).zip([DIRECT, INDIRECT, FOREIGN].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.join_over(routes);
        (0..3).for_each(|_| cluster.send(channel, b"old"));
        cluster.settle();
        cluster.restart(config(8));
        cluster.nodes[index].after = After::Reconnects;
        cluster.settle();
        let node = &cluster.nodes[index];
        assert_eq!((node.was_reset.as_slice(), node.closed.as_ref()), ([NO].as_slice(), None));
        let first = node.welcomed[0].session;
        assert_eq!(
            node.welcomed[1],
            Welcomed { session: first, epoch: 8, resumed: false },
            "by chance the same"
        );
        assert!(node.opened.is_empty(), "its channels are not there yet");
        cluster.advance(Duration::from_secs(300));
        assert!(cluster.nodes[index].refused.is_empty(), "whoever served it waits for it");
        let channel = cluster.channel("work");
        (0..3).for_each(|_| cluster.send(channel, b"new"));
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 3);
        assert!(cluster.seen(channel).iter().all(|outcome| outcome.results == [b"new!"]));
        assert_eq!(cluster.server.stats(channel).refused_answers, 0);
    }
}

#[test]
fn no_stale_answer_completes_a_job_of_the_new_run() {
    for seed in 0..200 {
        let mut cluster = Cluster::new(seed);
        cluster.chunk = cluster.chunk.max(if seed % 10 == 1 { 50_000 } else { 1 });
        let is_large = seed % 10 == 1;
        let job = |run: u8| if is_large { large(run) } else { vec![run] };
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        (0..4).for_each(|_| cluster.send(channel, &job(1)));
        cluster.settle();
        // Answers on the way, half written, not yet written, and not yet given.
        let jobs = cluster.nodes[index].take_jobs();
        cluster.nodes[index].complete(&jobs[0], &[&jobs[0].bytes]);
        let steps = cluster.rng.random_range(0..12);
        cluster.steps(steps);
        if cluster.rng.random() {
            cluster.lose(index, Loss::Broken);
        }
        cluster.nodes[index].complete(&jobs[1], &[&jobs[1].bytes]);
        cluster.nodes[index].machine.started(NO, jobs[2].id, jobs[2].attempt);
        cluster.restart(config(8));
        cluster.nodes[index].complete(&jobs[2], &[&jobs[2].bytes]);
        let channel = cluster.channel("work");
        (0..4).for_each(|_| cluster.send(channel, &job(2)));
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.seen(channel), [], "seed {seed}: an answer of the old run");
        let node = &cluster.nodes[index];
        let ids: Vec<_> = node.inbox.iter().map(|job| (job.id, job.attempt)).collect();
        assert_eq!(ids[0], (JobId(1), Attempt::FIRST), "the numbers are the same");
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 4);
        let of_new_run = [&job(2)[..], b"!"].concat();
        assert!(cluster.seen(channel).iter().all(|outcome| outcome.results[0] == of_new_run));
        assert_eq!(cluster.server.stats(channel).refused_answers, 0);
    }
}

#[test]
fn nothing_of_a_job_that_was_half_received_is_joined_with_one_of_the_new_run() {
    for seed in 0..16 {
        let mut cluster = Cluster::new(seed);
        cluster.chunk = 20_000;
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        cluster.send(channel, &large(1));
        cluster.steps(4 + usize::try_from(seed).unwrap());
        cluster.restart(config(8));
        let channel = cluster.channel("work");
        cluster.send(channel, &large(2));
        cluster.come_back(index);
        cluster.work();
        assert!(cluster.seen(channel)[0].results[0][..150_000] == large(2));
    }
}

#[test]
fn what_changed_between_two_runs_is_said() {
    let mut cluster = Cluster::new(1);
    cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    cluster.restart(ServerConfig { signature: "other".into(), ..config(8) });
    cluster.come_back(index);
    cluster.settle();
    let (code, reason) = cluster.nodes[index].closed.clone().expect("closed");
    assert_eq!(code, Code::Signature);
    assert!(reason.contains("other"), "{reason}");
    let mut cluster = Cluster::new(1);
    cluster.channel("work");
    let index = cluster.join_over(INDIRECT);
    cluster.restart(config(8));
    let integers = distchan_proto::schema::Schema::of::<u64>(false);
    let other = distchan_proto::spec::ChannelSpec { job: integers, ..spec("work") };
    cluster.channel_with(other, Default::default());
    cluster.come_back(index);
    cluster.settle();
    assert_eq!(cluster.nodes[index].refused[&NO].0, Code::Types);
    assert_eq!(cluster.nodes[index].closed, None);
}

#[test]
fn a_server_that_restarts_again_and_again_ends_with_all_its_jobs_done() {
    for seed in 0..30 {
        let mut cluster = Cluster::new(seed);
        let nodes: Vec<usize> = {
            cluster.channel("work");
            (0..3).map(|_| cluster.join_over(INDIRECT)).collect()
        };
        for index in &nodes {
            cluster.nodes[*index].after = After::Reconnects;
        }
        let mut channel = ChannelId(0);
        for epoch in 8..16 {
            cluster.restart(config(epoch));
            channel = cluster.channel("work");
            (0..10u8).for_each(|value| cluster.send(channel, &[value]));
            let steps = cluster.rng.random_range(0..200);
            cluster.steps(steps);
            for index in &nodes {
                cluster.nodes[*index].echo();
            }
            cluster.steps(steps / 3);
        }
        cluster.close(channel);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 10);
        assert_eq!(cluster.finished, [channel]);
        let stats = cluster.server.stats(channel);
        assert_eq!((stats.redelivered, stats.refused_answers), (0, 0));
    }
}
