//! What a channel can be: many on one connection, results of any number, both ways, early and late.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use distchan::{Server, Worker};

use crate::helpers::{collect, run, run_paused, server, settle, sorted, worker};

#[test]
fn several_channels_of_different_types_share_one_connection() {
    run(async {
        let server = server().await;
        let (lengths, mut length) = server.channel::<String, u64>("lengths").open().unwrap();
        let (sums, mut sum) = server.channel::<(i64, i64), i64>("sums").open().unwrap();
        let settings = server.sender::<BTreeMap<String, u8>>("settings").open().unwrap();
        let mut log = server.receiver::<Vec<u8>>("log").open().unwrap();
        let worker = worker(&server).await;
        let mut received = worker.receiver::<BTreeMap<String, u8>>("settings").await.unwrap();
        let logged = worker.sender::<Vec<u8>>("log").await.unwrap();
        let serve_lengths = worker.serve("lengths", |text: String| async move { text.len() as u64 });
        let serve_sums = worker.serve("sums", |(a, b): (i64, i64)| async move { a + b });
        let serving = tokio::spawn(async move { tokio::try_join!(serve_lengths, serve_sums) });
        lengths.send("seven  ".to_owned()).await.unwrap();
        sums.send((-3, 1)).await.unwrap();
        settings.send(BTreeMap::from([("depth".to_owned(), 9)])).await.unwrap();
        logged.send(b"here".to_vec()).await.unwrap();
        assert_eq!(length.recv().await.unwrap(), Some(7));
        assert_eq!(sum.recv().await.unwrap(), Some(-2));
        assert_eq!(received.recv().await.unwrap().unwrap()["depth"], 9);
        assert_eq!(log.recv().await.unwrap(), Some(b"here".to_vec()));
        let workers = server.workers();
        assert_eq!(workers.len(), 1);
        assert_eq!(workers[0].channels, 4);
        drop((lengths, sums));
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_channel_ends_without_the_others_of_its_connection() {
    run(async {
        let server = server().await;
        let (short, mut short_results) = server.channel::<u32, u32>("short").open().unwrap();
        let (long, _long_results) = server.channel::<u32, u32>("long").open().unwrap();
        let worker = worker(&server).await;
        let serving = tokio::spawn(worker.serve("short", |job: u32| async move { job }).into_future());
        tokio::spawn(worker.serve("long", |job: u32| async move { job * 10 }).into_future());
        drop(short);
        serving.await.unwrap().unwrap();
        assert_eq!(short_results.recv().await.unwrap(), None);
        assert_eq!(long.call(4).await.unwrap(), 40);
    });
}

#[test]
fn a_job_has_no_result_or_one_or_many() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, (u32, u32)>("repeat").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, (u32, u32)>("repeat").await.unwrap();
        let working = tokio::spawn(async move {
            while let Some(count) = taken.recv().await.unwrap() {
                for index in 0..count {
                    answers.send((count, index)).await.unwrap();
                }
            }
        });
        for count in [0, 1, 3, 0, 100] {
            jobs.send(count).await.unwrap();
        }
        drop(jobs);
        let expected: Vec<_> =
            [1, 3, 100].into_iter().flat_map(|count| (0..count).map(move |index| (count, index))).collect();
        assert_eq!(collect(&mut results).await, expected);
        working.await.unwrap();
        let stats = *server.stats().channel("repeat").unwrap();
        assert_eq!((stats.submitted, stats.completed, stats.failed), (5, 5, 0));
    });
}

#[test]
fn on_a_channel_to_the_workers_each_value_goes_to_one_of_them() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").open().unwrap();
        let mut receiving = Vec::new();
        for _ in 0..3 {
            let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
            receiving.push(tokio::spawn(async move { collect(&mut received).await }));
        }
        for value in 0..3000 {
            values.send(value).await.unwrap();
        }
        drop(values);
        let mut all = Vec::new();
        for receiving in receiving {
            all.extend(receiving.await.unwrap());
        }
        assert_eq!(sorted(all), (0..3000).collect::<Vec<_>>());
    });
}

