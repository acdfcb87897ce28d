//! From connect to the last drop: closing a worker, dropping things in odd orders.

use std::future::IntoFuture;
use std::time::Duration;

use distchan::{Code, ConnectError, RecvError, SendErrorKind, Worker};

use crate::helpers::{Blob, collect, run, server, sorted, until, worker};

#[test]
fn a_worker_that_closes_has_sent_everything() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        let values = worker.sender::<u32>("log").await.unwrap();
        let receiving = tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < 10_000 {
                seen.push(log.recv().await.unwrap().unwrap());
            }
            seen
        });
        for value in 0..10_000 {
            values.send(value).await.unwrap();
        }
        worker.close().await.unwrap();
        assert_eq!(receiving.await.unwrap(), (0..10_000).collect::<Vec<_>>());
        assert!(worker.is_closed() && values.is_closed());
        let error = values.send(0).await.unwrap_err();
        assert_eq!(error.into_inner(), 0);
        worker.close().await.unwrap();
        assert_eq!(worker.closed().await.0, Code::Normal);
    });
}

#[test]
fn a_worker_that_closes_waits_for_a_receiver_that_is_behind() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<Blob>("log").open().unwrap();
        let worker = worker(&server).await;
        let values = worker.sender::<Blob>("log").await.unwrap();
        for value in 0..4 {
            values.send(Blob(vec![value; 1 << 20])).await.unwrap();
        }
        let closing = tokio::spawn(async move { worker.close().await });
        for value in 0..4 {
            assert_eq!(log.recv().await.unwrap().unwrap().0[0], value);
        }
        closing.await.unwrap().unwrap();
    });
}

#[test]
fn a_worker_that_closes_has_sent_the_results_of_what_it_completed() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
            taken.next_job().await.unwrap().unwrap().complete(job).await.unwrap();
        }
        worker.close().await.unwrap();
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..1000).collect::<Vec<_>>());
        let error = taken.recv().await;
        assert!(matches!(error, Err(RecvError::Disconnected(_)) | Ok(None)), "{error:?}");
    });
}

#[test]
fn the_ends_of_a_channel_keep_their_worker() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let mut log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        let values = worker.sender::<u32>("log").await.unwrap();
        let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
        drop(worker);
        let working = tokio::spawn(async move {
            while let Some(job) = taken.recv().await.unwrap() {
                answers.send(job).await.unwrap();
            }
        });
        assert_eq!(jobs.call(1).await.unwrap(), 1);
        drop(jobs);
        working.await.unwrap();
        values.send(2).await.unwrap();
        assert_eq!(log.recv().await.unwrap(), Some(2));
        drop(values);
        until(|| server.workers().is_empty()).await;
    });
}

#[test]
fn the_results_sender_can_be_dropped_before_the_receiver() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        drop(answers);
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let mut seen = Vec::new();
        while let Some(job) = taken.recv().await.unwrap() {
            seen.push(job);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert!(collect(&mut results).await.is_empty());
        assert_eq!(server.stats().channel("work").unwrap().completed, 10);
    });
}

#[test]
fn the_ends_of_a_channel_keep_their_server() {
    run(async {
        let server = server().await;
        let address = server.local_addr().clone();
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        drop(server);
        let worker = Worker::connect(&address).await.unwrap();
        tokio::spawn(worker.serve("work", |job: u32| async move { job }).into_future());
        jobs.send(1).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(1));
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn with_the_last_end_of_its_channels_a_server_shuts_down() {
    run(async {
        let server = server().await;
        let address = server.local_addr().clone();
        let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        drop((server, jobs));
        assert!(!worker.is_closed());
        drop(results);
        let (code, reason) = worker.closed().await;
        assert_eq!((code, &*reason), (Code::Shutdown, "the server shuts down"));
        let error = taken.recv().await.unwrap_err();
        assert!(matches!(error, RecvError::Disconnected(_)), "{error:?}");
        let error = answers.send(1).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Disconnected(_)), "{error:?}");
        until(|| std::net::TcpListener::bind(address.to_string()).is_ok()).await;
    });
}

#[test]
fn a_server_that_is_dropped_without_channels_frees_its_address() {
    run(async {
        let server = server().await;
        let address = server.local_addr().to_string();
        let worker = worker(&server).await;
        drop(server.clone());
        assert!(!worker.is_closed());
        drop(server);
        assert_eq!(worker.closed().await.0, Code::Shutdown);
        until(|| std::net::TcpListener::bind(&address).is_ok()).await;
    });
}

#[test]
fn a_worker_that_was_lost_says_so_when_it_closes() {
    run(async {
        let server = server().await;
        let worker = worker(&server).await;
        server.shutdown().await;
        worker.closed().await;
        let error = worker.close().await.unwrap_err();
        assert!(matches!(error, ConnectError::Lost { code: Code::Shutdown, .. }), "{error:?}");
        assert_eq!(error.to_string(), "the connection to the server is over: the server shuts down");
        assert!(worker.drain().await.is_err());
        let refused = worker.channel::<u32, u32>("work").await.unwrap_err();
        assert!(refused.to_string().contains("the server shuts down"), "{refused}");
    });
}

#[test]
fn a_server_serves_after_its_channel_has_ended() {
    run(async {
        let server = server().await;
        for round in 0..5 {
            let name = format!("round {round}");
            let (jobs, mut results) = server.channel::<u32, u32>(&name).open().unwrap();
            let serving =
                tokio::spawn(worker(&server).await.serve(name, |job: u32| async move { job }).into_future());
            for job in 0..10 {
                jobs.send(job).await.unwrap();
            }
            drop(jobs);
            assert_eq!(sorted(collect(&mut results).await), (0..10).collect::<Vec<_>>());
            serving.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_runtime_that_ends_first_keeps_nobody_waiting() {
    run(async {
        let outlived = tokio::task::spawn_blocking(|| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (jobs, mut results, mut taken) = runtime.block_on(async {
                let server = server().await;
                let (jobs, results) = server.channel::<u32, u32>("work").capacity(1).open().unwrap();
                // The worker's own tasks outlive its runtime: it would look for its server.
                let worker = Worker::builder().reconnect(Duration::ZERO);
                let worker = worker.connect(server.local_addr().clone()).await.unwrap();
                let (taken, _) = worker.channel::<u32, u32>("work").await.unwrap();
                (jobs, results, taken)
            });
            drop(runtime);
            assert!(matches!(results.blocking_recv(), Err(RecvError::Shutdown)));
            assert!(matches!(taken.blocking_recv(), Err(RecvError::Disconnected(_))));
            assert_eq!(jobs.blocking_send(1).unwrap_err().into_inner(), 1);
        });
        outlived.await.unwrap();
    });
}
