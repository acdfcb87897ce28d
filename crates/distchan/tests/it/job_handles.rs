//! Jobs that were submitted: handles of answers to come.

use std::future::IntoFuture;

use distchan::{CallError, JobId, Server, Worker};

use crate::helpers::{poll_once, run, run_paused, server, settle, worker};

/// Does what is sent to `server`.
async fn doubles(server: &Server) {
    let serving = worker(server).await.serve("work", |job: u32| async move { job * 2 });
    tokio::spawn(serving.into_future());
}

#[test]
fn a_handle_yields_its_jobs_result() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let mut handles = Vec::new();
        for job in 0..100 {
            handles.push(jobs.submit(job).await.unwrap());
        }
        drop(jobs);
        doubles(&server).await;
        for (handle, job) in handles.into_iter().zip(0..) {
            assert_eq!(handle.id(), JobId(u64::from(job) + 1));
            assert_eq!(handle.await.unwrap(), job * 2);
        }
        assert_eq!(
            results.recv().await.unwrap(),
            None,
            "it keeps no channel open, and its result goes nowhere else"
        );
        assert_eq!(server.stats().channel("work").unwrap().cancelled, 0);
    });
}

#[test]
fn a_handle_that_is_detached_lets_its_job_be_done() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        jobs.submit(1).await.unwrap().detach();
        drop(jobs);
        doubles(&server).await;
        assert_eq!(results.recv().await.unwrap(), None);
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.completed, stats.cancelled, stats.unread_bytes), (1, 0, 0));
    });
}

#[test]
fn a_handle_that_is_dropped_after_its_result_came_disturbs_nothing() {
    run_paused(async {
        let server = Server::bind("memory:late drop").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = Worker::connect("memory:late drop").await.unwrap();
        tokio::spawn(worker.serve("work", |job: u32| async move { job }).into_future());
        let handle = jobs.submit(1).await.unwrap();
        settle().await;
        handle.cancel();
        assert_eq!(handle.await.unwrap(), 1, "the result was faster");
        drop(jobs.submit(2).await.unwrap());
        let late = jobs.submit(3).await.unwrap();
        settle().await;
        drop(late);
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.completed, stats.cancelled, stats.unread_bytes), (2, 1, 0));
    });
}

#[test]
fn a_handle_of_a_job_without_a_result_or_of_a_server_that_ends_says_so() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let empty = jobs.submit(1).await.unwrap();
        taken.next_job().await.unwrap().unwrap().finish();
        assert!(matches!(empty.await, Err(CallError::NoResult)));
        let unfinished = jobs.submit(2).await.unwrap();
        server.shutdown().await;
        assert!(matches!(unfinished.await, Err(CallError::Shutdown)));
        let error = jobs.submit(3).await.unwrap_err();
        assert_eq!(error.into_inner(), 3);
    });
}

#[test]
fn a_submit_that_is_dropped_while_it_waits_for_room_sends_nothing() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").capacity(1).open().unwrap();
        let first = jobs.submit(1).await.unwrap();
        assert!(poll_once(jobs.submit(2)).is_none());
        doubles(&server).await;
        assert_eq!(first.await.unwrap(), 2);
        assert_eq!(server.stats().channel("work").unwrap().submitted, 1);
    });
}
