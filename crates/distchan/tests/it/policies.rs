//! What becomes of jobs that fail, take too long, or take their workers with them.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use distchan::{AttemptEnd, ChannelStats, JobContext, Outcome, Server, Worker};
use tokio::time::Instant;

use crate::helpers::{collect, die_of_a_job, failure, poll_once, run, run_paused, until};

fn stats(server: &Server) -> ChannelStats {
    *server.stats().channel("work").unwrap()
}

/// Fails every attempt before the `good` one.
fn serve_from(worker: &Worker, good: u32) {
    let serving = worker.try_serve("work", move |job: u32| async move {
        let attempt = JobContext::current().unwrap().attempt().0;
        if attempt < good { Err(format!("attempt {attempt} of {job}")) } else { Ok(job * 10 + attempt) }
    });
    tokio::spawn(serving.into_future());
}

#[test]
fn a_job_that_fails_is_not_tried_again_unless_that_is_asked_for() {
    run_paused(async {
        let server = Server::bind("memory:fails once").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        serve_from(&Worker::connect("memory:fails once").await.unwrap(), 2);
        jobs.send(7).await.unwrap();
        let failed = failure(results.recv().await);
        assert_eq!((failed.outcome(), failed.reason()), (Outcome::Failed, "attempt 1 of 7"));
        assert_eq!(failed.attempts().len(), 1);
    });
}

#[test]
fn a_job_that_fails_is_tried_again_after_a_while_that_doubles() {
    run_paused(async {
        let server = Server::bind("memory:fails twice").await.unwrap();
        let builder = server.channel::<u32, u32>("work").retry_failures(2);
        let (jobs, mut results) =
            builder.retry_backoff(Duration::from_secs(10), Duration::from_secs(60)).open().unwrap();
        serve_from(&Worker::connect("memory:fails twice").await.unwrap(), 3);
        let begun = Instant::now();
        jobs.send(7).await.unwrap();
        drop(jobs);
        assert_eq!(collect(&mut results).await, [73]);
        let waited = begun.elapsed();
        assert!(Duration::from_secs(30) <= waited && waited < Duration::from_secs(31), "{waited:?}");
        assert_eq!((stats(&server).failures, stats(&server).failed), (2, 0));
    });
}

#[test]
fn the_wait_between_attempts_has_a_bound() {
    run_paused(async {
        let server = Server::bind("memory:bounded wait").await.unwrap();
        let builder = server.channel::<u32, u32>("work").retry_failures(3);
        let (jobs, mut results) =
            builder.retry_backoff(Duration::from_secs(10), Duration::from_secs(15)).open().unwrap();
        serve_from(&Worker::connect("memory:bounded wait").await.unwrap(), 4);
        let begun = Instant::now();
        jobs.send(7).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(74));
        assert_eq!(begun.elapsed().as_secs(), 40);
    });
}

#[test]
fn a_job_that_fails_too_often_has_failed_with_its_whole_history() {
    run_paused(async {
        let server = Server::bind("memory:fails too often").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").retry_failures(2).open().unwrap();
        let builder = Worker::builder().name("unlucky");
        serve_from(&builder.connect("memory:fails too often").await.unwrap(), 4);
        jobs.send(7).await.unwrap();
        let failed = failure(results.recv().await);
        assert_eq!((failed.outcome(), failed.reason()), (Outcome::Failed, "attempt 3 of 7"));
        for (attempt, number) in failed.attempts().iter().zip(1..) {
            assert_eq!((attempt.attempt.0, attempt.worker.as_str()), (number, "unlucky"));
            assert_eq!(attempt.session, server.workers()[0].session);
            assert_eq!(attempt.end, AttemptEnd::Failed(format!("attempt {number} of 7")));
            assert!(attempt.started <= attempt.ended);
        }
        assert_eq!(failed.attempts().len(), 3);
        let text = failed.to_string();
        assert!(text.starts_with("job 1 failed after 3 attempts: attempt 3 of 7\n  attempt 1: attempt 1 of 7 (worker \"unlucky\", session "), "{text}");
        assert_eq!(text.lines().count(), 4);
    });
}

