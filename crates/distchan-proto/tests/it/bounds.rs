//! Every queue has a limit, and what was held back at a limit goes on when there is room again.

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::ids::{Attempt, ChannelId, JobId};
use distchan_proto::limits;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, spec};

const MIB: usize = 1 << 20;

/// A cluster whose bytes arrive in large pieces, and one channel.
fn roomy(seed: u64, options: ChannelOptions) -> (Cluster, ChannelId) {
    let mut cluster = Cluster::new(seed);
    cluster.chunk = 200_000;
    let channel = cluster.channel_with(spec("work"), options);
    (cluster, channel)
}

fn join_with(cluster: &mut Cluster, options: OpenOptions) {
    let index = cluster.connect();
    cluster.nodes[index].machine.open(spec("work"), options).unwrap();
    cluster.settle();
}

#[test]
fn a_worker_never_has_more_jobs_than_its_window_and_never_idles() {
    for seed in 0..20 {
        for (credit, max_jobs, most) in [(Some(3), 65_536, 3), (None, 5, 5), (Some(9), 2, 2), (Some(0), 9, 1)]
        {
            let (mut cluster, channel) = roomy(seed, ChannelOptions { credit, ..ChannelOptions::default() });
            join_with(&mut cluster, OpenOptions { max_jobs, ..OpenOptions::default() });
            (0..40).for_each(|_| cluster.send(channel, b"x"));
            while cluster.seen(channel).len() < 40 {
                cluster.settle();
                let left = 40 - cluster.seen(channel).len();
                assert_eq!(cluster.nodes[0].inbox.len(), left.min(most));
                let job = cluster.nodes[0].inbox.pop_front().unwrap();
                cluster.nodes[0].complete(&job, &[]);
                cluster.settle();
            }
        }
    }
}

#[test]
fn a_worker_never_has_more_bytes_than_it_said_but_for_one_job_and_never_idles() {
    for seed in 0..20 {
        for (max_bytes, most) in [(100, 2), (60, 1), (1, 1), (0, 1), (1000, 17)] {
            let (mut cluster, channel) = roomy(seed, ChannelOptions::default());
            join_with(&mut cluster, OpenOptions { max_bytes, ..OpenOptions::default() });
            (0..40).for_each(|_| cluster.send(channel, &[0; 60]));
            while cluster.seen(channel).len() < 40 {
                cluster.settle();
                assert!(!cluster.nodes[0].inbox.is_empty(), "idle with {max_bytes} bytes of room");
                assert!(cluster.nodes[0].inbox.len() <= most);
                cluster.nodes[0].echo();
                cluster.settle();
            }
        }
    }
}

#[test]
fn a_worker_that_does_not_read_holds_up_nobody() {
    for seed in 0..10 {
        let (mut cluster, channel) = roomy(seed, ChannelOptions::default());
        cluster.join(3, "work");
        cluster.nodes[0].reads = false;
        (0..200u8).for_each(|value| cluster.send(channel, &vec![value; 5000]));
        cluster.work();
        let stuck = cluster.server.stats(channel).in_flight + cluster.server.stats(channel).queued;
        assert_eq!(cluster.seen(channel).len() as u64 + stuck, 200);
        assert!(stuck <= 16, "what it holds is one window: {stuck}");
        cluster.nodes[0].reads = true;
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 200);
    }
}

#[test]
fn results_that_nobody_reads_pause_the_dispatch_and_withheld_credit_is_paid_later() {
    let (mut cluster, channel) = roomy(1, ChannelOptions::default());
    cluster.join(2, "work");
    cluster.consumes = false;
    (0..100).for_each(|_| cluster.send(channel, b""));
    cluster.close(channel);
    let big = vec![7; 4 * MIB];
    let mut done = 0;
    loop {
        cluster.settle();
        let Some(index) = (0..2).find(|index| !cluster.nodes[*index].inbox.is_empty()) else {
            break;
        };
        let job = cluster.nodes[index].inbox.pop_front().unwrap();
        cluster.nodes[index].complete(&job, &[&big]);
        done += 1;
    }
    let unread = cluster.server.stats(channel).unread_bytes;
    assert!(unread >= limits::MAX_UNREAD_RESULTS, "{unread}");
    let most = limits::MAX_UNREAD_RESULTS + 2 * (limits::ANSWER_WINDOW + 5 * MIB as u64);
    assert!(unread <= most, "{unread} bytes unread, at most {most}");
    assert!(done < 100 && !cluster.server.is_hungry(channel), "no further jobs are given out");
    assert!(cluster.nodes[0].held_back() + cluster.nodes[1].held_back() > 0, "answers wait at the workers");
    cluster.consumes = true;
    cluster.consume_all();
    cluster.work();
    assert_eq!(cluster.seen(channel).len(), 100);
    assert_eq!(cluster.finished, [channel]);
    assert_eq!(cluster.refused, []);
}

