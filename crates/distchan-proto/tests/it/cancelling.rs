//! Jobs that nobody wants any more, from end to end: their workers are told, their places come free, and each has its outcome.

use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::batch::{Entry, Kind, Submission};
use distchan_proto::error::Code;
use distchan_proto::failure::{AttemptEnd, Ending};
use distchan_proto::ids::{Attempt, ChannelId, JobId, SinkId};
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::worker::{OpenOptions, WorkerEvent};

use crate::harness::{Cluster, NO, spec};
use crate::lying_server::lie_to_worker;
use crate::node::Job;
use crate::stranger::Stranger;
use crate::wire;

const SECOND: Duration = Duration::from_secs(1);

/// A cluster with one worker that takes four jobs at a time.
fn four_at_a_time(seed: u64, ordered: bool) -> (Cluster, ChannelId) {
    let mut cluster = Cluster::new(seed);
    let options = ChannelOptions { ordered, credit: Some(4), ..ChannelOptions::default() };
    let channel = cluster.channel_with(spec("work"), options);
    cluster.join(1, "work");
    (cluster, channel)
}

fn submit_timed(cluster: &mut Cluster, channel: ChannelId, values: &[&'static [u8]], left: Duration) {
    let mut end = 0;
    let mut entries = Vec::new();
    for value in values {
        end += u32::try_from(value.len()).unwrap();
        entries.push(Entry { job: JobId(0), attempt: Attempt::FIRST, end, extra: 0, kind: Kind::Value });
    }
    let deadlines = (0..u32::try_from(values.len()).unwrap()).map(|index| (index, left)).collect();
    let batch = Submission { payload: values.concat().into(), entries, deadlines, ..Submission::default() };
    cluster.server.submit(cluster.now, channel, batch);
    cluster.drain();
}

#[test]
fn a_worker_is_told_and_its_place_comes_free_with_its_answer() {
    for (seed, ordered) in (0..20).zip([true, false].into_iter().cycle()) {
        let (mut cluster, channel) = four_at_a_time(seed, ordered);
        (0..6).for_each(|value| cluster.send(channel, &[value]));
        cluster.close(channel);
        cluster.settle();
        let jobs = cluster.nodes[0].take_jobs();
        assert_eq!(jobs.len(), 4);
        for job in [2, 3, 2] {
            cluster.server.cancel(cluster.now, channel, JobId(job));
        }
        cluster.settle();
        assert_eq!(cluster.nodes[0].cancelled, [2, 3].map(|job| (JobId(job), Attempt(1))));
        assert_eq!(cluster.nodes[0].inbox.len(), 0, "its places are taken");
        cluster.nodes[0].end(&jobs[1], Kind::Returned, b"");
        cluster.nodes[0].complete(&jobs[2], &[b"too late"]);
        cluster.settle();
        assert_eq!(cluster.nodes[0].inbox.len(), 2);
        cluster.nodes[0].complete(&jobs[0], &[b"\0!"]);
        cluster.nodes[0].complete(&jobs[3], &[b"\x03!"]);
        cluster.work();
        let mut seen = cluster.seen(channel).to_vec();
        if ordered {
            assert!(seen.is_sorted_by_key(|outcome| outcome.job));
        }
        seen.sort_by_key(|outcome| outcome.job);
        for (outcome, job) in seen.iter().zip(1u8..) {
            assert_eq!(outcome.job, JobId(job.into()));
            if let 2 | 3 = job {
                let story = outcome.story.as_ref().expect("it was not completed");
                assert_eq!(
                    (story.ending, story.is_overdue, &story.value[..]),
                    (Ending::Cancelled, false, &[job - 1][..])
                );
                assert_eq!(story.attempts.last().map(|it| &it.end), Some(&AttemptEnd::Cancelled));
            } else {
                assert_eq!(outcome.results, [[job - 1, b'!']]);
            }
        }
        let stats = cluster.server.stats(channel);
        assert_eq!((stats.completed, stats.cancelled, stats.refused_answers, stats.revoked), (4, 2, 2, 0));
        assert_eq!(cluster.finished, [channel]);
        assert_eq!(cluster.nodes[0].machine.in_hand(), 0);
    }
}

#[test]
fn jobs_that_no_worker_has_are_cancelled_unseen_also_before_they_come() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        for job in [3, 4] {
            cluster.server.cancel(cluster.now, channel, JobId(job));
        }
        let connecting = cluster.connect();
        cluster.nodes[connecting].machine.open(spec("work"), OpenOptions::default()).unwrap();
        let batch = cluster_batch(&[b"a", b"b", b"c", b"d", b"e"]);
        cluster.server.submit(cluster.now, channel, batch);
        cluster.server.cancel(cluster.now, channel, JobId(1));
        cluster.drain();
        cluster.close(channel);
        let cancelled: Vec<_> = cluster.seen(channel).iter().map(|outcome| outcome.job.0).collect();
        assert_eq!(cancelled, [3, 4, 1]);
        assert!(cluster.seen(channel).iter().all(|it| it.story.as_ref().unwrap().attempts.is_empty()));
        cluster.settle();
        let taken: Vec<_> = cluster.nodes[0].inbox.iter().map(|job| job.id.0).collect();
        assert_eq!(taken, [2, 5]);
        assert_eq!(cluster.nodes[0].cancelled, []);
        cluster.work();
        assert_eq!((cluster.seen(channel).len(), cluster.finished.clone()), (5, vec![channel]));
    }
}

