//! One job, one answer: `call`.

use std::future::IntoFuture;

use distchan::codec::Json;
use distchan::{CallError, JobSender, Receiver, SendErrorKind, Server, TryRecvError};

use crate::helpers::{Lucky, Shy, at_most, poll_once, run, server, worker};

/// A server whose channel "work" has no worker yet.
async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    (server, jobs, results)
}

#[test]
fn a_call_returns_the_result_which_does_not_go_to_the_receiver() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        jobs.send(10).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(11));
        assert!(matches!(results.try_recv(), Err(TryRecvError::Empty)));
    });
}

#[test]
fn many_concurrent_calls_get_each_its_own_answer() {
    run(async {
        let (server, jobs, _results) = opened().await;
        for _ in 0..3 {
            let serving = worker(&server).await.serve("work", |job: u32| async move {
                for _ in 0..job % 5 {
                    tokio::task::yield_now().await;
                }
                job * 3
            });
            tokio::spawn(serving.concurrency(8).into_future());
        }
        let calling: Vec<_> = (0..1000)
            .map(|job| {
                let jobs = jobs.clone();
                tokio::spawn(async move { (job, jobs.call(job).await.unwrap()) })
            })
            .collect();
        for calling in calling {
            let (job, answer) = calling.await.unwrap();
            assert_eq!(answer, job * 3);
        }
    });
}

#[test]
fn a_call_waits_for_a_worker() {
    run(async {
        let (server, jobs, _results) = opened().await;
        let mut calling = Box::pin(async move { jobs.call(1).await.unwrap() });
        assert!(at_most(1, &mut calling).await.is_none());
        let calling = tokio::spawn(calling);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(calling.await.unwrap(), 2);
    });
}

#[test]
fn a_call_whose_job_fails_is_an_error_with_the_reason() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server)
            .await
            .try_serve("work", |job: u32| async move { Err::<u32, _>(format!("no {job}")) });
        tokio::spawn(serving.into_future());
        let error = jobs.call(5).await.unwrap_err();
        assert_eq!(error.to_string(), "job 1 failed in attempt 1: no 5");
        let CallError::Failed(failed) = error else { panic!("{error:?}") };
        assert_eq!(failed.reason(), "no 5");
        assert!(matches!(results.try_recv(), Err(TryRecvError::Empty)), "the receiver hears nothing of it");
    });
}

#[test]
fn a_call_whose_job_has_no_result_is_an_error() {
    run(async {
        let (server, jobs, _results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let finishing = tokio::spawn(async move { taken.next_job().await.unwrap().unwrap().finish() });
        let error = jobs.call(5).await.unwrap_err();
        assert!(matches!(error, CallError::NoResult), "{error:?}");
        assert_eq!(error.to_string(), "the job was completed without a result");
        finishing.await.unwrap();
    });
}

#[test]
fn a_call_whose_job_has_several_results_returns_the_first() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        tokio::spawn(async move {
            while let Some(job) = taken.recv().await.unwrap() {
                for result in job..job + 3 {
                    answers.send(result).await.unwrap();
                }
            }
        });
        assert_eq!(jobs.call(5).await.unwrap(), 5);
        assert!(matches!(results.try_recv(), Err(TryRecvError::Empty)));
    });
}

#[test]
fn a_call_whose_result_does_not_decode_is_an_error() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, Lucky>("work").codec(Json).open().unwrap();
        let serving = worker(&server).await.serve("work", |job: u32| async move { Lucky(job) }).codec(Json);
        tokio::spawn(serving.into_future());
        let error = jobs.call(13).await.unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
        assert!(error.to_string().contains("13 is unlucky"), "{error}");
        assert_eq!(jobs.call(1).await.unwrap(), Lucky(1));
    });
}

#[test]
fn a_call_whose_job_was_not_sent_gives_it_back() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Shy, u32>("work").open().unwrap();
        let error = jobs.call(Shy::REFUSED).await.unwrap_err();
        let CallError::Send(error) = error else { panic!("{error:?}") };
        assert_eq!(error.into_inner(), Shy::REFUSED);
        jobs.close();
        let error = jobs.call(Shy::new(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "the channel is closed");
        let CallError::Send(error) = error else { panic!("{error:?}") };
        assert!(matches!(error.kind(), SendErrorKind::Closed));
        assert_eq!(error.into_inner(), Shy::new(1));
    });
}

#[test]
fn a_call_that_is_not_answered_before_the_shutdown_is_an_error() {
    run(async {
        let (server, jobs, _results) = opened().await;
        let mut calling = Box::pin(async move { jobs.call(1).await.unwrap_err() });
        assert!(at_most(1, &mut calling).await.is_none());
        let calling = tokio::spawn(calling);
        server.shutdown().await;
        let error = calling.await.unwrap();
        assert!(matches!(error, CallError::Shutdown), "{error:?}");
        assert_eq!(error.to_string(), "the server was shut down before the job had its outcome");
    });
}

#[test]
fn a_call_survives_the_death_of_its_worker() {
    run(async {
        let (server, jobs, _results) = opened().await;
        let calling = tokio::spawn(async move { jobs.call(1).await.unwrap() });
        for _ in 0..3 {
            let dying = worker(&server).await;
            let (mut taken, _answers) = dying.channel::<u32, u32>("work").await.unwrap();
            assert_eq!(taken.recv().await.unwrap(), Some(1));
        }
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(calling.await.unwrap(), 2);
    });
}

#[test]
fn a_call_that_is_dropped_after_its_job_was_sent_is_cancelled() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        assert!(poll_once(jobs.call(1)).is_none());
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(jobs.call(2).await.unwrap(), 3);
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.submitted, stats.completed, stats.cancelled), (2, 1, 1));
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn a_call_keeps_the_channel_open_until_it_is_answered() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let mut calling = Box::pin(async move { jobs.call(1).await.unwrap() });
        assert!(at_most(1, &mut calling).await.is_none());
        let calling = tokio::spawn(calling);
        worker(&server).await.serve("work", |job: u32| async move { job + 1 }).await.unwrap();
        assert_eq!(calling.await.unwrap(), 2);
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn the_receiver_can_be_dropped_where_only_calls_are_made() {
    run(async {
        let (server, jobs, results) = opened().await;
        drop(results);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        for job in 0..100 {
            assert_eq!(jobs.call(job).await.unwrap(), job + 1);
        }
    });
}
