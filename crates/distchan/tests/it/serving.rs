//! Workers that serve a channel with a function.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use distchan::{Attempt, Code, RecvError, ServeError};

use crate::helpers::{breathe, collect, failure, run, server, sorted, worker};

#[test]
fn serve_does_jobs_until_the_end() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let serving = tokio::spawn(
            worker(&server).await.serve("work", |job: u32| async move { job * 2 }).into_future(),
        );
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(sorted(collect(&mut results).await), (0..1000).map(|job| job * 2).collect::<Vec<_>>());
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn serve_blocking_does_jobs_until_the_end() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let serving =
            tokio::spawn(worker(&server).await.serve_blocking("work", |job: u32| job * 2).into_future());
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(sorted(collect(&mut results).await), (0..1000).map(|job| job * 2).collect::<Vec<_>>());
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn serve_works_on_as_many_jobs_at_once_as_asked_for() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let together = Arc::new(tokio::sync::Barrier::new(5));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, seen) = (Arc::clone(&running), Arc::clone(&most));
        let serving = worker(&server).await.serve("work", move |job: u32| {
            let (together, running, most) = (Arc::clone(&together), Arc::clone(&counted), Arc::clone(&seen));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                together.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                job
            }
        });
        tokio::spawn(serving.concurrency(5).into_future());
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 100);
        assert_eq!(most.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn serve_blocking_works_on_as_many_jobs_at_once_as_asked_for() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let together = Barrier::new(5);
        let serving = worker(&server).await.serve_blocking("work", move |job: u32| {
            together.wait();
            job
        });
        tokio::spawn(serving.concurrency(5).into_future());
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 100);
    });
}

#[test]
fn with_a_concurrency_of_one_jobs_are_done_in_order() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        tokio::spawn(
            worker(&server).await.serve_blocking("work", |job: u32| job).concurrency(1).into_future(),
        );
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..100).collect::<Vec<_>>());
    });
}

/// An odd number is an error.
fn half(job: u32) -> Result<u32, String> {
    if job.is_multiple_of(2) { Ok(job / 2) } else { Err(format!("{job} is odd")) }
}

#[test]
fn an_error_of_try_serve_fails_its_job_with_its_text() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("half").open().unwrap();
        let serving = worker(&server).await.try_serve("half", |job: u32| async move { half(job) });
        let serving = tokio::spawn(serving.concurrency(1).into_future());
        for job in [2, 3, 4] {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), Some(1));
        assert_eq!(failure(results.recv().await).reason(), "3 is odd");
        assert_eq!(collect(&mut results).await, [2]);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn an_error_of_try_serve_blocking_fails_its_job_with_its_text() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("half").open().unwrap();
        let serving =
            tokio::spawn(worker(&server).await.try_serve_blocking("half", half).concurrency(1).into_future());
        for job in [2, 3, 4] {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), Some(1));
        assert_eq!(failure(results.recv().await).reason(), "3 is odd");
        assert_eq!(collect(&mut results).await, [2]);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn serving_a_channel_of_other_types_is_an_error() {
    run(async {
        let server = server().await;
        let _work = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let error = worker.serve("work", |_: String| async { 0_u32 }).await.unwrap_err();
        let ServeError::Open(refused) = &error else { panic!("{error:?}") };
        assert_eq!(refused.code, Code::Types);
        assert_eq!(
            error.to_string(),
            "cannot open the channel \"work\": job: the server has u32, this worker has String"
        );
        let error = worker.serve_blocking("work", |_: u64| 0_u32).await.unwrap_err();
        assert!(matches!(error, ServeError::Open(_)), "{error:?}");
    });
}

#[test]
fn serving_ends_with_an_error_when_the_server_shuts_down_before_the_work_is_done() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let serving = tokio::spawn(worker.serve("work", |job: u32| async move { job }).into_future());
        let other = self::worker(&server).await;
        let blocking = tokio::spawn(other.serve_blocking("work", |job: u32| job).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 1);
        server.wait_for_workers(2).await;
        server.shutdown().await;
        for serving in [serving, blocking] {
            let error = serving.await.unwrap().unwrap_err();
            assert!(matches!(error, ServeError::Recv(RecvError::Disconnected(_))), "{error:?}");
        }
    });
}

#[test]
fn a_serve_that_is_dropped_gives_its_jobs_back() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(4).open().unwrap();
        for job in 0..4 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let first = worker(&server).await;
        let begun = Arc::new(tokio::sync::Barrier::new(3));
        let begin = Arc::clone(&begun);
        let serving = first.serve("work", move |_: u32| {
            let begin = Arc::clone(&begin);
            async move {
                begin.wait().await;
                std::future::pending::<u32>().await
            }
        });
        tokio::select! {
            _ = serving.concurrency(2).into_future() => panic!("its handlers never end"),
            _ = begun.wait() => {}
        }
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let mut attempts = Vec::new();
        while let Some(job) = taken.next_job().await.unwrap() {
            attempts.push(job.attempt());
            job.complete(*job).await.unwrap();
        }
        drop(answers);
        assert_eq!(attempts, [Attempt(2); 4]);
        assert_eq!(sorted(collect(&mut results).await), [0, 1, 2, 3]);
        assert!(!first.is_closed(), "the worker itself lives on");
    });
}

#[test]
fn a_blocking_serve_that_is_dropped_finishes_what_it_has_begun() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(4).open().unwrap();
        for job in 0..4 {
            jobs.send(job).await.unwrap();
        }
        let first = worker(&server).await;
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let serving = first.serve_blocking("work", move |job: u32| {
            begun.send(job).unwrap();
            // Whoever lets go of the other end lets it go on.
            let _ = may_go_on.lock().unwrap().recv();
            job + 100
        });
        let mut serving = Box::pin(serving.concurrency(1).into_future());
        let first_begun = loop {
            assert!(crate::helpers::at_most(1, &mut serving).await.is_none());
            match has_begun.try_recv() {
                Ok(job) => break job,
                Err(_) => breathe().await,
            }
        };
        drop(serving);
        drop(go_on);
        assert_eq!(results.recv().await.unwrap(), Some(first_begun + 100));
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        drop(jobs);
        assert_eq!(sorted(collect(&mut results).await), [1, 2, 3]);
        assert!(has_begun.recv().is_err(), "no other was begun, and the handler is gone");
    });
}

#[test]
fn two_channels_are_served_by_one_worker_at_once() {
    run(async {
        let server = server().await;
        let (up, _a) = server.channel::<String, String>("up").open().unwrap();
        let (down, _b) = server.channel::<String, String>("down").open().unwrap();
        let worker = worker(&server).await;
        tokio::spawn(worker.serve("up", |text: String| async move { text.to_uppercase() }).into_future());
        tokio::spawn(worker.serve_blocking("down", |text: String| text.to_lowercase()).into_future());
        let both = tokio::join!(up.call("Aa".to_owned()), down.call("Aa".to_owned()));
        assert_eq!((both.0.unwrap().as_str(), both.1.unwrap().as_str()), ("AA", "aa"));
    });
}
