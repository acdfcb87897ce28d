//! Values that workers send unasked have no attempts: each arrives exactly once, or the worker hears that some may be lost.

use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::schema::Schema;
use distchan_proto::server::{ChannelOptions, Loss};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::worker::OpenOptions;
use rand::RngExt;

use crate::harness::{Cluster, NO, config, spec};
use crate::links::INDIRECT;
use crate::node::After;

const OVER: Duration = Duration::from_secs(31);

fn up() -> ChannelSpec {
    ChannelSpec { direction: Direction::Up, result: Schema::of::<()>(false), ..spec("up") }
}

fn value(number: u32, size: usize) -> Submission {
    let mut batch = OpenBatch::default();
    batch.payload.own().extend_from_slice(&number.to_le_bytes());
    batch.payload.own().resize(4 + size, 9);
    batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
    batch.take()
}

fn sender(seed: u64) -> (Cluster, usize) {
    let mut cluster = Cluster::new(seed);
    cluster.channel_with(up(), ChannelOptions::default());
    let index = cluster.connect_over(INDIRECT, After::Waits);
    cluster.nodes[index].machine.open(up(), OpenOptions::default()).unwrap();
    cluster.settle();
    (cluster, index)
}

/// The numbers of the values that have arrived, in order.
fn arrived(cluster: &Cluster) -> Vec<u32> {
    let number = |value: &Vec<u8>| u32::from_le_bytes(value[..4].try_into().unwrap());
    cluster.values.iter().map(number).collect()
}

#[test]
fn values_that_are_cut_on_their_way_arrive_once_and_in_order() {
    for seed in 0..100 {
        let (mut cluster, index) = sender(seed);
        cluster.nodes[index].after = After::Reconnects;
        let size = if seed % 10 == 0 { 100_000 } else { 10 };
        cluster.chunk = cluster.chunk.max(size / 4);
        for number in 0..30 {
            let cut = cluster.rng.random_range(0..size * 3);
            cluster.nodes[index].fuses = [cut].into();
            cluster.nodes[index].answer(NO, value(number, size));
            let steps = cluster.rng.random_range(0..40);
            cluster.steps(steps);
        }
        cluster.settle();
        assert_eq!(arrived(&cluster), (0..30).collect::<Vec<_>>());
        assert_eq!(cluster.nodes[index].lost_values, []);
    }
}

#[test]
fn values_whose_arrival_is_not_known_when_the_session_is_lost_are_said_to_be_lost() {
    for has_arrived in [true, false] {
        let (mut cluster, index) = sender(1);
        cluster.nodes[index].answer(NO, value(0, 10));
        if has_arrived {
            cluster.settle();
        } else {
            assert!(cluster.worker_writes(index));
        }
        cluster.lose(index, Loss::Broken);
        cluster.advance(OVER);
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.nodes[index].lost_values, [NO], "nobody can tell");
        assert_eq!(arrived(&cluster).len(), usize::from(has_arrived));
        cluster.nodes[index].machine.submit(NO, value(1, 10));
        assert!(!cluster.nodes[index].machine.wants(NO), "the channel is closed");
        cluster.settle();
        assert_eq!(arrived(&cluster).len(), usize::from(has_arrived));
        assert_eq!(cluster.nodes[index].closed, None, "its other channels go on");
    }
}

#[test]
fn a_channel_whose_values_have_all_arrived_goes_on_in_a_new_session() {
    let (mut cluster, index) = sender(1);
    for round in 0..5 {
        cluster.nodes[index].answer(NO, value(2 * round, 10));
        cluster.settle();
        cluster.advance(Duration::from_secs(6));
        cluster.lose(index, Loss::Broken);
        cluster.nodes[index].answer(NO, value(2 * round + 1, 10));
        cluster.advance(OVER);
        cluster.come_back(index);
        cluster.settle();
        assert_eq!(cluster.nodes[index].lost_values, []);
    }
    assert_eq!(arrived(&cluster), (0..10).collect::<Vec<_>>());
    assert_eq!(cluster.gone.len(), 5);
}

#[test]
fn values_submitted_before_the_channel_is_open_again_are_sent_then() {
    let (mut cluster, index) = sender(1);
    cluster.lose(index, Loss::Broken);
    for number in 0..5 {
        cluster.nodes[index].machine.submit(NO, value(number, 10));
    }
    cluster.advance(OVER);
    cluster.restart(config(8));
    cluster.come_back(index);
    cluster.settle();
    cluster.nodes[index].machine.submit(NO, value(5, 10));
    cluster.nodes[index].machine.leave(NO);
    cluster.settle();
    cluster.channel_with(up(), ChannelOptions::default());
    cluster.settle();
    assert_eq!(arrived(&cluster), (0..6).collect::<Vec<_>>());
}

#[test]
fn whatever_happens_a_value_arrives_once_or_is_said_to_be_lost() {
    for seed in 0..400 {
        let (mut cluster, index) = sender(seed);
        let size = if seed % 10 == 0 { 100_000 } else { 10 };
        cluster.chunk = cluster.chunk.max(size / 3);
        cluster.consumes = seed % 3 != 0;
        let mut epoch = 7;
        let mut all = Vec::new();
        for number in 0..20 {
            cluster.nodes[index].answer(NO, value(number, size));
            let steps = cluster.rng.random_range(0..60);
            cluster.steps(steps);
            match cluster.rng.random_range(0..12) {
                0 => cluster.lose(index, Loss::Closed),
                1 => drop(cluster.abandon(index)),
                2 => {
                    cluster.lose(index, Loss::Broken);
                    cluster.advance(OVER);
                }
                3 => {
                    all.extend(arrived(&cluster));
                    epoch += 1;
                    cluster.restart(config(epoch));
                    cluster.channel_with(up(), ChannelOptions::default());
                }
                4 => cluster.advance(Duration::from_secs(6)),
                5 => cluster.consume_all(),
                _ => {}
            }
            if !cluster.nodes[index].is_open {
                cluster.come_back(index);
            }
        }
        cluster.consumes = true;
        cluster.consume_all();
        cluster.settle();
        all.extend(arrived(&cluster));
        assert!(all.is_sorted_by(|a, b| a < b), "seed {seed}: twice, or out of order: {all:?}");
        let is_whole = all.len() == 20;
        let node = &cluster.nodes[index];
        assert!(is_whole || node.lost_values == [NO], "seed {seed}: lost silently: {all:?}");
        assert_eq!(node.closed, None);
    }
}

#[test]
fn a_close_with_values_on_their_way_is_certain_or_says_that_it_is_not() {
    for seed in 0..300 {
        let (mut cluster, index) = sender(seed);
        let size = if seed % 10 < 2 { 100_000 } else { 10 };
        cluster.chunk = cluster.chunk.max(size / 3);
        (0..5).for_each(|number| cluster.nodes[index].answer(NO, value(number, size)));
        cluster.nodes[index].close();
        cluster.steps(usize::try_from(seed % 50).unwrap());
        if !cluster.nodes[index].machine.is_over() {
            cluster.lose(index, Loss::Broken);
            cluster.advance(if seed % 4 < 2 { OVER } else { Duration::ZERO });
            cluster.come_back(index);
        }
        cluster.settle();
        let code = cluster.nodes[index].closed.as_ref().expect("closed").0;
        let is_whole = arrived(&cluster) == (0..5).collect::<Vec<_>>();
        assert!(is_whole || code != distchan_proto::error::Code::Normal, "seed {seed}");
    }
}