#[test]
fn workers_send_unasked_each_in_its_own_order() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<(u32, u32)>("log").open().unwrap();
        let mut sending = Vec::new();
        for index in 0..3 {
            let values = worker(&server).await.sender::<(u32, u32)>("log").await.unwrap();
            sending.push(tokio::spawn(async move {
                for value in 0..1000 {
                    values.send((index, value)).await.unwrap();
                }
            }));
        }
        let mut next = [0; 3];
        for _ in 0..3000 {
            let (index, value) = log.recv().await.unwrap().unwrap();
            assert_eq!(value, next[index as usize]);
            next[index as usize] += 1;
        }
        assert_eq!(next, [1000; 3]);
        for sending in sending {
            sending.await.unwrap();
        }
    });
}

#[test]
fn a_worker_that_opens_before_the_server_waits_for_it() {
    run_paused(async {
        let server = Server::bind("memory:early worker").await.unwrap();
        let worker = Worker::connect("memory:early worker").await.unwrap();
        let serving = tokio::spawn(worker.serve("later", |job: u32| async move { job + 1 }).into_future());
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(!serving.is_finished(), "it waits 10 s unless told otherwise");
        let (jobs, _results) = server.channel::<u32, u32>("later").open().unwrap();
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn a_worker_that_joins_late_gets_what_waited() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        worker(&server).await.serve("work", |job: u32| async move { job }).await.unwrap();
        assert_eq!(sorted(collect(&mut results).await), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_worker_that_joins_late_takes_its_share() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(1).open().unwrap();
        let first = worker(&server).await;
        let (mut held, _answers) = first.channel::<u32, u32>("work").await.unwrap();
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let held = held.next_job().await.unwrap().unwrap();
        let late =
            tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job }).into_future());
        for _ in 0..9 {
            assert_ne!(results.recv().await.unwrap(), Some(*held));
        }
        held.complete(100).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(100));
        assert_eq!(results.recv().await.unwrap(), None);
        late.await.unwrap().unwrap();
    });
}

#[test]
fn a_worker_that_joins_after_the_end_sees_the_end() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), None);
    });
}

#[test]
fn ordered_channels_release_results_in_the_order_of_sending() {
    run_paused(async {
        let server = Server::bind("memory:ordered channels").await.unwrap();
        let (jobs, mut results) = server.channel::<u64, u64>("work").ordered().open().unwrap();
        let worker = Worker::connect("memory:ordered channels").await.unwrap();
        let serving = worker.serve("work", |job: u64| async move {
            tokio::time::sleep(Duration::from_millis((job * 7919) % 100)).await;
            job
        });
        tokio::spawn(serving.concurrency(16).into_future());
        for job in 0..200 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn without_ordered_results_come_as_their_jobs_complete() {
    run_paused(async {
        let server = Server::bind("memory:unordered channels").await.unwrap();
        let (jobs, mut results) = server.channel::<u64, u64>("work").open().unwrap();
        let worker = Worker::connect("memory:unordered channels").await.unwrap();
        let serving = worker.serve("work", |job: u64| async move {
            tokio::time::sleep(Duration::from_millis(100 - job)).await;
            job
        });
        tokio::spawn(serving.concurrency(10).into_future());
        for job in 0..10 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..10).rev().collect::<Vec<_>>());
    });
}

#[test]
fn on_ordered_channels_a_failed_job_keeps_its_place() {
    run_paused(async {
        let server = Server::bind("memory:ordered failures").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, u32>("work").ordered().open().unwrap();
        let worker = Worker::connect("memory:ordered failures").await.unwrap();
        let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
        for job in 0..3 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let mut held = Vec::new();
        assert_eq!(taken.recv_many(&mut held, 3).await.unwrap(), 3);
        held.pop().unwrap().complete(2).await.unwrap();
        held.pop().unwrap().fail("the middle one");
        settle().await;
        assert!(results.try_recv().is_err(), "the oldest has no outcome yet");
        held.pop().unwrap().complete(0).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(0));
        assert_eq!(crate::helpers::failure(results.recv().await).reason(), "the middle one");
        assert_eq!(results.recv().await.unwrap(), Some(2));
        assert_eq!(results.recv().await.unwrap(), None);
    });
}
