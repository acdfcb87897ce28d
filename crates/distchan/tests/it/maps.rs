//! Many jobs, their results as a stream: `map`.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use distchan::{CallError, JobSender, Receiver, Server};
use futures_util::StreamExt;

use crate::helpers::{Shy, collect, poll_once, run, server, sorted, until, worker};

/// A channel with two workers that take their time in the order of `job * 7919 % 10`.
async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    for _ in 0..2 {
        let serving = worker(&server).await.try_serve("work", |job: u32| async move {
            for _ in 0..job * 7919 % 10 {
                tokio::task::yield_now().await;
            }
            if job % 100 == 99 { Err(format!("no {job}")) } else { Ok(job * 2) }
        });
        tokio::spawn(serving.concurrency(8).into_future());
    }
    (server, jobs, results)
}

#[test]
fn a_map_yields_the_result_of_every_input() {
    run(async {
        let (_server, jobs, mut results) = opened().await;
        let mut out = jobs.map(0..99);
        drop(jobs);
        let mut seen = Vec::new();
        while let Some(result) = out.next().await {
            seen.push(result.unwrap());
        }
        assert_eq!(sorted(seen), (0..99).map(|job| job * 2).collect::<Vec<_>>());
        assert!(out.next().await.is_none(), "it stays at its end");
        assert!(
            collect(&mut results).await.is_empty(),
            "the receiver gets none of them, and ends with the map"
        );
    });
}

#[test]
fn an_ordered_map_keeps_the_order_of_its_inputs_and_failures_their_place() {
    run(async {
        let (_server, jobs, _results) = opened().await;
        let seen: Vec<_> = jobs.map(0..1000).ordered().in_flight(50).collect().await;
        assert_eq!(seen.len(), 1000);
        for (job, result) in (0..).zip(seen) {
            match result {
                Ok(result) => assert_eq!(result, job * 2),
                Err(CallError::Failed(failed)) => assert_eq!(failed.reason(), format!("no {job}")),
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_job_that_fails_is_an_error_among_the_results_and_ends_nothing() {
    run(async {
        let (_server, jobs, _results) = opened().await;
        let (mut results, mut reasons) = (0, Vec::new());
        let mut out = jobs.map(0..300);
        while let Some(result) = out.next().await {
            match result {
                Ok(_) => results += 1,
                Err(CallError::Failed(failed)) => reasons.push(failed.reason().to_owned()),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(results, 297);
        assert_eq!(sorted(reasons), ["no 199", "no 299", "no 99"]);
    });
}

#[test]
fn a_map_of_nothing_ends_at_once() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        assert!(jobs.map([]).next().await.is_none());
        assert!(jobs.map([]).ordered().next().await.is_none());
    });
}

#[test]
fn nothing_is_sent_before_a_map_is_polled() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").capacity(10).open().unwrap();
        let out = jobs.map((0..5).inspect(|_| panic!("an input is taken")));
        assert_eq!(jobs.capacity(), 10);
        drop(out);
    });
}

#[test]
fn a_map_takes_no_more_inputs_than_may_be_in_flight() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&taken);
        let inputs = (0..100).inspect(move |_| {
            counting.fetch_add(1, Ordering::SeqCst);
        });
        let mut out = jobs.map(inputs).in_flight(7);
        assert!(poll_once(out.next()).is_none());
        assert_eq!(taken.load(Ordering::SeqCst), 7);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        let mut yielded = 0;
        while let Some(result) = out.next().await {
            result.unwrap();
            yielded += 1;
            assert!(taken.load(Ordering::SeqCst) <= yielded + 7 - 1 + 1);
        }
        assert_eq!((yielded, taken.load(Ordering::SeqCst)), (100, 100));
    });
}

#[test]
fn an_ordered_map_counts_what_was_not_yielded_as_in_flight() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut all, _answers) =
            worker(&server).await.channel::<u32, u32>("work").concurrency(16).await.unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&taken);
        let mut out = jobs.map((0..20).inspect(move |_| {
            counting.fetch_add(1, Ordering::SeqCst);
        }));
        out = out.ordered().in_flight(5);
        assert!(poll_once(out.next()).is_none());
        // All but the oldest are done; no more may be begun.
        let oldest = all.next_job().await.unwrap().unwrap();
        for _ in 0..4 {
            let job = all.next_job().await.unwrap().unwrap();
            job.complete(*job).await.unwrap();
        }
        until(|| server.stats().channel("work").unwrap().completed == 4).await;
        assert!(poll_once(out.next()).is_none());
        assert_eq!(taken.load(Ordering::SeqCst), 5);
        oldest.complete(0).await.unwrap();
        for expected in 0..5 {
            assert_eq!(out.next().await.unwrap().unwrap(), expected);
        }
    });
}

