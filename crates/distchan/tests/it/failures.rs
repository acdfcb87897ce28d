//! What is told of jobs that were not completed, and what can be done with them.

use std::future::IntoFuture;

use distchan::codec::Json;
use distchan::{JobSender, Outcome, Receiver, RetryErrorKind, SendErrorKind, Server, ValueError};

use crate::helpers::{Blob, collect, failure, poll_once, run, server, sorted, until, worker};

/// A channel whose odd jobs fail.
async fn with_odd_failures(server: &Server) -> (JobSender<u32, u32>, Receiver<u32>) {
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    let serving = worker(server)
        .await
        .try_serve("work", |job: u32| async move { if job % 2 == 1 { Err("odd") } else { Ok(job) } });
    tokio::spawn(serving.into_future());
    (jobs, results)
}

#[test]
fn a_failed_job_has_its_value_in_whatever_codec() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<(u8, String), u32>("work").codec(Json).open().unwrap();
        let serving =
            worker(&server).await.try_serve("work", |_: (u8, String)| async { Err::<u32, _>("no") });
        tokio::spawn(serving.codec(Json).into_future());
        jobs.send((7, "seven".to_owned())).await.unwrap();
        let failed = failure(results.recv().await);
        assert_eq!(failed.value::<(u8, String)>().unwrap(), (7, "seven".to_owned()));
        assert_eq!(failed.to_string(), "job 1 failed in attempt 1: no");
        let error = failed.value::<u32>().unwrap_err();
        assert!(matches!(error, ValueError::OtherType { .. }));
        assert_eq!(
            error.to_string(),
            "the jobs of this channel are `(u8, alloc::string::String)`, and not `u32`"
        );
        assert!(!format!("{failed:?}").contains("seven"), "values are nobody's business");
    });
}

#[test]
fn failed_jobs_are_set_aside_and_retried_in_one_call() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = with_odd_failures(&server).await;
        let failed = results.failed();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        let mut done = Vec::new();
        let mut odd = Vec::new();
        while done.len() + odd.len() < 10 {
            tokio::select! {
                result = results.recv() => done.push(result.unwrap().unwrap()),
                job = failed.next() => odd.push(job),
            }
        }
        assert_eq!(sorted(done), [0, 2, 4, 6, 8]);
        assert_eq!(sorted(odd.iter().map(|job| job.value::<u32>().unwrap()).collect()), [1, 3, 5, 7, 9]);
        assert!(failed.is_empty());
        assert_eq!(jobs.retry(odd).await.unwrap(), 5);
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(failed.len(), 5);
        let again = failed.take();
        assert_eq!(sorted(again.iter().map(|job| job.value::<u32>().unwrap()).collect()), [1, 3, 5, 7, 9]);
        assert!(
            again.iter().all(|job| job.job().0 > 10 && job.outcome() == Outcome::Failed),
            "they are new jobs"
        );
        assert!(failed.is_empty());
    });
}

#[test]
fn failed_jobs_that_are_set_aside_count_as_unread_until_they_are_taken() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Blob, u32>("work").open().unwrap();
        let serving = worker(&server).await.try_serve("work", |blob: Blob| async move {
            if blob.0.is_empty() { Ok(1_u32) } else { Err("too large") }
        });
        tokio::spawn(serving.into_future());
        let unread = || server.stats().channel("work").unwrap().unread_bytes;
        let failed = results.failed();
        for _ in 0..3 {
            jobs.send(Blob(vec![0; 1 << 20])).await.unwrap();
            jobs.send(Blob(Vec::new())).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(results.recv().await.unwrap(), Some(1));
        }
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(failed.len(), 3);
        assert!(unread() > 3 << 20, "{}", unread());
        drop(poll_once(failed.next()).unwrap());
        assert!((2 << 20..3 << 20).contains(&unread()), "{}", unread());
        drop(results);
        assert!(unread() > 2 << 20, "a receiver that is gone takes nothing of it along");
        assert_eq!(failed.take().len(), 2);
        assert_eq!(unread(), 0);
    });
}

#[test]
fn once_nobody_holds_them_failed_jobs_are_errors_again() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = with_odd_failures(&server).await;
        let failed = results.failed();
        let same = results.failed();
        jobs.send(1).await.unwrap();
        jobs.send(2).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(2));
        until(|| poll_once(results.recv()).is_some() || same.len() == 1).await;
        drop(failed);
        jobs.send(3).await.unwrap();
        jobs.send(4).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(4));
        until(|| poll_once(results.recv()).is_some() || same.len() == 2).await;
        drop(same);
        jobs.send(5).await.unwrap();
        assert_eq!(failure(results.recv().await).value::<u32>().unwrap(), 5);
        drop(jobs);
        assert!(collect(&mut results).await.is_empty());
        assert_eq!(server.stats().channel("work").unwrap().unread_bytes, 0);
    });
}

#[test]
fn only_the_jobs_of_its_own_open_channel_are_retried() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = with_odd_failures(&server).await;
        let (others, _others) = server.channel::<u32, u32>("others").open().unwrap();
        jobs.send(1).await.unwrap();
        jobs.send(3).await.unwrap();
        let failed = [failure(results.recv().await), failure(results.recv().await)];
        let error = others.retry(failed.clone()).await.unwrap_err();
        assert!(matches!(error.kind(), RetryErrorKind::OtherChannel));
        assert_eq!(
            error.to_string(),
            "0 jobs were sent again, 2 were not: the next failed on another channel"
        );
        assert_eq!((error.sent(), error.into_rest().len()), (0, 2));
        jobs.close();
        let error = jobs.retry(failed).await.unwrap_err();
        assert!(matches!(error.kind(), RetryErrorKind::Send(SendErrorKind::Closed)));
    });
}
