//! Jobs that nobody wants any more: dropped calls and maps, handles that say so, deadlines.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use distchan::{
    CallError, ChannelStats, JobContext, Outcome, RecvError, ServeError, Server, TrySendError, Worker,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::helpers::{collect, failure, poll_once, run, run_paused, server, settle, until, worker};

fn stats(server: &Server) -> ChannelStats {
    *server.stats().channel("work").unwrap()
}

#[test]
fn a_dropped_call_stops_its_handler_and_frees_its_place() {
    run_paused(async {
        let server = Server::bind("memory:dropped call").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").credit(1).open().unwrap();
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let worker = Worker::connect("memory:dropped call").await.unwrap();
        let serving = worker.serve("work", move |job: u32| {
            begun.send(job).unwrap();
            async move {
                if job == 1 {
                    std::future::pending::<()>().await;
                }
                job
            }
        });
        tokio::spawn(serving.concurrency(1).into_future());
        {
            let hanging = jobs.call(1);
            tokio::select! {
                _ = hanging => panic!("it hangs"),
                job = has_begun.recv() => assert_eq!(job, Some(1)),
            }
        }
        assert_eq!(jobs.call(2).await.unwrap(), 2, "the only place is free again");
        let stats = stats(&server);
        assert_eq!((stats.cancelled, stats.completed, stats.revoked), (1, 1, 0));
    });
}

#[test]
fn a_handle_learns_that_its_job_was_cancelled_and_its_result_goes_nowhere() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(1).open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let handle = jobs.submit(1).await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        assert!(!job.is_cancelled());
        assert!(poll_once(job.cancelled()).is_none());
        let waiting = tokio::spawn(async move {
            job.cancelled().await;
            job
        });
        handle.cancel();
        let job = waiting.await.unwrap();
        assert!(job.is_cancelled());
        let Err(CallError::Failed(failed)) = handle.await else { panic!("it was cancelled") };
        assert_eq!(failed.outcome(), Outcome::Cancelled);
        assert_eq!(failed.reason(), "whoever sent it no longer wants it");
        jobs.send(2).await.unwrap();
        assert!(poll_once(taken.next_job()).is_none(), "its place is taken until it is answered");
        job.complete(10).await.unwrap();
        let next = taken.next_job().await.unwrap().unwrap();
        next.complete(20).await.unwrap();
        drop(jobs);
        assert_eq!(collect(&mut results).await, [20]);
        assert_eq!((stats(&server).cancelled, stats(&server).completed), (1, 1));
    });
}

#[test]
fn a_job_that_is_cancelled_before_it_is_taken_is_never_seen() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(10).open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        let unwanted = jobs.submit(2).await.unwrap();
        jobs.send(3).await.unwrap();
        until(|| stats(&server).in_flight == 3).await;
        drop(unwanted);
        until(|| stats(&server).cancelled == 1 && stats(&server).revoked == 0).await;
        answers.send(10).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(3));
        answers.send(30).await.unwrap();
        drop(jobs);
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(collect(&mut results).await, [10, 30]);
    });
}

#[test]
fn a_plain_loop_goes_on_although_its_job_was_cancelled() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let handle = jobs.submit(1).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        drop(handle);
        until(|| stats(&server).cancelled == 1).await;
        answers.send(10).await.unwrap();
        jobs.send(2).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(2));
        answers.send(20).await.unwrap();
        drop(jobs);
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(collect(&mut results).await, [20]);
    });
}

#[test]
fn without_any_worker_a_cancelled_job_ends_at_once_and_gives_its_room_back() {
    run_paused(async {
        let server = Server::bind("memory:nobody works").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").capacity(1).open().unwrap();
        for _ in 0..10 {
            let handle = jobs.submit(1).await.unwrap();
            assert_eq!(jobs.capacity(), 0);
            handle.cancel();
            let Err(CallError::Failed(failed)) = handle.await else { panic!("nobody does it") };
            assert_eq!((failed.outcome(), failed.attempts().len()), (Outcome::Cancelled, 0));
            assert!(
                failed
                    .to_string()
                    .ends_with("was cancelled before any attempt: whoever sent it no longer wants it")
            );
        }
        assert_eq!((stats(&server).cancelled, stats(&server).queued), (10, 0));
        server.drain().await;
    });
}

#[test]
fn a_dropped_map_cancels_what_it_has_sent() {
    run_paused(async {
        let server = Server::bind("memory:dropped map").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(4).open().unwrap();
        let gate = Arc::new(Semaphore::new(3));
        let passed = Arc::clone(&gate);
        let worker = Worker::connect("memory:dropped map").await.unwrap();
        let serving = worker.serve("work", move |job: u32| {
            let gate = Arc::clone(&passed);
            async move {
                gate.acquire().await.unwrap().forget();
                job
            }
        });
        tokio::spawn(serving.concurrency(2).into_future());
        let mut map = jobs.map(0..100).in_flight(20);
        for _ in 0..3 {
            map.next().await.unwrap().unwrap();
        }
        drop(map);
        settle().await;
        gate.add_permits(100);
        jobs.send(200).await.unwrap();
        drop(jobs);
        assert_eq!(collect(&mut results).await, [200]);
        let stats = stats(&server);
        assert_eq!((stats.completed, stats.submitted), (4, 4 + stats.cancelled));
        assert!((17..=20).contains(&stats.cancelled), "{stats:?}");
    });
}