#[test]
fn a_map_waits_where_the_channel_has_no_room() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").capacity(3).open().unwrap();
        let mut out = jobs.map(0..50);
        assert!(poll_once(out.next()).is_none());
        assert_eq!(jobs.capacity(), 0);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        let mut seen = Vec::new();
        while let Some(result) = out.next().await {
            seen.push(result.unwrap());
        }
        assert_eq!(sorted(seen), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn an_input_that_is_not_sent_is_in_its_error_and_the_others_go_on() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Shy, Shy>("work").open().unwrap();
        tokio::spawn(worker(&server).await.serve("work", |job: Shy| async move { job }).into_future());
        let mut out = jobs.map([Shy::new(1), Shy::REFUSED, Shy::new(3)]);
        let (mut seen, mut back) = (Vec::new(), Vec::new());
        while let Some(result) = out.next().await {
            match result {
                Ok(result) => seen.push(result),
                Err(CallError::Send(error)) => back.push(error.into_inner()),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((sorted(seen), back), (vec![Shy::new(1), Shy::new(3)], vec![Shy::REFUSED]));
    });
}

#[test]
fn an_input_that_is_not_sent_keeps_its_place_in_an_ordered_map() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Shy, Shy>("work").open().unwrap();
        tokio::spawn(worker(&server).await.serve("work", |job: Shy| async move { job }).into_future());
        let mut out = jobs.map([Shy::new(1), Shy::REFUSED, Shy::new(3)]).ordered();
        assert_eq!(out.next().await.unwrap().unwrap(), Shy::new(1));
        assert!(matches!(out.next().await, Some(Err(CallError::Send(_)))));
        assert_eq!(out.next().await.unwrap().unwrap(), Shy::new(3));
        assert!(out.next().await.is_none());
    });
}

#[test]
fn a_map_yields_all_results_of_jobs_with_several_and_none_of_those_without() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("repeat").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("repeat").await.unwrap();
        let working = tokio::spawn(async move {
            while let Some(job) = taken.recv().await.unwrap() {
                for _ in 0..job % 4 {
                    answers.send(job).await.unwrap();
                }
            }
        });
        let expected: Vec<u32> = (0..20).flat_map(|job| std::iter::repeat_n(job, job as usize % 4)).collect();
        let seen: Vec<_> = jobs.map(0..20).map(Result::unwrap).collect().await;
        assert_eq!(sorted(seen), expected);
        let seen: Vec<_> = jobs.map(0..20).ordered().map(Result::unwrap).collect().await;
        assert_eq!(seen, expected);
        drop(jobs);
        working.await.unwrap();
    });
}

#[test]
fn a_map_that_is_dropped_early_cancels_its_jobs() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let mut out = jobs.map(0..10);
        assert!(poll_once(out.next()).is_none());
        drop(out);
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        assert!(collect(&mut results).await.is_empty());
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.cancelled, stats.completed), (10, 0));
    });
}

#[test]
fn maps_calls_and_sends_share_a_channel_and_each_gets_its_own() {
    run(async {
        let (_server, jobs, mut results) = opened().await;
        let (one, other) = (jobs.map(0..50), jobs.map(100..150).ordered());
        for job in 200..210 {
            jobs.send(job).await.unwrap();
        }
        let (one, other, call) = tokio::join!(
            one.map(Result::unwrap).collect::<Vec<_>>(),
            other.map(Result::unwrap).collect::<Vec<_>>(),
            jobs.call(300),
        );
        assert_eq!(sorted(one), (0..50).map(|job| job * 2).collect::<Vec<_>>());
        assert_eq!(other, (100..150).map(|job| job * 2).collect::<Vec<_>>());
        assert_eq!(call.unwrap(), 600);
        drop(jobs);
        assert_eq!(sorted(collect(&mut results).await), (200..210).map(|job| job * 2).collect::<Vec<_>>());
    });
}

#[test]
fn a_map_on_a_closed_channel_gives_every_input_back() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        jobs.close();
        let back: Vec<_> = jobs.map(0..5).collect().await;
        let back = back.into_iter().map(|result| match result {
            Err(CallError::Send(error)) => error.into_inner(),
            other => panic!("{other:?}"),
        });
        assert_eq!(back.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_map_that_is_not_done_before_the_shutdown_says_so_and_ends() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let mut out = jobs.map(0..5);
        assert!(poll_once(out.next()).is_none());
        server.shutdown().await;
        assert!(matches!(out.next().await, Some(Err(CallError::Shutdown))));
        assert!(out.next().await.is_none());
    });
}
