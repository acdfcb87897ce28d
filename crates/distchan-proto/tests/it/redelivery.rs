//! Workers die and give back; every job still has one outcome.

use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::ids::{Attempt, JobId};
use distchan_proto::server::ChannelOptions;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, spec};
use crate::stranger::Stranger;
use crate::wire::{self, Second};

#[test]
fn a_dead_workers_jobs_go_to_others_at_once_and_what_it_sent_of_them_is_dropped() {
    for (seed, ordered) in (0..40).zip([true, false].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel =
            cluster.channel_with(spec("work"), ChannelOptions { ordered, ..ChannelOptions::default() });
        cluster.join(2, "work");
        (0..4u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.settle();
        let doomed = cluster.nodes[0].take_jobs();
        cluster.nodes[0].end(&doomed[0], Kind::Result, b"half");
        cluster.settle();
        cluster.nodes[0].end(&doomed[1], Kind::Last, b"on the way");
        cluster.steps(usize::try_from(seed).unwrap() % 5);
        cluster.cut(0);
        cluster.settle();
        let again: Vec<_> =
            cluster.nodes[1].inbox.iter().filter(|job| job.attempt == Attempt(2)).map(|job| job.id).collect();
        let redelivered = cluster.server.stats(channel).redelivered;
        assert!(again.contains(&doomed[0].id) && again.len() as u64 == redelivered, "{again:?}");
        cluster.work();
        let mut seen: Vec<_> = cluster.seen(channel).iter().map(|o| (o.job.0, o.results.len())).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(1, 1), (2, 1), (3, 1), (4, 1)], "one outcome each, and none of half a result");
        let first = cluster.seen(channel).iter().find(|outcome| outcome.job == doomed[0].id).unwrap();
        assert_eq!(first.results, [b"\0!"]);
    }
}

#[test]
fn a_connection_cut_at_any_point_loses_nothing() {
    for seed in 0..150 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        for _ in 0..2 {
            let index = cluster.connect();
            cluster.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap();
        }
        (0..20u8).for_each(|value| cluster.send(channel, &[value]));
        cluster.close(channel);
        for _ in 0..seed {
            cluster.steps(1);
            cluster.nodes[0].echo();
        }
        cluster.cut(0);
        cluster.work();
        let mut values: Vec<u8> = cluster.seen(channel).iter().map(|outcome| outcome.results[0][0]).collect();
        values.sort_unstable();
        assert_eq!(values, (0..20).collect::<Vec<u8>>(), "seed {seed}");
        assert_eq!(cluster.finished, [channel]);
        assert_eq!(cluster.server.stats(channel).refused_answers, 0, "nobody honest is refused");
    }
}

#[test]
fn a_late_answer_of_an_old_attempt_is_refused_and_counted() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        cluster.join(1, "work");
        cluster.send(channel, b"a");
        cluster.settle();
        let old = cluster.nodes[0].take_jobs().remove(0);
        cluster.nodes[0].end(&old, Kind::Returned, b"");
        cluster.settle();
        let new = cluster.nodes[0].take_jobs().remove(0);
        assert_eq!((new.id, new.attempt), (old.id, Attempt(2)));
        cluster.nodes[0].end(&old, Kind::Result, b"late");
        cluster.nodes[0].end(&old, Kind::Last, b"late");
        cluster.nodes[0].end(&old, Kind::Failed, b"late");
        cluster.nodes[0].end(&old, Kind::Returned, b"");
        cluster.settle();
        assert_eq!(cluster.seen(channel), []);
        assert_eq!(cluster.server.stats(channel).refused_answers, 4);
        cluster.nodes[0].complete(&new, &[b"good"]);
        cluster.nodes[0].complete(&new, &[b"twice"]);
        cluster.settle();
        assert_eq!(cluster.seen(channel).len(), 1);
        assert_eq!(cluster.seen(channel)[0].results, [b"good"]);
        assert_eq!(cluster.server.stats(channel).refused_answers, 5);
    }
}

#[test]
fn a_returned_run_goes_before_fresh_jobs_and_by_age() {
    let (mut stranger, channel) = Stranger::with_jobs(10);
    let returned =
        wire::batch(1, 1, &[(wire::RETURNED, 4, Second::Run(2)), (wire::RETURNED, 2, Second::Run(0))]);
    stranger.output.truncate(12);
    stranger.say(&returned);
    let frames = stranger.frames();
    assert_eq!(
        frames[0].body,
        wire::body(
            2,
            &[(2, b"2"), (4, b"4"), (5, b"5"), (6, b"6")].map(|(job, name)| (
                wire::VALUE,
                job,
                Second::Bytes(name)
            ))
        )
    );
    assert_eq!(stranger.server.stats(channel).redelivered, 4);
    stranger.say(&wire::batch(1, 1, &[(wire::DONE, 1, Second::Run(9))]));
    assert_eq!(stranger.server.stats(channel).refused_answers, 4, "the first attempt is over for those");
    assert_eq!(stranger.server.stats(channel).completed, 6);
    stranger.say(&wire::batch(1, 2, &[(wire::DONE, 1, Second::Run(9))]));
    assert_eq!(stranger.server.stats(channel).refused_answers, 14, "a run longer than all in hand is a lie");
    stranger.say(&wire::batch(1, 2, &[(wire::DONE, 2, Second::Run(0)), (wire::DONE, 4, Second::Run(2))]));
    assert_eq!(stranger.server.stats(channel).completed, 10);
}

#[test]
fn answers_of_one_batch_go_to_their_jobs_whatever_lies_between() {
    for (seed, ordered) in (0..20).zip([true, false].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let channel =
            cluster.channel_with(spec("work"), ChannelOptions { ordered, ..ChannelOptions::default() });
        cluster.join(1, "work");
        (0..4).for_each(|_| cluster.send(channel, b""));
        cluster.settle();
        cluster.nodes[0].take_jobs();
        let mut batch = OpenBatch::default();
        let mut push = |kind, job, payload: &[u8]| {
            batch.payload.own().extend_from_slice(payload);
            batch.push(kind, JobId(job), Attempt::FIRST, 0);
        };
        push(Kind::Result, 1, b"1a");
        push(Kind::Result, 9, b"no such job");
        push(Kind::Result, 2, b"2a");
        push(Kind::Last, 2, b"2b");
        push(Kind::Last, 2, b"twice");
        push(Kind::Result, 3, b"3a");
        push(Kind::Last, 1, b"1b");
        push(Kind::Done, 3, b"");
        push(Kind::Result, 4, b"4a");
        push(Kind::Failed, 4, b"why");
        cluster.nodes[0].answer(NO, batch.take());
        cluster.settle();
        let mut seen: Vec<_> = cluster.seen(channel).iter().map(|o| (o.job.0, o.results.concat())).collect();
        seen.sort();
        assert_eq!(seen, [(1, b"1a1b".to_vec()), (2, b"2a2b".to_vec()), (3, b"3a".to_vec()), (4, vec![])]);
        assert_eq!(cluster.server.stats(channel).refused_answers, 2);
    }
}