#[test]
fn a_handler_that_computes_can_look_whether_anybody_waits() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let (stopped, mut has_stopped) = mpsc::unbounded_channel();
        let serving = worker(&server).await.serve_blocking("work", move |job: u32| {
            let context = JobContext::current().unwrap();
            begun.send(context.clone()).unwrap();
            while !context.is_cancelled() {
                std::thread::yield_now();
            }
            stopped.send(()).unwrap();
            job
        });
        let serving = tokio::spawn(serving.concurrency(1).into_future());
        assert!(JobContext::current().is_none(), "this is no handler");
        let handle = jobs.submit(1).await.unwrap();
        let context = has_begun.recv().await.unwrap();
        assert_eq!((context.id(), context.attempt().0, context.deadline()), (handle.id(), 1, None));
        drop(handle);
        has_stopped.recv().await.unwrap();
        context.cancelled().await;
        drop(jobs);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_handler_that_computes_learns_that_its_server_is_gone_for_good() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let serving = worker(&server).await.serve_blocking("work", move |job: u32| {
            let context = JobContext::current().unwrap();
            begun.send(()).unwrap();
            while !context.is_cancelled() {
                std::thread::yield_now();
            }
            job
        });
        let serving = tokio::spawn(serving.concurrency(1).into_future());
        jobs.send(1).await.unwrap();
        has_begun.recv().await.unwrap();
        server.shutdown().await;
        // It ends once its handler has.
        assert!(matches!(serving.await.unwrap(), Err(ServeError::Recv(RecvError::Disconnected(_)))));
    });
}

#[test]
fn what_is_not_done_within_its_time_is_cancelled_also_without_a_worker() {
    run_paused(async {
        let server = Server::bind("memory:no time").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let begun = Instant::now();
        let hurried = jobs.within(Duration::from_secs(5));
        hurried.send(1).await.unwrap();
        let Err(CallError::Failed(failed)) = hurried.call(2).await else { panic!("nobody does it") };
        assert_eq!((failed.outcome(), failed.reason()), (Outcome::Cancelled, "its deadline passed"));
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(failure(results.recv().await).value::<u32>().unwrap(), 1);
        let mut map = hurried.map([3, 4]);
        assert!(map.next().await.unwrap().is_err() && map.next().await.unwrap().is_err());
        assert!(map.next().await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert_eq!(stats(&server).cancelled, 4);
    });
}

#[test]
fn a_deadline_travels_with_its_job_and_stops_the_handler() {
    run_paused(async {
        let server = Server::bind("memory:deadline").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").credit(1).open().unwrap();
        let worker = Worker::connect("memory:deadline").await.unwrap();
        let serving = worker.serve("work", |job: u32| async move {
            let deadline = JobContext::current().unwrap().deadline();
            let left = deadline.map(|deadline| Instant::from_std(deadline) - Instant::now());
            if job == 1 {
                std::future::pending::<()>().await;
            }
            left.map_or(0, |left| u32::try_from(left.as_millis()).unwrap())
        });
        tokio::spawn(serving.concurrency(1).into_future());
        let left = jobs.within(Duration::from_secs(5)).call(0).await.unwrap();
        assert!((4990..=5000).contains(&left), "{left}");
        assert!(jobs.within(Duration::from_secs(5)).call(1).await.is_err());
        assert_eq!(jobs.call(2).await.unwrap(), 0, "its place is free, and this one has no deadline");
        assert_eq!(jobs.within(Duration::MAX).call(3).await.unwrap(), 0, "for ever is none either");
    });
}

#[test]
fn a_deadline_does_not_lift_the_channels_bound() {
    run_paused(async {
        let server = Server::bind("memory:bounded hurry").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").capacity(2).open().unwrap();
        let hurried = jobs.within(Duration::from_secs(5));
        hurried.try_send(1).unwrap();
        settle().await;
        hurried.try_send(2).unwrap();
        settle().await;
        assert!(matches!(hurried.try_send(3), Err(TrySendError::Full(3))));
        failure(results.recv().await);
        failure(results.recv().await);
        settle().await;
        hurried.try_send(4).unwrap();
        assert_eq!(jobs.capacity(), 1);
    });
}

#[test]
fn a_cancelled_job_takes_its_place_in_the_order() {
    run_paused(async {
        let server = Server::bind("memory:ordered cancel").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").ordered().open().unwrap();
        let worker = Worker::connect("memory:ordered cancel").await.unwrap();
        let serving = worker.serve("work", |job: u32| async move {
            if job == 2 {
                std::future::pending::<()>().await;
            }
            job
        });
        tokio::spawn(serving.concurrency(3).into_future());
        jobs.send(1).await.unwrap();
        jobs.within(Duration::from_secs(9)).send(2).await.unwrap();
        jobs.send(3).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(1));
        assert_eq!(failure(results.recv().await).outcome(), Outcome::Cancelled);
        assert_eq!(results.recv().await.unwrap(), Some(3));
    });
}