/// Counts the handlers that were dropped before they were done.
struct Stopped(Arc<AtomicU32>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_job_that_hangs_is_stopped_tried_again_and_given_up() {
    run_paused(async {
        let server = Server::bind("memory:hangs").await.unwrap();
        let builder =
            server.channel::<u32, u32>("work").job_timeout(Duration::from_secs(60)).retry_timeouts(1);
        let (jobs, mut results) =
            builder.retry_backoff(Duration::from_secs(1), Duration::from_secs(1)).open().unwrap();
        let stopped = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&stopped);
        let worker = Worker::connect("memory:hangs").await.unwrap();
        let serving = worker.serve("work", move |job: u32| {
            let stopped = Stopped(Arc::clone(&count));
            async move {
                if job == 7 {
                    std::future::pending::<()>().await;
                }
                std::mem::forget(stopped);
                job
            }
        });
        tokio::spawn(serving.concurrency(1).into_future());
        let begun = Instant::now();
        jobs.send(7).await.unwrap();
        jobs.send(8).await.unwrap();
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), Some(8), "the place is free while the other waits");
        let failed = failure(results.recv().await);
        assert_eq!(failed.outcome(), Outcome::Dead);
        assert_eq!(failed.reason(), "it took longer than the channel's job timeout");
        assert!(failed.attempts().iter().all(|attempt| attempt.end == AttemptEnd::TimedOut));
        assert_eq!((failed.attempts().len(), begun.elapsed().as_secs()), (2, 121));
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(stopped.load(Ordering::SeqCst), 2);
        let stats = stats(&server);
        assert_eq!((stats.timeouts, stats.dead, stats.completed, stats.revoked), (2, 1, 1, 0));
    });
}

#[test]
fn a_job_is_never_run_again_because_it_is_long() {
    run_paused(async {
        let server = Server::bind("memory:long").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = Worker::connect("memory:long").await.unwrap();
        let serving = worker.serve("work", |job: u32| async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            job + JobContext::current().unwrap().attempt().0
        });
        tokio::spawn(serving.into_future());
        jobs.send(7).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(8));
    });
}

#[test]
fn a_job_that_takes_its_workers_with_it_is_given_up() {
    run(async {
        const ADDRESS: &str = "memory:poison";
        let server = Server::bind(ADDRESS).await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").crash_limit(2).credit(2).open().unwrap();
        jobs.send(7).await.unwrap();
        jobs.send(8).await.unwrap();
        drop(jobs);
        // The second job is in their hands too, and never begun.
        assert_eq!(die_of_a_job(ADDRESS).await, 1);
        assert_eq!(die_of_a_job(ADDRESS).await, 2);
        let failed = failure(results.recv().await);
        assert_eq!((failed.job().0, failed.outcome()), (1, Outcome::Dead));
        assert_eq!(failed.reason(), "its worker was lost while it worked on it");
        assert_eq!(failed.attempts().len(), 2);
        assert_eq!(failed.value::<u32>().unwrap(), 7);
        let worker = Worker::connect(ADDRESS).await.unwrap();
        worker.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(collect(&mut results).await, [8], "a bystander is not punished");
        assert_eq!(stats(&server).dead, 1);
    });
}

#[test]
fn workers_that_leave_politely_are_not_held_against_a_job() {
    run(async {
        const ADDRESS: &str = "memory:polite";
        let server = Server::bind(ADDRESS).await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").crash_limit(1).open().unwrap();
        jobs.send(7).await.unwrap();
        drop(jobs);
        for attempt in 1..=20 {
            let worker = Worker::connect(ADDRESS).await.unwrap();
            let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
            let job = taken.next_job().await.unwrap().unwrap();
            assert_eq!(job.attempt().0, attempt);
            if attempt % 2 == 0 {
                // Polled once, it drains: the job is not given to this worker again.
                assert!(poll_once(worker.drain()).is_none());
                job.give_back();
                worker.drain().await.unwrap();
            } else {
                worker.close().await.unwrap();
            }
        }
        let worker = Worker::connect(ADDRESS).await.unwrap();
        worker.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(collect(&mut results).await, [7]);
        assert_eq!((stats(&server).crashes, stats(&server).redelivered), (0, 20));
    });
}

#[test]
fn a_value_on_a_one_way_channel_that_takes_its_workers_with_it_is_given_up() {
    run(async {
        const ADDRESS: &str = "memory:one-way poison";
        let server = Server::bind(ADDRESS).await.unwrap();
        let values = server.sender::<u32>("values").crash_limit(2).open().unwrap();
        values.send(7).await.unwrap();
        for _ in 0..2 {
            let dying = tokio::task::spawn_blocking(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let worker = runtime.block_on(async {
                    let worker = Worker::connect(ADDRESS).await.unwrap();
                    let mut values = worker.receiver::<u32>("values").await.unwrap();
                    assert_eq!(values.recv().await.unwrap(), Some(7));
                    (worker, values)
                });
                drop(runtime);
                drop(worker);
            });
            dying.await.unwrap();
        }
        until(|| server.stats().channel("values").unwrap().dead == 1).await;
    });
}
