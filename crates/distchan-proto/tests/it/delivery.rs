//! Jobs go out in turn and in order; results come back whole, once, and in order where that was asked for; closing means done.

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::limits;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, spec};
use crate::node::Node;

#[test]
fn jobs_come_to_one_worker_in_order() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(1, "work");
        for value in 0..100 {
            cluster.send(channel, format!("{value}").as_bytes());
        }
        let mut got = Vec::new();
        while got.len() < 100 {
            cluster.settle();
            assert!(!cluster.nodes[0].inbox.is_empty());
            got.extend(
                cluster.nodes[0].inbox.iter().map(|job| String::from_utf8(job.bytes.clone()).unwrap()),
            );
            cluster.nodes[0].echo();
        }
        assert!(got.iter().enumerate().all(|(index, value)| *value == index.to_string()));
        cluster.settle();
        assert!(
            cluster
                .seen(channel)
                .iter()
                .enumerate()
                .all(|(index, outcome)| outcome.job.0 == index as u64 + 1)
        );
    }
}

#[test]
fn a_hundred_jobs_over_ten_workers_are_dealt_like_cards() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(10, "work");
        for value in 0..100u8 {
            cluster.send(channel, &[value]);
        }
        cluster.settle();
        for (index, node) in cluster.nodes.iter().enumerate() {
            let got: Vec<usize> = node.inbox.iter().map(|job| usize::from(job.bytes[0])).collect();
            assert_eq!(got, (0..100).filter(|value| value % 10 == index).collect::<Vec<_>>());
        }
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 100);
    }
}

#[test]
fn a_job_has_any_number_of_results_and_they_come_whole() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(1, "work");
        (0..6).for_each(|_| cluster.send(channel, b""));
        cluster.settle();
        for (count, job) in cluster.nodes[0].take_jobs().iter().enumerate() {
            let results: Vec<Vec<u8>> = (0..count).map(|index| vec![index.to_le_bytes()[0]; index]).collect();
            let results: Vec<&[u8]> = results.iter().map(Vec::as_slice).collect();
            cluster.nodes[0].complete(job, &results);
        }
        cluster.settle();
        let seen: Vec<usize> = cluster.seen(channel).iter().map(|outcome| outcome.results.len()).collect();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        let last = &cluster.seen(channel)[5].results;
        assert!(
            last.iter().enumerate().all(|(index, result)| *result == vec![index.to_le_bytes()[0]; index])
        );
    }
}

#[test]
fn a_jobs_results_are_invisible_until_it_is_completed() {
    for (seed, ordered) in (0..20).zip([true, false].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel =
            cluster.channel_with(spec("work"), ChannelOptions { ordered, ..ChannelOptions::default() });
        cluster.join(1, "work");
        (0..3).for_each(|_| cluster.send(channel, b""));
        cluster.settle();
        let jobs = cluster.nodes[0].take_jobs();
        for result in [b"a", b"b", b"c"] {
            for job in &jobs {
                cluster.nodes[0].end(job, Kind::Result, result);
                cluster.settle();
            }
        }
        assert_eq!(cluster.seen(channel), []);
        assert_eq!(cluster.server.stats(channel).held_bytes, 9 * (1 + limits::ENTRY_COST));
        cluster.nodes[0].end(&jobs[0], Kind::Done, b"");
        cluster.nodes[0].end(&jobs[1], Kind::Last, b"d");
        cluster.nodes[0].end(&jobs[2], Kind::Failed, b"no disk");
        cluster.settle();
        let seen: Vec<_> =
            cluster.seen(channel).iter().map(|o| (o.results.concat(), o.failure.clone())).collect();
        let expected =
            [(b"abc".to_vec(), None), (b"abcd".to_vec(), None), (vec![], Some("no disk".to_owned()))];
        assert_eq!(seen, expected, "the results of a failed job never show");
        assert_eq!(cluster.server.stats(channel).held_bytes, 0);
        assert_eq!((cluster.server.stats(channel).completed, cluster.server.stats(channel).failed), (2, 1));
    }
}

