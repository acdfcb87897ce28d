//! Leaving politely: servers that take no more jobs, workers that take no more jobs.

use std::future::IntoFuture;
use std::sync::Arc;

use distchan::{RecvError, SendErrorKind, Server, Worker};

use crate::helpers::{collect, poll_once, run, run_paused, server, settle, sorted, until, worker};

#[test]
fn a_server_drains_when_every_job_has_its_outcome() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        let draining = tokio::spawn({
            let server = server.clone();
            async move { server.drain().await }
        });
        jobs.closed().await;
        let error = jobs.send(100).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Closed), "{error:?}");
        assert!(!draining.is_finished());
        let serving = worker(&server).await.serve("work", |job: u32| async move { job });
        tokio::spawn(serving.concurrency(1).into_future());
        draining.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().completed, 100);
        assert_eq!(
            collect(&mut results).await,
            (0..100).collect::<Vec<_>>(),
            "results are still to be taken"
        );
        server.drain().await;
    });
}

#[test]
fn a_server_without_channels_or_with_channels_from_the_workers_only_drains_at_once() {
    run(async {
        let server = server().await;
        server.drain().await;
        let _log = server.receiver::<u32>("log").open().unwrap();
        server.drain().await;
    });
}

#[test]
fn a_server_drains_all_its_channels() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let values = server.sender::<u32>("values").open().unwrap();
        jobs.send(1).await.unwrap();
        values.send(2).await.unwrap();
        let worker = worker(&server).await;
        let mut received = worker.receiver::<u32>("values").await.unwrap();
        let draining = tokio::spawn({
            let server = server.clone();
            async move { server.drain().await }
        });
        worker.serve("work", |job: u32| async move { job }).await.unwrap();
        assert!(!draining.is_finished(), "the value was not taken");
        assert_eq!(received.recv().await.unwrap(), Some(2));
        assert_eq!(received.recv().await.unwrap(), None);
        draining.await.unwrap();
        assert!(values.is_closed());
    });
}

#[test]
fn drain_then_shutdown_loses_nothing() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let serving =
            tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
        }
        server.drain().await;
        server.shutdown().await;
        assert_eq!(sorted(collect(&mut results).await), (0..1000).collect::<Vec<_>>());
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_worker_that_drains_hands_unstarted_jobs_back_and_finishes_the_one_in_hand() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(10).open().unwrap();
        let leaving = worker(&server).await;
        let (mut taken, answers) = leaving.channel::<u32, u32>("work").await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        assert_eq!(taken.recv().await.unwrap(), Some(0));
        until(|| server.stats().channel("work").unwrap().in_flight == 10).await;
        let draining = tokio::spawn({
            let leaving = leaving.clone();
            async move { leaving.drain().await }
        });
        until(|| server.stats().channel("work").unwrap().in_flight == 1).await;
        assert!(!draining.is_finished(), "one job is in hand");
        answers.send(100).await.unwrap();
        let error = taken.recv().await.unwrap_err();
        assert!(matches!(error, RecvError::Draining), "{error:?}");
        assert_eq!(error.to_string(), "this worker drains and takes no further jobs");
        draining.await.unwrap().unwrap();
        assert!(leaving.is_closed());
        assert_eq!(results.recv().await.unwrap(), Some(100), "it was completed");
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(sorted(collect(&mut results).await), (1..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_worker_that_serves_drains_and_its_serve_returns_ok() {
    run_paused(async {
        let server = Server::bind("memory:draining serve").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(10).open().unwrap();
        let leaving = Worker::connect("memory:draining serve").await.unwrap();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let waits = Arc::clone(&gate);
        let serving = leaving.serve("work", move |job: u32| {
            let gate = Arc::clone(&waits);
            async move {
                gate.acquire().await.unwrap().forget();
                job + 100
            }
        });
        let serving = tokio::spawn(serving.concurrency(2).into_future());
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        settle().await;
        assert_eq!(server.stats().channel("work").unwrap().in_flight, 10);
        let draining = tokio::spawn({
            let leaving = leaving.clone();
            async move { leaving.drain().await }
        });
        settle().await;
        assert_eq!(server.stats().channel("work").unwrap().in_flight, 2, "two are begun");
        assert!(!draining.is_finished() && !serving.is_finished());
        gate.add_permits(2);
        draining.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
        let other = Worker::connect("memory:draining serve").await.unwrap();
        drop(jobs);
        other.serve("work", |job: u32| async move { job }).await.unwrap();
        let results = sorted(collect(&mut results).await);
        assert_eq!(results, [2, 3, 4, 5, 6, 7, 8, 9, 100, 101]);
    });
}

#[test]
fn a_worker_that_serves_on_threads_drains_and_its_serve_returns_ok() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(10).open().unwrap();
        let leaving = worker(&server).await;
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let serving = leaving.serve_blocking("work", move |job: u32| {
            begun.send(()).unwrap();
            // Whoever lets go of the other end lets it go on.
            let _ = may_go_on.lock().unwrap().recv();
            job + 100
        });
        let serving = tokio::spawn(serving.concurrency(2).into_future());
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        until(|| server.stats().channel("work").unwrap().in_flight == 10).await;
        let mut count = 0;
        until(|| {
            count += usize::from(has_begun.try_recv().is_ok());
            count == 2
        })
        .await;
        let draining = tokio::spawn({
            let leaving = leaving.clone();
            async move { leaving.drain().await }
        });
        until(|| server.stats().channel("work").unwrap().in_flight == 2).await;
        drop(go_on);
        draining.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        let results = sorted(collect(&mut results).await);
        assert_eq!(results, [2, 3, 4, 5, 6, 7, 8, 9, 100, 101]);
    });
}

#[test]
fn a_worker_that_drains_waits_for_its_handles() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let leaving = worker(&server).await;
        let (mut taken, _answers) = leaving.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        assert!(poll_once(leaving.drain()).is_none(), "polled once, it drains");
        let error = taken.next_job().await.unwrap_err();
        assert!(matches!(error, RecvError::Draining), "{error:?}");
        assert!(!leaving.is_closed());
        job.complete(10).await.unwrap();
        leaving.drain().await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(10));
    });
}

#[test]
fn an_idle_worker_drains_at_once() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let leaving = worker(&server).await;
        let (mut taken, _answers) = leaving.channel::<u32, u32>("work").await.unwrap();
        let idle = tokio::spawn(async move { taken.recv().await });
        leaving.drain().await.unwrap();
        let error = idle.await.unwrap().unwrap_err();
        assert!(matches!(error, RecvError::Draining), "{error:?}");
        until(|| server.workers().is_empty()).await;
        leaving.drain().await.unwrap();
    });
}

#[test]
fn a_worker_without_channels_drains_at_once() {
    run(async {
        let server = server().await;
        worker(&server).await.drain().await.unwrap();
    });
}

#[test]
fn a_worker_that_drains_is_given_nothing_more() {
    run_paused(async {
        let server = Server::bind("memory:draining is final").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let leaving = Worker::connect("memory:draining is final").await.unwrap();
        let (mut taken, _answers) = leaving.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        assert!(poll_once(leaving.drain()).is_none());
        settle().await;
        jobs.send(2).await.unwrap();
        settle().await;
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.in_flight, stats.completed), (1, 0));
        job.finish();
    });
}
