//! Calls, maps and serves that are dropped at their await points.

use std::future::IntoFuture;

use distchan::ChannelStats;

use crate::helpers::{at_most, breathe, collect, poll_once, run, server, sorted, until, worker};

#[test]
fn a_call_that_is_dropped_before_its_job_was_sent_sends_nothing() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").capacity(1).open().unwrap();
        jobs.send(1).await.unwrap();
        for _ in 0..100 {
            assert!(poll_once(jobs.call(2)).is_none());
        }
        drop(jobs);
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(server.stats().channel("work").unwrap().submitted, 1);
    });
}

#[test]
fn calls_that_are_dropped_at_any_point_disturb_no_other() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").capacity(4).open().unwrap();
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        for job in 0..300 {
            let polls = 1 + job as usize % 4;
            if let Some(answer) = at_most(polls, jobs.call(job)).await {
                assert_eq!(answer.unwrap(), job);
            }
            assert_eq!(jobs.call(1000 + job).await.unwrap(), 1000 + job);
        }
        let ended = |stats: &ChannelStats| stats.completed + stats.cancelled;
        until(|| server.stats().channel("work").is_some_and(|stats| ended(stats) == stats.submitted)).await;
        let stats = *server.stats().channel("work").unwrap();
        assert!(stats.completed >= 300 && stats.submitted <= 600, "{stats:?}");
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None, "dropped answers go to nobody");
    });
}

#[test]
fn dropped_nexts_of_a_map_lose_no_result() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").capacity(3).open().unwrap();
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        for is_ordered in [false, true] {
            let mut out = jobs.map(0..500).in_flight(20);
            if is_ordered {
                out = out.ordered();
            }
            let mut seen = Vec::new();
            loop {
                match poll_once(out.next()) {
                    Some(Some(result)) => seen.push(result.unwrap()),
                    Some(None) => break,
                    None => breathe().await,
                }
            }
            if is_ordered {
                assert_eq!(seen, (0..500).collect::<Vec<_>>());
            } else {
                assert_eq!(sorted(seen), (0..500).collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn a_map_that_is_dropped_while_it_waits_for_room_gives_its_place_up() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").capacity(1).open().unwrap();
        for _ in 0..10 {
            assert!(poll_once(jobs.map(0..5).next()).is_none());
        }
        // The maps' jobs were cancelled with them.
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        jobs.send(7).await.unwrap();
        until(|| jobs.capacity() == 1).await;
        drop(jobs);
        assert_eq!(collect(&mut results).await, [7]);
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.completed, stats.submitted), (1, 1 + stats.cancelled));
    });
}

#[test]
fn serves_that_are_dropped_at_any_point_lose_no_job() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        tokio::spawn(async move {
            for job in 0..2000 {
                jobs.send(job).await.unwrap();
            }
        });
        let worker = worker(&server).await;
        let receiving = tokio::spawn(async move { collect(&mut results).await });
        for round in 0..40 {
            let serving = worker.serve("work", |job: u32| async move {
                tokio::task::yield_now().await;
                job
            });
            at_most(1 + round, serving.concurrency(3).into_future()).await;
        }
        worker.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(sorted(receiving.await.unwrap()), (0..2000).collect::<Vec<_>>());
    });
}

#[test]
fn blocking_serves_that_are_dropped_at_any_point_lose_no_job() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        tokio::spawn(async move {
            for job in 0..2000 {
                jobs.send(job).await.unwrap();
            }
        });
        let worker = worker(&server).await;
        let receiving = tokio::spawn(async move { collect(&mut results).await });
        for round in 0..20 {
            let serving = worker.serve_blocking("work", |job: u32| job).concurrency(3).into_future();
            tokio::select! {
                biased;
                served = serving => {
                    // The threads of the round before may not have let go of the channel yet.
                    if let Err(error) = served {
                        assert!(error.to_string().contains("already"), "{error}");
                    }
                }
                () = async { for _ in 0..round { tokio::task::yield_now().await } } => {}
            }
        }
        drop(worker);
        self::worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(sorted(receiving.await.unwrap()), (0..2000).collect::<Vec<_>>());
    });
}
