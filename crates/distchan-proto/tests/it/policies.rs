//! Jobs that crash their workers, fail, or take too long, from end to end: tried again as the channel's policy has it, then given up
//! with their history.

use std::time::Duration;

use distchan_proto::batch::Kind;
use distchan_proto::failure::{AttemptEnd, Ending, Failure};
use distchan_proto::ids::{Attempt, ChannelId, JobId};
use distchan_proto::server::ChannelOptions;
use distchan_proto::{ChannelStats, Policy};

use crate::harness::{Cluster, NO, spec};
use crate::stranger::Stranger;
use crate::wire;

const SECOND: Duration = Duration::from_secs(1);

fn with_policy(seed: u64, policy: Policy) -> (Cluster, ChannelId) {
    let mut cluster = Cluster::new(seed);
    let options = ChannelOptions { policy, ..ChannelOptions::default() };
    let channel = cluster.channel_with(spec("work"), options);
    (cluster, channel)
}

fn story(cluster: &Cluster, channel: ChannelId, job: u64) -> Failure {
    let outcome = cluster.seen(channel).iter().find(|outcome| outcome.job == JobId(job));
    outcome.and_then(|outcome| outcome.story.clone()).expect("it was not completed")
}

fn ends(failure: &Failure) -> Vec<AttemptEnd> {
    failure.attempts.iter().map(|attempt| attempt.end.clone()).collect()
}

#[test]
fn a_poison_job_is_dead_after_three_workers_and_the_others_are_completed() {
    for seed in 0..40 {
        let (mut cluster, channel) = with_policy(seed, Policy::default());
        (0..6).for_each(|value| cluster.send(channel, &[value]));
        cluster.close(channel);
        for life in 0..3u32 {
            cluster.join(1, "work");
            let index = cluster.nodes.len() - 1;
            let jobs = cluster.nodes[index].take_jobs();
            let poison = jobs.iter().find(|job| job.bytes == [3]).expect("it goes from one to the next");
            assert_eq!((poison.attempt, poison.id), (Attempt(life + 1), JobId(4)));
            // The first time the process ends before anything is announced.
            if life > 0 {
                cluster.nodes[index].machine.started(NO, poison.id, poison.attempt);
                cluster.settle();
            }
            assert_eq!(cluster.seen(channel), []);
            cluster.cut(index);
        }
        let told = story(&cluster, channel, 4);
        assert_eq!((told.ending, &told.value[..]), (Ending::Dead, &[3][..]));
        let crashed = [false, true, true].map(|started| AttemptEnd::Crashed { started });
        assert_eq!(ends(&told), crashed);
        let workers: Vec<_> = told.attempts.iter().map(|it| it.worker.to_string()).collect();
        assert_eq!(workers, ["w0", "w1", "w2"]);
        assert_eq!(cluster.finished, []);
        cluster.join(1, "work");
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 6, "one outcome each");
        assert_eq!(cluster.finished, [channel]);
        let stats = cluster.server.stats(channel);
        assert_eq!((stats.completed, stats.dead, stats.crashes), (5, 1, 2));
    }
}

#[test]
fn a_channel_ends_with_the_death_of_its_last_job() {
    let (mut cluster, channel) = with_policy(1, Policy { crash_limit: 1, ..Policy::default() });
    cluster.join(2, "work");
    cluster.send(channel, b"x");
    cluster.close(channel);
    cluster.settle();
    let job = cluster.nodes[0].take_jobs().remove(0);
    cluster.nodes[0].machine.started(NO, job.id, job.attempt);
    cluster.settle();
    cluster.cut(0);
    cluster.settle();
    assert_eq!(cluster.finished, [channel]);
    assert_eq!(cluster.nodes[1].finished, [NO]);
}

