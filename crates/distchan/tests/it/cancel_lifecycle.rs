//! Futures of servers and workers themselves, dropped at their await points.

use std::future::IntoFuture;

use distchan::{ConnectError, Server, Worker};

use crate::helpers::{at_most, poll_once, refusal_of, run, run_paused, server, settle, until, worker};

#[test]
fn dropped_binds_leave_nothing_behind() {
    run(async {
        let address = server().await.local_addr().to_string();
        let name = format!("localhost:{}", address.rsplit_once(':').unwrap().1);
        let mut dropped = 0;
        for polls in 1..6 {
            for _ in 0..10 {
                // Where it was bound, dropping the server frees the address a moment later.
                match at_most(polls, Server::bind(&name)).await {
                    Some(Ok(server)) => server.shutdown().await,
                    Some(Err(error)) => panic!("{error}"),
                    None => dropped += 1,
                }
            }
        }
        assert!(dropped > 0, "resolving a name has an await point");
        let server = Server::bind(&name).await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 1);
    });
}

#[test]
fn dropped_connects_close_their_connections() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        for polls in 1..10 {
            for _ in 0..10 {
                drop(at_most(polls, Worker::connect(server.local_addr())).await);
            }
        }
        until(|| server.workers().is_empty()).await;
        let _ends = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        server.wait_for_workers(1).await;
        server.shutdown().await;
    });
}

#[test]
fn dropped_opens_are_taken_back() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let _values = server.sender::<u32>("values").open().unwrap();
        let _log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        for polls in 1..4 {
            for _ in 0..20 {
                drop(at_most(polls, worker.channel::<u32, u32>("work").into_future()).await);
                drop(at_most(polls, worker.receiver::<u32>("values").into_future()).await);
                drop(at_most(polls, worker.sender::<u32>("log").into_future()).await);
            }
        }
        jobs.send(1).await.unwrap();
        let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        assert_eq!(*job, 1);
        job.finish();
        let _received = worker.receiver::<u32>("values").await.unwrap();
        let _sent = worker.sender::<u32>("log").await.unwrap();
        until(|| server.workers()[0].channels == 3).await;
        assert_eq!(server.stats().channel("work").unwrap().workers, 1);
    });
}

#[test]
fn an_open_that_is_dropped_while_it_waits_for_the_server_gets_no_job() {
    run_paused(async {
        let server = Server::bind("memory:open taken back").await.unwrap();
        let worker = Worker::connect("memory:open taken back").await.unwrap();
        let waiting = worker.channel::<u32, u32>("later").into_future();
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), waiting).await;
        assert!(waiting.is_err());
        settle().await;
        let (jobs, _results) = server.channel::<u32, u32>("later").open().unwrap();
        jobs.send(1).await.unwrap();
        settle().await;
        let stats = *server.stats().channel("later").unwrap();
        assert_eq!((stats.workers, stats.in_flight), (0, 0));
        tokio::spawn(worker.serve("later", |job: u32| async move { job }).into_future());
        assert_eq!(jobs.call(2).await.unwrap(), 2);
    });
}

#[test]
fn dropped_waits_for_workers_can_be_called_again() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        for _ in 0..100 {
            assert!(poll_once(server.wait_for_workers(1)).is_none());
        }
        let _ends = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        server.wait_for_workers(1).await;
    });
}

#[test]
fn dropped_waits_for_refusals_lose_none() {
    run(async {
        let server = server().await;
        let _log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        for _ in 0..20 {
            let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(server.next_refusal())).collect();
            for waiting in &mut waiting {
                assert!(at_most(1, waiting).await.is_none());
            }
            worker.sender::<u64>("log").await.unwrap_err();
            // One of them may have been woken; whoever asks next gets it.
            drop(waiting);
            refusal_of(&server, "log").await;
        }
    });
}

#[test]
fn a_refusal_is_told_to_whoever_still_waits() {
    run(async {
        let server = server().await;
        let _log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        let mut first = Box::pin(server.next_refusal());
        assert!(at_most(1, &mut first).await.is_none());
        let second = tokio::spawn({
            let server = server.clone();
            async move { server.next_refusal().await }
        });
        tokio::task::yield_now().await;
        worker.sender::<u64>("log").await.unwrap_err();
        drop(first);
        assert_eq!(second.await.unwrap().channel.as_deref(), Some("log"));
    });
}

#[test]
fn a_drain_that_is_dropped_has_closed_the_channels() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        jobs.send(1).await.unwrap();
        drop(server.drain());
        assert!(!jobs.is_closed(), "a future that was never polled does nothing");
        assert!(poll_once(server.drain()).is_none());
        assert!(jobs.is_closed());
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        server.drain().await;
        assert_eq!(results.recv().await.unwrap(), Some(1));
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn a_shutdown_that_is_dropped_has_shut_the_server_down() {
    run(async {
        let server = server().await;
        let address = server.local_addr().to_string();
        let worker = worker(&server).await;
        drop(server.shutdown());
        assert!(!worker.is_closed(), "a future that was never polled does nothing");
        let _ = poll_once(server.shutdown());
        worker.closed().await;
        server.shutdown().await;
        Server::bind(&address).await.unwrap();
    });
}

#[test]
fn a_close_that_is_dropped_goes_on() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        let values = worker.sender::<u32>("log").await.unwrap();
        for value in 0..100 {
            values.send(value).await.unwrap();
        }
        drop(poll_once(worker.close()));
        worker.closed().await;
        for value in 0..100 {
            assert_eq!(log.recv().await.unwrap(), Some(value));
        }
    });
}

#[test]
fn a_workers_drain_that_is_dropped_goes_on() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let leaving = worker(&server).await;
        let serving = tokio::spawn(leaving.serve("work", |job: u32| async move { job }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 1);
        for _ in 0..10 {
            drop(poll_once(leaving.drain()));
        }
        serving.await.unwrap().unwrap();
        leaving.drain().await.unwrap();
    });
}

#[test]
fn dropped_waits_for_the_end_of_a_worker_can_be_called_again() {
    run(async {
        let server = server().await;
        let worker = worker(&server).await;
        for _ in 0..100 {
            assert!(poll_once(worker.closed()).is_none());
        }
        server.shutdown().await;
        worker.closed().await;
        assert!(matches!(worker.close().await, Err(ConnectError::Lost { .. })));
    });
}
