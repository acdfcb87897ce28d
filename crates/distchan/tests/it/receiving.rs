//! The receiving verbs: now, many, as a stream, until the end.

use std::future::IntoFuture;

use distchan::{JobSender, Receiver, Server, TryRecvError};
use futures_util::{StreamExt, TryStreamExt};

use crate::helpers::{Blob, breathe, poll_once, run, server, sorted, until, worker};

/// A server and a worker's receiving end of a one-way channel, where `count` values have arrived.
async fn arrived(count: u32) -> (Server, distchan::Sender<u32>, Receiver<u32>) {
    let server = server().await;
    let values = server.sender::<u32>("values").credit(1000).open().unwrap();
    let received = worker(&server).await.receiver::<u32>("values").await.unwrap();
    for value in 0..count {
        values.send(value).await.unwrap();
    }
    (server, values, received)
}

async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").credit(1000).open().unwrap();
    (server, jobs, results)
}

/// `try_recv` until there is something.
async fn some_time<T>(receiver: &mut Receiver<T>) -> Result<T, TryRecvError> {
    loop {
        match receiver.try_recv() {
            Err(TryRecvError::Empty) => breathe().await,
            other => return other,
        }
    }
}

#[test]
fn try_recv_is_empty_then_a_value_then_closed() {
    run(async {
        let (_server, values, mut received) = arrived(0).await;
        let error = received.try_recv().unwrap_err();
        assert!(matches!(error, TryRecvError::Empty));
        assert_eq!(error.to_string(), "no value has come yet");
        values.send(7).await.unwrap();
        assert_eq!(some_time(&mut received).await.unwrap(), 7);
        drop(values);
        let error = some_time(&mut received).await.unwrap_err();
        assert!(matches!(error, TryRecvError::Closed), "{error:?}");
        assert_eq!(error.to_string(), "the channel is closed and drained");
        assert!(received.is_closed());
    });
}

#[test]
fn try_recv_of_jobs_is_empty_then_a_job_then_closed() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        assert!(matches!(taken.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(results.try_recv(), Err(TryRecvError::Empty)));
        jobs.send(7).await.unwrap();
        let job = loop {
            match taken.try_recv() {
                Err(TryRecvError::Empty) => breathe().await,
                other => break other.unwrap(),
            }
        };
        answers.send(job * 10).await.unwrap();
        drop(jobs);
        // Asking for the next completes the one before.
        let end = loop {
            match taken.try_recv() {
                Err(TryRecvError::Empty) => breathe().await,
                other => break other.unwrap_err(),
            }
        };
        assert!(matches!(end, TryRecvError::Closed), "{end:?}");
        assert_eq!(some_time(&mut results).await.unwrap(), 70);
        assert!(matches!(some_time(&mut results).await, Err(TryRecvError::Closed)));
    });
}

#[test]
fn try_recv_tells_of_failed_jobs_and_of_the_shutdown() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        jobs.send(7).await.unwrap();
        taken.next_job().await.unwrap().unwrap().fail("no");
        let error = some_time(&mut results).await.unwrap_err();
        assert_eq!(error.to_string(), "job 1 failed in attempt 1: no");
        server.shutdown().await;
        let error = some_time(&mut results).await.unwrap_err();
        assert!(matches!(error, TryRecvError::Failed(distchan::RecvError::Shutdown)), "{error:?}");
    });
}

#[test]
fn recv_many_takes_what_is_here_up_to_the_limit() {
    run(async {
        let (server, values, mut received) = arrived(10).await;
        until(|| server.stats().channel("values").unwrap().in_flight == 10).await;
        let mut seen = vec![100];
        let (mut total, mut calls) = (0, 0);
        while total < 10 {
            let count = received.recv_many(&mut seen, 4).await.unwrap();
            assert!((1..=4).contains(&count));
            total += count;
            calls += 1;
            assert_eq!(seen.len(), 1 + total);
        }
        assert!(calls >= 3);
        assert_eq!(seen, [100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(received.recv_many(&mut seen, 0).await.unwrap(), 0);
        drop(values);
        assert_eq!(received.recv_many(&mut seen, 4).await.unwrap(), 0);
        assert_eq!(seen.len(), 11);
    });
}

#[test]
fn recv_many_leaves_all_its_values_in_hand_until_the_next_call() {
    run(async {
        let (server, values, mut received) = arrived(10).await;
        let mut seen = Vec::new();
        while seen.is_empty() {
            received.recv_many(&mut seen, 10).await.unwrap();
        }
        drop(received);
        let mut other = worker(&server).await.receiver::<u32>("values").await.unwrap();
        drop(values);
        let all = crate::helpers::collect(&mut other).await;
        assert_eq!(sorted(all), (0..10).collect::<Vec<_>>(), "those in hand too");
    });
}

#[test]
fn recv_many_of_results_gathers_what_came() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        let (mut seen, mut calls) = (Vec::new(), 0);
        while results.recv_many(&mut seen, 400).await.unwrap() > 0 {
            calls += 1;
        }
        assert_eq!(calls, 3, "all of them are here");
        assert_eq!(sorted(seen), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn recv_many_of_results_tells_of_a_failed_job_between_the_values() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
            let taken = taken.next_job().await.unwrap().unwrap();
            if job == 5 { taken.fail("five") } else { taken.complete(job).await.unwrap() }
        }
        drop(jobs);
        let (mut seen, mut failures) = (Vec::new(), 0);
        loop {
            match results.recv_many(&mut seen, 100).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.to_string(), "job 6 failed in attempt 1: five");
                    assert_eq!(seen, [0, 1, 2, 3, 4], "what came before it was handed over");
                    failures += 1;
                }
            }
        }
        assert_eq!((seen, failures), (vec![0, 1, 2, 3, 4, 6, 7, 8, 9], 1));
    });
}