#[test]
fn a_worker_that_leaves_is_no_crash_whatever_it_had_begun() {
    for seed in 0..10 {
        let (mut cluster, channel) = with_policy(seed, Policy { crash_limit: 1, ..Policy::default() });
        cluster.send(channel, b"x");
        for _ in 0..3 {
            cluster.join(1, "work");
            let index = cluster.nodes.len() - 1;
            let job = cluster.nodes[index].take_jobs().remove(0);
            cluster.nodes[index].machine.started(NO, job.id, job.attempt);
            cluster.nodes[index].close();
            cluster.settle();
        }
        cluster.join(1, "work");
        cluster.work();
        assert_eq!(cluster.seen(channel)[0].results, [b"x!"]);
        assert_eq!(cluster.server.stats(channel).crashes, 0);
    }
}

#[test]
fn a_failure_is_tried_again_after_a_wait_that_doubles() {
    for (seed, ordered) in (0..20).zip([true, false].into_iter().cycle()) {
        let mut cluster = Cluster::new(seed);
        let policy = Policy { failure_limit: 3, ..Policy::default() };
        let options = ChannelOptions { ordered, policy, ..ChannelOptions::default() };
        let channel = cluster.channel_with(spec("work"), options);
        cluster.join(1, "work");
        cluster.send(channel, b"a");
        cluster.send(channel, b"b");
        cluster.settle();
        let mut jobs = cluster.nodes[0].take_jobs();
        cluster.nodes[0].complete(&jobs[1], &[b"done"]);
        for (attempt, wait) in [(1, 100), (2, 200)] {
            assert_eq!(jobs[0].attempt, Attempt(attempt));
            cluster.nodes[0].end(&jobs[0], Kind::Result, b"half");
            cluster.nodes[0].end(&jobs[0], Kind::Failed, format!("no {attempt}").as_bytes());
            cluster.settle();
            assert_eq!(cluster.seen(channel).len(), usize::from(!ordered));
            cluster.advance(Duration::from_millis(wait - 1));
            cluster.settle();
            assert_eq!(cluster.nodes[0].inbox.len(), 0);
            cluster.advance(Duration::from_millis(1));
            cluster.settle();
            jobs = cluster.nodes[0].take_jobs();
        }
        cluster.nodes[0].end(&jobs[0], Kind::Failed, b"no 3");
        cluster.settle();
        let told = story(&cluster, channel, 1);
        assert_eq!((told.ending, &told.value[..]), (Ending::Failed, &b"a"[..]));
        assert_eq!(ends(&told), ["no 1", "no 2", "no 3"].map(|why| AttemptEnd::Failed(why.into())));
        let waits: Vec<_> = told.attempts.iter().map(|it| it.ended.since_origin().as_millis()).collect();
        assert_eq!(waits, [0, 100, 300]);
        let seen: Vec<_> = cluster.seen(channel).iter().map(|outcome| outcome.job.0).collect();
        assert_eq!(seen, if ordered { [1, 2] } else { [2, 1] });
        let stats = cluster.server.stats(channel);
        assert_eq!((stats.failed, stats.failures, stats.completed, stats.held_bytes), (1, 3, 1, 0));
    }
}