#[test]
fn a_run_of_jobs_is_completed_by_one_entry_across_sinks() {
    for (seed, ordered) in (0..20).zip([true, false].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel =
            cluster.channel_with(spec("work"), ChannelOptions { ordered, ..ChannelOptions::default() });
        cluster.join(1, "work");
        (1..=10).for_each(|job| cluster.send_to(channel, SinkId(u32::from(job >= 5)), b""));
        cluster.settle();
        let first = cluster.nodes[0].take_jobs()[0].clone();
        let mut batch = OpenBatch::default();
        batch.push(Kind::Done, first.id, first.attempt, 9);
        cluster.nodes[0].answer(NO, batch.take());
        cluster.settle();
        let jobs =
            |sink| cluster.outcomes[&(channel, SinkId(sink))].iter().map(|o| o.job.0).collect::<Vec<_>>();
        assert_eq!(jobs(0), [1, 2, 3, 4]);
        assert_eq!(jobs(1), [5, 6, 7, 8, 9, 10]);
        assert_eq!(cluster.server.stats(channel).completed, 10);
    }
}

#[test]
fn an_ordered_channel_shows_results_in_the_order_of_the_jobs() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let options = ChannelOptions { ordered: true, ..ChannelOptions::default() };
        let channel = cluster.channel_with(spec("work"), options);
        cluster.join(4, "work");
        (0..40u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.settle();
        for index in [3, 1, 2] {
            cluster.nodes[index].echo();
            cluster.settle();
        }
        assert_eq!(cluster.seen(channel), [], "the first is not done");
        cluster.work();
        let values: Vec<u8> = cluster.seen(channel).iter().map(|outcome| outcome.results[0][0]).collect();
        assert_eq!(values, (0..40).collect::<Vec<u8>>());
    }
}

#[test]
fn values_flow_one_way_in_both_directions() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let (down, up) = (one_way("down", Direction::Down), one_way("up", Direction::Up));
        let down_id = cluster.channel_with(down.clone(), ChannelOptions::default());
        let up_id = cluster.channel_with(up.clone(), ChannelOptions::default());
        let index = cluster.connect();
        let down_no = cluster.nodes[index].machine.open(down, OpenOptions::default()).unwrap();
        let up_no = cluster.nodes[index].machine.open(up, OpenOptions::default()).unwrap();
        (0..5u8).for_each(|value| cluster.send(down_id, &[value]));
        cluster.close(down_id);
        cluster.nodes[index].answer(up_no, values(&[b"x", b"", b"yz"]));
        cluster.settle();
        assert_eq!(cluster.values, [b"x".to_vec(), b"".to_vec(), b"yz".to_vec()]);
        assert_eq!(cluster.server.stats(up_id).submitted, 3);
        for job in cluster.nodes[index].take_jobs() {
            cluster.nodes[index].end(&job, Kind::Done, b"");
        }
        cluster.settle();
        assert_eq!(cluster.nodes[index].finished, [down_no]);
        assert_eq!(cluster.seen(down_id), [], "a one-way channel has no receiver");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(3, "work");
        (0..30u8).for_each(|value| cluster.send(channel, &[value]));
        let mut bytes = Vec::new();
        for _ in 0..300 {
            cluster.steps(1);
            cluster.nodes.iter_mut().for_each(Node::echo);
            bytes.extend(cluster.nodes.iter().flat_map(|node| node.up.iter().chain(&node.down).copied()));
        }
        bytes
    };
    assert_eq!(run(7), run(7));
}

fn one_way(name: &str, direction: Direction) -> ChannelSpec {
    ChannelSpec { direction, ..spec(name) }
}

fn values(values: &[&[u8]]) -> Submission {
    let mut batch = OpenBatch::default();
    for value in values {
        batch.payload.own().extend_from_slice(value);
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
    }
    batch.take()
}