#[test]
fn recv_many_of_jobs_takes_handles() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let mut held = Vec::new();
        assert_eq!(taken.recv_many(&mut held, 0).await.unwrap(), 0);
        while held.len() < 100 {
            let before = held.len();
            let count = taken.recv_many(&mut held, 30).await.unwrap();
            assert!((1..=30).contains(&count) && held.len() == before + count);
        }
        for job in held {
            job.complete(*job).await.unwrap();
        }
        assert_eq!(taken.recv_many(&mut Vec::new(), 30).await.unwrap(), 0);
        assert_eq!(crate::helpers::collect(&mut results).await, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn receivers_are_streams() {
    run(async {
        let (server, jobs, results) = opened().await;
        let (taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let working = tokio::spawn(async move {
            let mut taken = taken;
            while let Some(job) = taken.try_next().await.unwrap() {
                answers.send(job * 2).await.unwrap();
            }
        });
        let seen: Vec<u32> = results.map(Result::unwrap).collect().await;
        assert_eq!(seen, (0..100).map(|job| job * 2).collect::<Vec<_>>());
        working.await.unwrap();
    });
}

#[test]
fn a_stream_goes_on_after_a_failed_job() {
    run(async {
        let (server, jobs, results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..3 {
            jobs.send(job).await.unwrap();
            let taken = taken.next_job().await.unwrap().unwrap();
            if job == 1 { taken.fail("one") } else { taken.complete(job).await.unwrap() }
        }
        drop(jobs);
        let seen: Vec<_> = results.map(|result| result.map_err(|error| error.to_string())).collect().await;
        assert_eq!(seen, [Ok(0), Err("job 2 failed in attempt 1: one".to_owned()), Ok(2)]);
    });
}

#[test]
fn is_closed_says_that_nothing_more_comes() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        jobs.send(1).await.unwrap();
        drop(jobs);
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        assert!(!taken.is_closed() && !results.is_closed());
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        assert!(!taken.is_closed());
        answers.send(10).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), None);
        assert!(taken.is_closed());
        assert!(!results.is_closed(), "a result has not been taken");
        assert_eq!(results.recv().await.unwrap(), Some(10));
        until(|| results.is_closed()).await;
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn a_results_receiver_that_is_closed_or_dropped_holds_nobody_up() {
    run(async {
        let server = server().await;
        for (name, is_dropped) in [("dropped", true), ("closed", false)] {
            let (jobs, mut results) = server.channel::<u32, Blob>(name).capacity(8).open().unwrap();
            let worker = worker(&server).await;
            let serving = worker.serve(name, |_: u32| async { Blob(vec![0; 1 << 20]) });
            let serving = tokio::spawn(serving.into_future());
            if is_dropped {
                drop(results);
            } else {
                results.close();
                assert!(results.is_closed());
                assert_eq!(results.recv().await.unwrap(), None);
            }
            // More than may wait for a receiver.
            for job in 0..100 {
                jobs.send(job).await.unwrap();
            }
            drop(jobs);
            serving.await.unwrap().unwrap();
        }
    });
}

#[test]
fn the_receiver_of_a_channel_from_the_workers_ends_only_when_it_is_closed() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<u32>("log").open().unwrap();
        let values = worker(&server).await.sender::<u32>("log").await.unwrap();
        values.send(1).await.unwrap();
        drop(values);
        assert_eq!(log.recv().await.unwrap(), Some(1));
        assert!(poll_once(log.recv()).is_none(), "others may come");
        let values = worker(&server).await.sender::<u32>("log").await.unwrap();
        values.send(2).await.unwrap();
        assert_eq!(log.recv().await.unwrap(), Some(2));
        log.close();
        assert_eq!(log.recv().await.unwrap(), None);
    });
}
