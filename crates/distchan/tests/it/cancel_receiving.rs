//! Receives that are dropped at their await points again and again: nothing is lost, nothing is doubled.

use std::future::IntoFuture;

use distchan::{JobSender, Receiver, Server};

use crate::helpers::{breathe, collect, poll_once, run, server, worker};

pub(crate) const VALUES: u32 = 500;

/// A channel with little room and a worker that is quick.
pub(crate) async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").capacity(3).open().unwrap();
    (server, jobs, results)
}

pub(crate) fn all() -> Vec<u32> {
    (0..VALUES).collect()
}

#[test]
fn dropped_recvs_of_results_lose_nothing() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve("work", |job: u32| async move { job });
        tokio::spawn(serving.concurrency(1).into_future());
        tokio::spawn(async move {
            for job in 0..VALUES {
                jobs.send(job).await.unwrap();
            }
        });
        let mut seen = Vec::new();
        loop {
            match poll_once(results.recv()) {
                Some(Ok(Some(result))) => seen.push(result),
                Some(end) => break assert_eq!(end.unwrap(), None),
                None => breathe().await,
            }
        }
        assert_eq!(seen, all());
    });
}

#[test]
fn dropped_recv_manys_of_results_lose_nothing() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve("work", |job: u32| async move { job });
        tokio::spawn(serving.concurrency(1).into_future());
        tokio::spawn(async move {
            for job in 0..VALUES {
                jobs.send(job).await.unwrap();
            }
        });
        let mut seen = Vec::new();
        loop {
            match poll_once(results.recv_many(&mut seen, 7)) {
                Some(Ok(0)) => break,
                Some(count) => assert!((1..=7).contains(&count.unwrap())),
                None => breathe().await,
            }
        }
        assert_eq!(seen, all());
    });
}

#[test]
fn dropped_recvs_of_jobs_lose_no_job() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            loop {
                match poll_once(taken.recv()) {
                    Some(Ok(Some(job))) => answers.send(job).await.unwrap(),
                    Some(end) => break assert_eq!(end.unwrap(), None),
                    None => breathe().await,
                }
            }
        });
        for job in 0..VALUES {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, all());
        working.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().redelivered, 0);
    });
}

#[test]
fn a_recv_that_is_dropped_has_completed_the_job_before() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        answers.send(10).await.unwrap();
        drop(taken.recv());
        assert!(poll_once(results.recv()).is_none(), "a future that was never polled does nothing");
        assert_eq!(poll_once(taken.recv()).map(Result::unwrap), None);
        assert_eq!(results.recv().await.unwrap(), Some(10));
    });
}

#[test]
fn dropped_next_jobs_lose_no_job() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            loop {
                match poll_once(taken.next_job()) {
                    Some(Ok(Some(job))) => job.complete(*job).await.unwrap(),
                    Some(end) => break assert!(end.unwrap().is_none()),
                    None => breathe().await,
                }
            }
        });
        for job in 0..VALUES {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, all());
        working.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().redelivered, 0);
    });
}

#[test]
fn dropped_recv_manys_of_jobs_lose_no_job() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                match poll_once(taken.recv_many(&mut held, 5)) {
                    Some(Ok(0)) => break,
                    Some(count) => assert_eq!(count.unwrap(), held.len()),
                    None => breathe().await,
                }
                for job in held.drain(..) {
                    job.complete(*job).await.unwrap();
                }
            }
        });
        for job in 0..VALUES {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, all());
        working.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().redelivered, 0);
    });
}

#[test]
fn a_recv_that_loses_every_race_is_only_late() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    next = taken.recv() => match next.unwrap() {
                        Some(job) => {
                            seen.push(job);
                            answers.send(job).await.unwrap();
                        }
                        None => break seen,
                    },
                    () = tokio::task::yield_now() => {}
                }
            }
        });
        for job in 0..VALUES {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, all());
        assert_eq!(working.await.unwrap(), all());
    });
}