#[test]
fn workers_that_come_while_credit_is_withheld_wait_like_the_others() {
    let (mut cluster, _) = roomy(1, ChannelOptions::default());
    let up = ChannelSpec { direction: Direction::Up, ..spec("up") };
    let channel = cluster.channel_with(up.clone(), ChannelOptions::default());
    cluster.consumes = false;
    let enter = |cluster: &mut Cluster| {
        let index = cluster.connect();
        cluster.nodes[index].machine.open(up.clone(), OpenOptions::default()).unwrap();
        cluster.settle();
        index
    };
    let value = || {
        let mut batch = OpenBatch::default();
        batch.payload.own().resize(8 * MIB, 1);
        batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
        batch.take()
    };
    let first = enter(&mut cluster);
    (0..20).for_each(|_| cluster.nodes[first].answer(NO, value()));
    cluster.settle();
    let arrived = cluster.values.len();
    assert!((2..=4).contains(&arrived), "{arrived}");
    let second = enter(&mut cluster);
    cluster.nodes[second].answer(NO, value());
    cluster.settle();
    assert_eq!(cluster.values.len(), arrived, "coming again and again fills no memory");
    assert!(cluster.server.stats(channel).unread_bytes >= limits::MAX_UNREAD_RESULTS);
    cluster.consumes = true;
    cluster.consume_all();
    cluster.settle();
    assert_eq!(cluster.values.len(), 21);
}

#[test]
fn an_ordered_channel_goes_on_when_its_oldest_job_comes_back_while_results_pile_up() {
    let (mut cluster, channel) = roomy(1, ChannelOptions { ordered: true, ..ChannelOptions::default() });
    cluster.join(2, "work");
    (0..12).for_each(|_| cluster.send(channel, b""));
    cluster.close(channel);
    cluster.settle();
    let big = vec![7; 12 * MIB];
    for job in cluster.nodes[1].take_jobs() {
        cluster.nodes[1].complete(&job, &[&big]);
    }
    cluster.settle();
    assert!(cluster.server.stats(channel).held_bytes >= limits::MAX_UNREAD_RESULTS);
    cluster.cut(0);
    cluster.work();
    let jobs: Vec<u64> = cluster.seen(channel).iter().map(|outcome| outcome.job.0).collect();
    assert_eq!(jobs, (1..=12).collect::<Vec<_>>(), "the job that all wait for is given out");
    assert_eq!(cluster.finished, [channel]);
}

#[test]
fn results_that_are_held_for_their_job_are_counted_even_where_they_are_empty() {
    let (mut cluster, channel) = roomy(1, ChannelOptions::default());
    cluster.join(1, "work");
    cluster.send(channel, b"");
    cluster.settle();
    let job = cluster.nodes[0].take_jobs().remove(0);
    let mut batch = OpenBatch::default();
    for _ in 0..1000 {
        batch.push(Kind::Result, job.id, job.attempt, 0);
    }
    cluster.nodes[0].answer(NO, batch.take());
    cluster.settle();
    assert_eq!(cluster.server.stats(channel).held_bytes, 1000 * limits::ENTRY_COST);
    cluster.nodes[0].end(&job, Kind::Done, b"");
    cluster.settle();
    assert_eq!(cluster.server.stats(channel).held_bytes, 0);
    assert_eq!(cluster.seen(channel)[0].results.len(), 1000);
}

#[test]
fn a_job_that_sends_more_results_than_are_kept_fails() {
    let (mut cluster, channel) = roomy(1, ChannelOptions::default());
    cluster.join(1, "work");
    cluster.send(channel, b"");
    cluster.settle();
    let job = cluster.nodes[0].take_jobs().remove(0);
    let big = vec![7; 14 * MIB];
    for _ in 0..5 {
        cluster.nodes[0].end(&job, Kind::Result, &big);
        cluster.settle();
    }
    assert_eq!(cluster.server.stats(channel).held_bytes, 0, "none of them will ever be seen");
    assert_eq!(
        cluster.server.stats(channel).in_flight,
        1,
        "the worker does not know, and still has the job in hand"
    );
    cluster.nodes[0].end(&job, Kind::Done, b"");
    cluster.settle();
    assert_eq!(cluster.seen(channel).len(), 1);
    assert_eq!(cluster.seen(channel)[0].failure.as_deref(), Some("its results exceed 67108864 bytes"));
    assert_eq!(cluster.server.stats(channel).failed, 1);
}
