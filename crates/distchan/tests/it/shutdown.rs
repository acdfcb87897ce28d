//! "Lost is not finished": what a shutdown looks like from everywhere.

use std::time::Duration;

use distchan::{ChannelError, Code, RecvError, SendErrorKind, Server, Worker};

use crate::helpers::{collect, poll_once, run, run_paused, server, until, worker};
use crate::place::place;

#[test]
fn receivers_of_unfinished_channels_get_an_error_and_not_the_end() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let mut log = server.receiver::<u32>("log").open().unwrap();
        let waiting = tokio::spawn(async move { log.recv().await });
        jobs.send(1).await.unwrap();
        server.shutdown().await;
        let error = results.recv().await.unwrap_err();
        assert!(matches!(error, RecvError::Shutdown), "{error:?}");
        assert_eq!(error.to_string(), "the server was shut down before the work was done");
        assert!(matches!(results.recv().await, Err(RecvError::Shutdown)), "it is final");
        assert!(matches!(waiting.await.unwrap(), Err(RecvError::Shutdown)));
        assert!(jobs.is_closed());
        let error = jobs.send(2).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Closed), "{error:?}");
    });
}

#[test]
fn a_closed_channel_with_unfinished_jobs_is_not_finished() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        jobs.send(1).await.unwrap();
        drop(jobs);
        server.shutdown().await;
        assert!(matches!(results.recv().await, Err(RecvError::Shutdown)));
    });
}

#[test]
fn results_that_have_come_are_still_read_before_the_error() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
            taken.next_job().await.unwrap().unwrap().complete(job).await.unwrap();
        }
        until(|| server.stats().channel("work").unwrap().completed == 10).await;
        server.shutdown().await;
        for job in 0..10 {
            assert_eq!(results.recv().await.unwrap(), Some(job));
        }
        assert!(matches!(results.recv().await, Err(RecvError::Shutdown)));
    });
}

#[test]
fn a_finished_channel_ends_and_nothing_of_it_is_lost() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).concurrency(1).await.unwrap();
        server.shutdown().await;
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn workers_get_an_error_and_not_the_end() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let values = server.sender::<u32>("values").open().unwrap();
        let worker = worker(&server).await;
        let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
        let mut received = worker.receiver::<u32>("values").await.unwrap();
        jobs.send(1).await.unwrap();
        values.send(2).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        assert_eq!(received.recv().await.unwrap(), Some(2));
        let waiting = tokio::spawn(async move { received.recv().await });
        server.shutdown().await;
        for error in [taken.recv().await.map(|_| ()), waiting.await.unwrap().map(|_| ())] {
            let error = error.unwrap_err();
            assert!(matches!(error, RecvError::Disconnected(_)), "{error:?}");
            assert_eq!(error.to_string(), "the other side is gone: the server shuts down");
        }
        assert!(matches!(taken.recv().await, Err(RecvError::Disconnected(_))), "it is final");
        assert!(matches!(taken.next_job().await, Err(RecvError::Disconnected(_))));
        assert_eq!(answers.send(3).await.unwrap_err().into_inner(), 3);
        let (code, reason) = worker.closed().await;
        assert_eq!((code, &*reason), (Code::Shutdown, "the server shuts down"));
    });
}

#[test]
fn the_address_is_free_again_at_once() {
    run(async {
        let mut address = place();
        for _ in 0..20 {
            let server = Server::bind(&address).await.unwrap();
            address = server.local_addr().to_string();
            let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
            let worker = worker(&server).await;
            let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
            jobs.send(1).await.unwrap();
            assert_eq!(taken.recv().await.unwrap(), Some(1));
            server.shutdown().await;
        }
    });
}

#[test]
fn a_memory_name_is_free_again_at_once() {
    run_paused(async {
        for _ in 0..3 {
            let server = Server::bind("memory:free again").await.unwrap();
            let _worker = Worker::connect("memory:free again").await.unwrap();
            server.shutdown().await;
        }
    });
}

#[test]
fn a_shutdown_server_keeps_nobody_waiting() {
    run(async {
        let server = server().await;
        let address = server.local_addr().clone();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        jobs.send(1).await.unwrap();
        let waiting = tokio::spawn({
            let server = server.clone();
            async move { server.wait_for_workers(5).await }
        });
        assert!(poll_once(server.drain()).is_none());
        server.shutdown().await;
        waiting.await.unwrap();
        server.wait_for_workers(1).await;
        server.drain().await;
        server.shutdown().await;
        assert!(Worker::connect(&address).await.is_err());
    });
}

#[test]
fn no_channel_is_opened_after_the_shutdown() {
    run(async {
        let server = server().await;
        let _before = server.channel::<u32, u32>("before").open().unwrap();
        server.shutdown().await;
        let error = server.channel::<u32, u32>("after").open().unwrap_err();
        assert_eq!(
            (&error, error.to_string().as_str()),
            (&ChannelError::Shutdown, "this server is shut down")
        );
        assert_eq!(server.sender::<u32>("after").open().unwrap_err(), ChannelError::Shutdown);
        assert_eq!(server.receiver::<u32>("after").open().unwrap_err(), ChannelError::Shutdown);
    });
}

#[test]
fn a_peer_that_does_not_answer_holds_a_shutdown_up_for_a_second_at_most() {
    run_paused(async {
        let server = Server::bind("memory:silent peers").await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..5 {
            silent.push(distchan::transport::Stream::connect(server.local_addr()).await.unwrap());
        }
        crate::helpers::settle().await;
        let began = tokio::time::Instant::now();
        server.shutdown().await;
        assert!(began.elapsed() <= Duration::from_millis(1100), "{:?}", began.elapsed());
    });
}
