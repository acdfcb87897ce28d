//! "Bounded": who is behind holds up who sends, and nobody else; nothing grows without end.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use distchan::{Server, Worker};

use crate::helpers::{Blob, run_paused, settle};

const MIB: u64 = 1 << 20;

/// A result of 1 MiB.
fn mebibyte(of: u8) -> Blob {
    Blob(vec![of; 1 << 20])
}

/// What may be on the way beside what waits for a receiver: windows of a few workers, and what their ends and the connection hold.
const ON_THE_WAY: u64 = 16 * MIB;

#[test]
fn workers_that_send_unasked_wait_for_a_slow_receiver() {
    run_paused(async {
        let server = Server::bind("memory:slow receiver").await.unwrap();
        let mut log = server.receiver::<Blob>("log").open().unwrap();
        let worker = Worker::connect("memory:slow receiver").await.unwrap();
        let values = worker.sender::<Blob>("log").await.unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let sending = tokio::spawn(async move {
            for value in 0..=255 {
                values.send(mebibyte(value)).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        settle().await;
        let waiting = sent.load(Ordering::SeqCst);
        assert!(waiting * MIB <= 64 * MIB + ON_THE_WAY, "{waiting} MiB were sent and nobody reads");
        assert!(waiting > 0 && !sending.is_finished());
        for value in 0..=255 {
            assert_eq!(log.recv().await.unwrap().unwrap().0[0], value);
        }
        sending.await.unwrap();
    });
}

#[test]
fn a_slow_reader_of_results_stops_the_jobs_and_then_send_and_goes_on_when_it_reads() {
    run_paused(async {
        let server = Server::bind("memory:slow reader").await.unwrap();
        let (jobs, mut results) = server.channel::<u64, Blob>("work").capacity(8).open().unwrap();
        let worker = Worker::connect("memory:slow reader").await.unwrap();
        let serving = worker.serve("work", |job: u64| async move { mebibyte(job.to_le_bytes()[0]) });
        let serving = tokio::spawn(serving.concurrency(4).into_future());
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let sending = tokio::spawn(async move {
            for job in 0..256 {
                jobs.send(job).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        settle().await;
        assert!(!sending.is_finished(), "all jobs were sent and nobody reads");
        let stats = *server.stats().channel("work").unwrap();
        let here = stats.unread_bytes + stats.held_bytes;
        assert!(here <= 64 * MIB + ON_THE_WAY, "{here} bytes of results wait");
        assert!(stats.completed < 128, "{stats:?}");
        let mut seen = 0;
        while let Some(result) = results.recv().await.unwrap() {
            assert_eq!(result.0.len() as u64, MIB);
            seen += 1;
        }
        assert_eq!((seen, sent.load(Ordering::SeqCst)), (256, 256));
        sending.await.unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_slow_reader_of_one_channel_holds_up_no_other() {
    run_paused(async {
        let server = Server::bind("memory:one slow channel").await.unwrap();
        let (slow, _unread) = server.channel::<u64, Blob>("slow").capacity(8).open().unwrap();
        let (quick, _results) = server.channel::<u64, u64>("quick").open().unwrap();
        let worker = Worker::connect("memory:one slow channel").await.unwrap();
        tokio::spawn(worker.serve("slow", |_: u64| async { mebibyte(0) }).into_future());
        tokio::spawn(worker.serve("quick", |job: u64| async move { job }).into_future());
        let sending = tokio::spawn(async move {
            for job in 0..256 {
                slow.send(job).await.unwrap();
            }
        });
        settle().await;
        assert!(!sending.is_finished());
        for job in 0..100 {
            assert_eq!(quick.call(job).await.unwrap(), job);
        }
    });
}

#[test]
fn a_worker_that_does_not_take_holds_up_no_other() {
    run_paused(async {
        let server = Server::bind("memory:one slow worker").await.unwrap();
        let (jobs, mut results) = server.channel::<u64, u64>("work").credit(4).capacity(8).open().unwrap();
        let slow = Worker::connect("memory:one slow worker").await.unwrap();
        let (_taken, _answers) = slow.channel::<u64, u64>("work").await.unwrap();
        let quick = Worker::connect("memory:one slow worker").await.unwrap();
        tokio::spawn(quick.serve("work", |job: u64| async move { job }).into_future());
        server.wait_for_workers(2).await;
        let sending = tokio::spawn(async move {
            for job in 0..1000 {
                jobs.send(job).await.unwrap();
            }
        });
        for _ in 0..996 {
            results.recv().await.unwrap().unwrap();
        }
        sending.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().in_flight, 4);
    });
}

#[test]
fn a_worker_has_no_more_in_hand_than_its_credit() {
    run_paused(async {
        let server = Server::bind("memory:fixed credit").await.unwrap();
        let (jobs, _results) = server.channel::<u64, u64>("work").credit(3).open().unwrap();
        let worker = Worker::connect("memory:fixed credit").await.unwrap();
        let (mut taken, _answers) = worker.channel::<u64, u64>("work").concurrency(10).await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        settle().await;
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.in_flight, stats.queued), (3, 7));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(taken.next_job().await.unwrap().unwrap());
        }
        settle().await;
        assert!(crate::helpers::poll_once(taken.next_job()).is_none());
        held.remove(0).finish();
        assert_eq!(*taken.next_job().await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_worker_has_no_more_in_hand_than_it_wants() {
    run_paused(async {
        let server = Server::bind("memory:most in hand").await.unwrap();
        let (jobs, _results) = server.channel::<u64, u64>("work").open().unwrap();
        let worker = Worker::connect("memory:most in hand").await.unwrap();
        let (_taken, _answers) =
            worker.channel::<u64, u64>("work").concurrency(10).max_in_hand(2).await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        settle().await;
        assert_eq!(server.stats().channel("work").unwrap().in_flight, 2);
    });
}

/// Long jobs are not hoarded by whoever came first.
#[test]
fn unstarted_jobs_are_not_hoarded_where_jobs_are_long() {
    run_paused(async {
        let server = Server::bind("memory:long jobs").await.unwrap();
        let (jobs, mut results) = server.channel::<u64, u64>("work").open().unwrap();
        for _ in 0..4 {
            let worker = Worker::connect("memory:long jobs").await.unwrap();
            let serving = worker.serve("work", |job: u64| async move {
                tokio::time::sleep(std::time::Duration::from_secs(10)).await;
                job
            });
            tokio::spawn(serving.concurrency(1).into_future());
        }
        server.wait_for_workers(4).await;
        let began = tokio::time::Instant::now();
        for job in 0..40 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let mut seen = 0;
        while results.recv().await.unwrap().is_some() {
            seen += 1;
        }
        assert_eq!(seen, 40);
        let took = began.elapsed().as_secs();
        assert!((100..=110).contains(&took), "four workers do 40 jobs of 10 s in 100 s, not in {took}");
    });
}
