//! A handler that panics has failed its job, with the message and the place; its worker lives.

use std::future::IntoFuture;

use distchan::{JobFailed, JobSender, Receiver, Server};

use crate::helpers::{failure, run, server, worker};

/// The line on which the next line's panic stands.
macro_rules! next_line {
    () => {
        line!() + 1
    };
}

async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    (server, jobs, results)
}

/// Sends a job that panics and one that does not.
async fn panic_and_go_on(jobs: &JobSender<u32, u32>, results: &mut Receiver<u32>) -> JobFailed {
    jobs.send(13).await.unwrap();
    let failed = failure(results.recv().await);
    jobs.send(1).await.unwrap();
    assert_eq!(results.recv().await.unwrap(), Some(1));
    failed
}

/// The reason names this file, the line, and the message.
fn check(failed: &JobFailed, line: u32, message: &str) {
    let place = format!("serving_panics.rs:{line}:");
    assert!(failed.reason().starts_with("panicked at "), "{failed}");
    assert!(failed.reason().contains(&place), "{failed} should name {place}");
    assert!(failed.reason().ends_with(&format!(": {message}")), "{failed}");
}

#[test]
fn a_panic_in_serve_fails_the_job_with_its_message_and_place() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let line = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let at = std::sync::Arc::clone(&line);
        let serving = worker(&server).await.serve("work", move |job: u32| {
            at.store(next_line!() + 2, std::sync::atomic::Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                assert_ne!(job, 13, "job {job} is unlucky");
                job
            }
        });
        let serving = tokio::spawn(serving.concurrency(1).into_future());
        let failed = panic_and_go_on(&jobs, &mut results).await;
        assert!(failed.reason().contains("job 13 is unlucky"), "{failed}");
        let place = format!("serving_panics.rs:{}:", line.load(std::sync::atomic::Ordering::SeqCst));
        assert!(failed.reason().contains(&place), "{failed} should name {place}");
        drop(jobs);
        serving.await.unwrap().unwrap();
    });
}

/// A panic with a text that is made on the spot, at the line that it returns otherwise.
fn unlucky(job: u32) -> u32 {
    let line = next_line!();
    if job == 13 { panic!("job {job} is unlucky") } else { line }
}

#[test]
fn a_panic_in_serve_blocking_fails_the_job_with_its_message_and_place() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve_blocking("work", |job: u32| {
            unlucky(job);
            job
        });
        let serving = tokio::spawn(serving.concurrency(1).into_future());
        check(&panic_and_go_on(&jobs, &mut results).await, unlucky(0), "job 13 is unlucky");
        drop(jobs);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_before_the_first_await_fails_the_job_with_its_message_and_place() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve("work", |job: u32| {
            unlucky(job);
            async move { job }
        });
        tokio::spawn(serving.into_future());
        check(&panic_and_go_on(&jobs, &mut results).await, unlucky(0), "job 13 is unlucky");
    });
}

#[test]
fn a_panic_in_try_serve_fails_the_job_with_its_message_and_place() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.try_serve("work", |job: u32| async move {
            unlucky(job);
            Ok::<_, String>(job)
        });
        tokio::spawn(serving.into_future());
        check(&panic_and_go_on(&jobs, &mut results).await, unlucky(0), "job 13 is unlucky");
    });
}

#[test]
fn a_panic_in_try_serve_blocking_fails_the_job_with_its_message_and_place() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.try_serve_blocking("work", |job: u32| {
            unlucky(job);
            Ok::<_, String>(job)
        });
        tokio::spawn(serving.into_future());
        check(&panic_and_go_on(&jobs, &mut results).await, unlucky(0), "job 13 is unlucky");
    });
}

#[test]
fn a_panic_without_a_text_fails_the_job_too() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve_blocking("work", |job: u32| {
            if job == 13 {
                std::panic::panic_any(5_u8);
            }
            job
        });
        tokio::spawn(serving.into_future());
        let failed = panic_and_go_on(&jobs, &mut results).await;
        assert!(failed.reason().contains("serving_panics.rs:"), "{failed}");
    });
}

#[test]
fn many_panics_cost_no_thread_and_no_worker() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve_blocking("work", |job: u32| {
            std::panic::resume_unwind(Box::new(job));
            #[expect(unreachable_code, reason = "it says what the handler returns")]
            job
        });
        let serving = tokio::spawn(serving.concurrency(3).into_future());
        for job in 0..200 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        for _ in 0..200 {
            failure(results.recv().await);
        }
        assert_eq!(results.recv().await.unwrap(), None);
        serving.await.unwrap().unwrap();
    });
}