#[test]
fn a_job_that_takes_too_long_is_cancelled_there_and_tried_elsewhere() {
    for seed in 0..20 {
        let policy = Policy { job_timeout: Some(10 * SECOND), timeout_limit: 2, ..Policy::default() };
        let (mut cluster, channel) = with_policy(seed, policy);
        cluster.join(1, "work");
        cluster.send(channel, b"x");
        cluster.settle();
        let first = cluster.nodes[0].take_jobs().remove(0);
        cluster.advance(100 * SECOND);
        assert_eq!(cluster.nodes[0].cancelled, [], "what was not begun is not too long");
        cluster.nodes[0].machine.started(NO, first.id, first.attempt);
        cluster.advance(10 * SECOND);
        cluster.settle();
        assert_eq!(cluster.nodes[0].cancelled, [(first.id, Attempt(1))]);
        let stats = |cluster: &Cluster| -> ChannelStats { cluster.server.stats(channel) };
        assert_eq!(
            (stats(&cluster).timeouts, stats(&cluster).revoked, stats(&cluster).backing_off),
            (1, 1, 1)
        );
        cluster.nodes[0].complete(&first, &[b"too late"]);
        cluster.settle();
        assert_eq!((stats(&cluster).revoked, stats(&cluster).refused_answers), (0, 1));
        cluster.advance(SECOND);
        let second = cluster.nodes[0].take_jobs().remove(0);
        assert_eq!((second.id, second.attempt), (first.id, Attempt(2)));
        if seed % 2 == 0 {
            cluster.nodes[0].machine.started(NO, second.id, second.attempt);
            cluster.settle();
            cluster.nodes[0].complete(&second, &[b"good"]);
            cluster.advance(100 * SECOND);
            assert_eq!(cluster.seen(channel)[0].results, [b"good"]);
            assert_eq!((stats(&cluster).timeouts, cluster.nodes[0].cancelled.len()), (1, 1));
        } else {
            cluster.nodes[0].machine.started(NO, second.id, second.attempt);
            cluster.advance(11 * SECOND);
            let told = story(&cluster, channel, 1);
            assert_eq!(told.ending, Ending::Dead);
            assert_eq!(ends(&told), [AttemptEnd::TimedOut, AttemptEnd::TimedOut]);
            assert_eq!((stats(&cluster).dead, stats(&cluster).timeouts), (1, 2));
        }
    }
}

#[test]
fn what_was_begun_travels_in_runs_ahead_of_the_answers() {
    let (mut cluster, channel) = with_policy(1, Policy::default());
    cluster.join(1, "work");
    (0..9).for_each(|value| cluster.send(channel, &[value]));
    cluster.settle();
    let jobs = cluster.nodes[0].take_jobs();
    for job in &jobs[..8] {
        cluster.nodes[0].machine.started(NO, job.id, job.attempt);
    }
    cluster.nodes[0].complete(&jobs[0], &[b"x"]);
    let out = cluster.nodes[0].machine.poll_transmit(cluster.now).expect("both").into_bytes();
    let frames = wire::split(&out);
    assert_eq!(frames.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [wire::STARTED, wire::BATCH]);
    assert_eq!(frames[0].body, [1, 1, 2, 7]);
}

#[test]
fn lies_about_what_was_begun_are_no_more_than_ignored() {
    let (mut stranger, channel) = Stranger::with_jobs(4);
    for (attempt, job, further) in [(1, 5, 0), (1, 1, 4), (1, 1, 65_535), (2, 1, 0), (0, 0, 0)] {
        stranger.say(&wire::deliveries(wire::STARTED, 1, attempt, &[(job, further)]));
    }
    assert_eq!(stranger.refused, None);
    stranger.say(&wire::deliveries(wire::STARTED, 7, 1, &[(1, 0)]));
    assert_eq!(stranger.refused, None, "of a channel that is not open");
    stranger.say(&wire::batch(1, 1, &[(wire::DONE, 1, wire::Second::Run(3))]));
    assert_eq!(stranger.server.stats(channel).completed, 4);
    for body in [vec![], vec![1], vec![1, 1], vec![1, 1, 2], vec![1, 9, 2, 0]] {
        let (mut stranger, _) = Stranger::with_jobs(4);
        stranger.say(&wire::frame(wire::STARTED, 0, 1, &body));
        assert_eq!(stranger.reason(), "malformed STARTED");
    }
    let (mut stranger, _) = Stranger::with_jobs(4);
    stranger.say(&wire::deliveries(wire::STARTED, 1, 1, &[(1, 40_000), (1, 40_000)]));
    assert_eq!(stranger.reason(), "malformed STARTED", "more than any worker holds");
    let (mut stranger, _) = Stranger::with_jobs(4);
    stranger.say(&wire::deliveries(wire::CANCEL, 1, 1, &[(1, 0)]));
    assert_eq!(stranger.reason(), "unexpected message from a worker");
}
