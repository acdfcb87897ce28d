//! Who works on what: whoever is idle comes first, and takes what waits behind others.

use std::sync::Arc;
use std::time::Duration;

use distchan::{Distribution, JobContext, Server, Worker};
use futures_util::{StreamExt, future};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::helpers::{collect, run_paused};

/// Who has begun which job.
type Log = Arc<Mutex<Vec<(&'static str, u32)>>>;

/// A plain loop; job 1 takes 100 s, the others a millisecond.
async fn work(log: Log, address: &'static str, name: &'static str) {
    let worker = Worker::connect(address).await.unwrap();
    let (mut jobs, results) = worker.channel::<u32, u32>("work").await.unwrap();
    while let Some(job) = jobs.recv().await.unwrap() {
        log.lock().push((name, job));
        sleep(if job == 1 { Duration::from_secs(100) } else { Duration::from_millis(1) }).await;
        results.send(job).await.unwrap();
    }
}

#[test]
fn no_job_waits_behind_a_long_one_while_another_worker_is_idle() {
    run_paused(async {
        let server = Server::bind("memory:long one").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let log = Log::default();
        tokio::spawn(work(Arc::clone(&log), "memory:long one", "first"));
        tokio::spawn(work(Arc::clone(&log), "memory:long one", "second"));
        server.wait_for_workers(2).await;
        let begun = Instant::now();
        for job in 1..=20 {
            jobs.send(job).await.unwrap();
        }
        let mut short = Vec::new();
        while short.len() < 19 {
            short.push(results.recv().await.unwrap().unwrap());
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        short.sort_unstable();
        assert_eq!(short, (2..=20).collect::<Vec<_>>());
        let stats = *server.stats().channel("work").unwrap();
        assert!(stats.recalled >= 5, "{stats:?}");
        assert_eq!((stats.redelivered, stats.refused_answers), (0, 0));
        drop(jobs);
        assert_eq!(collect(&mut results).await, [1]);
        let slow = log.lock().iter().find(|(_, job)| *job == 1).map(|(name, _)| *name).unwrap();
        let others = log.lock().iter().filter(|(name, _)| *name == slow).count();
        assert_eq!(others, 1, "whoever has the long one does nothing else");
    });
}

#[test]
fn jobs_in_hand_ahead_are_not_taken_back_from_whoever_asked_for_a_number_of_them() {
    run_paused(async {
        let server = Server::bind("memory:fixed").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(10).open().unwrap();
        let log = Log::default();
        tokio::spawn(work(Arc::clone(&log), "memory:fixed", "first"));
        tokio::spawn(work(Arc::clone(&log), "memory:fixed", "second"));
        server.wait_for_workers(2).await;
        let begun = Instant::now();
        for job in 1..=20 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 20);
        assert_eq!(server.stats().channel("work").unwrap().recalled, 0);
        assert!(begun.elapsed() >= Duration::from_secs(100));
        let firsts = log.lock().iter().filter(|(name, _)| *name == "first").count();
        assert_eq!(firsts, 10);
    });
}

#[test]
fn the_least_loaded_worker_is_given_the_next_job() {
    run_paused(async {
        let server = Server::bind("memory:least").await.unwrap();
        let builder = server.channel::<u32, u32>("work").distribution(Distribution::LeastLoaded);
        let (jobs, mut results) = builder.open().unwrap();
        let serve = async |concurrency| {
            let worker = Worker::connect("memory:least").await.unwrap();
            let serving = worker.serve("work", |job: u32| async move {
                sleep(Duration::from_secs(10)).await;
                job
            });
            tokio::spawn(serving.concurrency(concurrency).into_future());
            worker
        };
        let (small, large) = (serve(1).await, serve(3).await);
        server.wait_for_workers(2).await;
        for job in 0..8 {
            jobs.send(job).await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        let in_flight: Vec<_> = server.stats().workers.iter().map(|worker| worker.in_flight).collect();
        assert_eq!(in_flight, [2, 6], "twice as many as each works on at once");
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 8);
        drop((small, large));
    });
}

#[test]
fn the_jobs_of_a_key_are_done_by_one_worker_in_order() {
    run_paused(async {
        let server = Server::bind("memory:keys").await.unwrap();
        let builder = server.channel::<(String, u32), u32>("work").by_key(|(user, _)| user.clone());
        let (jobs, mut results) = builder.open().unwrap();
        let log: Arc<Mutex<Vec<(usize, String, u32)>>> = Arc::default();
        let mut workers = Vec::new();
        for number in 0..3 {
            let worker = Worker::connect("memory:keys").await.unwrap();
            let log = Arc::clone(&log);
            let serving = worker.serve("work", move |(user, job): (String, u32)| {
                log.lock().push((number, user, job));
                async move { job }
            });
            tokio::spawn(serving.into_future());
            workers.push(worker);
        }
        server.wait_for_workers(3).await;
        for job in 0..300 {
            jobs.send((format!("user {}", job % 10), job)).await.unwrap();
        }
        // The same keys, by the ways that calls and maps go.
        assert_eq!(jobs.call(("user 7".to_owned(), 300)).await.unwrap(), 300);
        let inputs = (301..311).map(|job| (format!("user {}", job % 10), job));
        assert_eq!(jobs.map(inputs).filter(|result| future::ready(result.is_ok())).count().await, 10);
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 300);
        let log = log.lock();
        for user in (0..10).map(|user| format!("user {user}")) {
            let of_user: Vec<_> = log.iter().filter(|(_, other, _)| *other == user).collect();
            assert!(of_user.iter().all(|(worker, ..)| *worker == of_user[0].0), "{user} has one worker");
            assert!(of_user.is_sorted_by_key(|(.., job)| *job), "in order");
        }
        let busy = (0..3).filter(|number| log.iter().any(|(worker, ..)| worker == number)).count();
        assert_eq!(busy, 3, "ten keys are shared by all three");
    });
}

#[test]
fn a_job_that_hangs_is_done_by_an_idle_worker_where_that_is_asked_for() {
    run_paused(async {
        let server = Server::bind("memory:speculation").await.unwrap();
        let builder = server.channel::<u32, u32>("work").speculate_after(Duration::from_secs(10));
        let (jobs, mut results) = builder.open().unwrap();
        let mut workers = Vec::new();
        for _ in 0..2 {
            let worker = Worker::connect("memory:speculation").await.unwrap();
            let serving = worker.serve("work", |job: u32| async move {
                let is_first = JobContext::current().unwrap().attempt().0 == 1;
                sleep(Duration::from_secs(if job == 7 && is_first { 100_000 } else { 1 })).await;
                job
            });
            tokio::spawn(serving.into_future());
            workers.push(worker);
        }
        server.wait_for_workers(2).await;
        let begun = Instant::now();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let mut seen = collect(&mut results).await;
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>(), "each once");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_eq!(server.stats().channel("work").unwrap().speculated, 1);
    });
}