fn cluster_batch(values: &[&'static [u8]]) -> Submission {
    let entry = |end| Entry { job: JobId(0), attempt: Attempt::FIRST, end, extra: 0, kind: Kind::Value };
    Submission {
        payload: values.concat().into(),
        entries: (1..).take(values.len()).map(entry).collect(),
        ..Submission::default()
    }
}

#[test]
fn the_last_job_of_a_channel_can_be_cancelled_and_ends_it() {
    let mut cluster = Cluster::new(1);
    let channel = cluster.channel("work");
    cluster.server.submit(cluster.now, channel, cluster_batch(&[b"a", b"b"]));
    cluster.close(channel);
    cluster.server.cancel_sink(cluster.now, channel, SinkId(1));
    cluster.drain();
    assert_eq!(cluster.finished, []);
    cluster.server.cancel_sink(cluster.now, channel, SinkId::RECEIVER);
    cluster.drain();
    assert_eq!(cluster.finished, [channel]);
    assert_eq!(cluster.server.stats(channel).cancelled, 2);
}

#[test]
fn a_deadline_travels_with_its_job_and_ends_it_wherever_it_is() {
    for seed in 0..20 {
        let (mut cluster, channel) = four_at_a_time(seed, seed % 2 == 0);
        cluster.advance(SECOND);
        submit_timed(&mut cluster, channel, &[b"a", b"b", b"c", b"d", b"e"], 3 * SECOND);
        cluster.advance(SECOND);
        let jobs = cluster.nodes[0].take_jobs();
        assert_eq!(jobs.len(), 4);
        assert!(jobs.iter().all(|job| job.left == Some(3 * SECOND)), "{jobs:?}");
        cluster.nodes[0].complete(&jobs[0], &[b"in time"]);
        cluster.settle();
        let late = cluster.nodes[0].take_jobs().remove(0);
        assert_eq!(late.left, Some(2 * SECOND), "it came later");
        cluster.nodes[0].end(&late, Kind::Returned, b"");
        cluster.nodes[0].machine.drain(NO);
        cluster.advance(3 * SECOND);
        assert_eq!(cluster.nodes[0].cancelled.len(), 3);
        let seen = cluster.seen(channel);
        assert_eq!(seen.len(), 5);
        let overdue = seen.iter().filter_map(|outcome| outcome.story.as_ref());
        assert_eq!(overdue.filter(|it| it.is_overdue && it.ending == Ending::Cancelled).count(), 4);
        for job in &jobs[1..] {
            cluster.nodes[0].complete(job, &[b"too late"]);
        }
        cluster.settle();
        let stats = cluster.server.stats(channel);
        assert_eq!((stats.completed, stats.cancelled, stats.refused_answers, stats.revoked), (1, 4, 3, 0));
    }
}

#[test]
fn a_word_that_overtakes_a_large_job_is_heard_when_the_job_is_here() {
    for seed in 0..20 {
        let (mut cluster, channel) = four_at_a_time(seed, false);
        cluster.chunk = 1000;
        cluster.send(channel, &vec![7; 1 << 20]);
        while cluster.server.stats(channel).in_flight == 0 {
            assert!(cluster.step());
        }
        cluster.steps(usize::try_from(seed * 20).unwrap());
        cluster.server.cancel(cluster.now, channel, JobId(1));
        cluster.drain();
        while cluster.nodes[0].inbox.is_empty() {
            assert_eq!(cluster.nodes[0].cancelled, []);
            assert!(cluster.step(), "the job still comes");
        }
        cluster.settle();
        assert_eq!(cluster.nodes[0].cancelled, [(JobId(1), Attempt(1))]);
    }
}

#[test]
fn whoever_is_gone_is_not_told_and_whoever_is_there_can_be_told_much() {
    let mut cluster = Cluster::new(3);
    let channel = cluster
        .channel_with(spec("work"), ChannelOptions { credit: Some(12_000), ..ChannelOptions::default() });
    cluster.join(1, "work");
    cluster.chunk = 1_000_000;
    for _ in 0..3 {
        cluster.server.submit(cluster.now, channel, cluster_batch(&[b"x".as_slice(); 4000]));
    }
    cluster.settle();
    assert_eq!(cluster.nodes[0].inbox.len(), 12_000);
    let jobs = cluster.nodes[0].take_jobs();
    let even = jobs.iter().filter(|job| job.id.0 % 2 == 0);
    let entry = |job: &Job| Entry { job: job.id, attempt: job.attempt, end: 0, extra: 0, kind: Kind::Done };
    cluster.nodes[0].answer(NO, Submission { entries: even.map(entry).collect(), ..Submission::default() });
    cluster.settle();
    // No two of these are neighbours: a run each.
    cluster.server.cancel_sink(cluster.now, channel, SinkId::RECEIVER);
    cluster.settle();
    assert_eq!(cluster.nodes[0].closed, None);
    let told: Vec<_> = cluster.nodes[0].cancelled.iter().map(|(job, _)| job.0).collect();
    assert_eq!(told, (0..6000).map(|n| 2 * n + 1).collect::<Vec<_>>());
    cluster.cut(0);
    assert_eq!((cluster.server.stats(channel).revoked, cluster.server.stats(channel).cancelled), (0, 6000));
}

#[test]
fn jobs_without_results_can_be_cancelled_too() {
    let mut cluster = Cluster::new(5);
    let down = || ChannelSpec {
        direction: Direction::Down,
        result: distchan_proto::schema::Schema::of::<()>(false),
        ..spec("work")
    };
    let channel = cluster.channel_with(down(), ChannelOptions::default());
    let index = cluster.connect();
    cluster.nodes[index].machine.open(down(), OpenOptions::default()).unwrap();
    cluster.send(channel, b"x");
    cluster.close(channel);
    cluster.settle();
    cluster.server.cancel(cluster.now, channel, JobId(1));
    cluster.settle();
    assert_eq!(cluster.nodes[0].cancelled.len(), 1);
    assert_eq!((cluster.finished.clone(), cluster.server.stats(channel).unread_bytes), (vec![channel], 0));
}

#[test]
fn only_servers_set_deadlines_and_cancel() {
    let (mut stranger, _) = Stranger::with_jobs(1);
    let timed = [b"x".as_slice(), &[1, 16 | 6, 1, 50], &4u32.to_le_bytes()].concat();
    stranger.say(&wire::frame(wire::BATCH, 0, 1, &timed));
    assert_eq!(stranger.reason(), "unexpected entry in this direction");

    let options = OpenOptions::default();
    let (events, is_closing) = lie_to_worker(&wire::frame(wire::BATCH, 0, 1, &timed), options);
    let [WorkerEvent::Jobs { batch, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((batch.deadlines.clone(), is_closing), (vec![(0, Duration::from_millis(50))], false));
    for (lie, reason) in [
        (wire::deliveries(wire::STARTED, 1, 1, &[(1, 0)]), "unexpected message from a server"),
        (wire::deliveries(wire::CANCEL, 1, 1, &[(1, 65_536)]), "malformed CANCEL"),
        (wire::frame(wire::CANCEL, 0, 1, &[1, 2, 2, 0]), "malformed CANCEL"),
        (wire::frame(wire::BATCH, 0, 1, &[b'x', 1, 16 | 6, 1, 3, 0, 0, 0]), "malformed batch: table"),
    ] {
        let (events, is_closing) = lie_to_worker(&lie, options);
        let Some(WorkerEvent::Closed { reason: said, code }) = events.last() else { panic!("{events:?}") };
        assert_eq!((said.as_str(), *code, is_closing), (reason, Code::Protocol, true));
    }
    // What it cannot have, or has not asked for, is no reason to leave.
    for no in [1, 5] {
        let (events, is_closing) = lie_to_worker(&wire::deliveries(wire::CANCEL, no, 1, &[(9, 3)]), options);
        assert!(!is_closing && events.len() == usize::from(no == 1), "{events:?}");
    }
}
