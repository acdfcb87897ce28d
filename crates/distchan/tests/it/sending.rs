//! The sending verbs: room, permits, threads, ends.

use distchan::{JobSender, Receiver, SendErrorKind, Sender, Server, TrySendError};

use crate::helpers::{Blob, at_most, collect, poll_once, run, server, until, worker};

/// A server without workers, whose channel has room for `capacity` values.
async fn opened(capacity: usize) -> (Server, Sender<u32>) {
    let server = server().await;
    let values = server.sender::<u32>("values").capacity(capacity).open().unwrap();
    (server, values)
}

async fn opened_jobs(capacity: usize) -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").capacity(capacity).open().unwrap();
    (server, jobs, results)
}

#[test]
fn try_send_is_full_at_the_capacity_and_gives_the_value_back() {
    run(async {
        let (server, values) = opened(4).await;
        assert_eq!(values.capacity(), 4);
        for value in 0..4 {
            values.try_send(value).unwrap();
            assert_eq!(values.capacity(), 3 - value as usize);
        }
        let error = values.try_send(4).unwrap_err();
        assert!(error.is_full() && matches!(error, TrySendError::Full(4)), "{error:?}");
        assert_eq!(error.to_string(), "there is no room in the channel now");
        assert_eq!(error.into_inner(), 4);
        let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
        for value in 0..4 {
            assert_eq!(received.recv().await.unwrap(), Some(value));
        }
        until(|| values.capacity() == 4).await;
    });
}

#[test]
fn try_send_of_jobs_is_full_at_the_capacity() {
    run(async {
        let (_server, jobs, _results) = opened_jobs(1).await;
        assert_eq!(jobs.capacity(), 1);
        jobs.try_send(1).unwrap();
        assert_eq!(jobs.try_send(2).unwrap_err().into_inner(), 2);
        assert!(jobs.try_reserve().unwrap().is_none());
        jobs.close();
        let error = jobs.try_send(3).unwrap_err();
        assert!(!error.is_full() && matches!(error, TrySendError::Failed(_)), "{error:?}");
        assert_eq!(error.into_inner(), 3);
    });
}

#[test]
fn a_channel_is_full_by_its_bytes_too() {
    run(async {
        let server = server().await;
        let values = server.sender::<Blob>("values").open().unwrap();
        let mut sent = 0;
        while values.try_send(Blob(vec![0; 1024 * 1024])).is_ok() {
            sent += 1;
        }
        assert!((15..=17).contains(&sent), "16 MiB may wait, and {sent} of 1 MiB do");
        assert_eq!(values.capacity(), 0);
    });
}

#[test]
fn one_value_may_be_larger_than_what_may_wait() {
    run(async {
        let server = server().await;
        let values = server.sender::<Blob>("values").max_value(64 << 20).open().unwrap();
        values.try_send(Blob(vec![7; 20 << 20])).unwrap();
        let mut received =
            worker(&server).await.receiver::<Blob>("values").max_value(64 << 20).await.unwrap();
        assert_eq!(received.recv().await.unwrap().unwrap().0.len(), 20 << 20);
        values.send(Blob(vec![7; 20 << 20])).await.unwrap();
        assert_eq!(received.recv().await.unwrap().unwrap().0.len(), 20 << 20);
    });
}

#[test]
fn send_waits_for_room() {
    run(async {
        let (server, jobs, mut results) = opened_jobs(2).await;
        let mut sending = Box::pin(async move {
            for job in 0..100 {
                jobs.send(job).await.unwrap();
            }
        });
        assert!(at_most(1, &mut sending).await.is_none());
        let sending = tokio::spawn(sending);
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            while let Some(job) = taken.recv().await.unwrap() {
                answers.send(job).await.unwrap();
            }
        });
        assert_eq!(collect(&mut results).await, (0..100).collect::<Vec<_>>());
        sending.await.unwrap();
        working.await.unwrap();
    });
}

#[test]
fn a_permit_holds_its_room_until_it_is_used_or_dropped() {
    run(async {
        let (_server, values) = opened(2).await;
        let first = values.reserve().await.unwrap();
        let second = values.try_reserve().unwrap().unwrap();
        assert_eq!(values.capacity(), 0);
        assert!(values.try_send(1).unwrap_err().is_full());
        assert!(values.try_reserve().unwrap().is_none());
        assert!(poll_once(values.reserve()).is_none());
        drop(second);
        assert_eq!(values.capacity(), 1);
        values.try_send(2).unwrap();
        first.send(1).unwrap();
        assert_eq!(values.capacity(), 0);
    });
}

#[test]
fn a_permit_whose_value_is_refused_gives_its_room_back() {
    run(async {
        let server = server().await;
        let values = server.sender::<Vec<u8>>("values").capacity(1).max_value(10).open().unwrap();
        let permit = values.reserve().await.unwrap();
        permit.send(vec![0; 100]).unwrap_err();
        assert_eq!(values.capacity(), 1);
    });
}

#[test]
fn a_permit_of_a_channel_that_was_closed_gives_its_value_back() {
    run(async {
        let (_server, values) = opened(1).await;
        let permit = values.reserve().await.unwrap();
        values.close();
        let error = permit.send(1).unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Closed));
        assert_eq!(error.into_inner(), 1);
    });
}

#[test]
fn whoever_waits_for_room_gets_it_in_turn() {
    run(async {
        let (_server, values) = opened(1).await;
        let permit = values.reserve().await.unwrap();
        let (log, mut order) = tokio::sync::mpsc::unbounded_channel();
        for index in 0..10 {
            let (values, log) = (values.clone(), log.clone());
            let mut waiting = Box::pin(async move {
                // Both forms of waiting stand in one line.
                if index % 2 == 0 {
                    drop(values.reserve().await.unwrap());
                    log.send(index).unwrap();
                } else {
                    let permit = values.reserve().await.unwrap();
                    log.send(index).unwrap();
                    drop(permit);
                }
            });
            assert!(at_most(1, &mut waiting).await.is_none());
            tokio::spawn(waiting);
        }
        assert!(values.try_send(5).unwrap_err().is_full(), "nobody jumps the queue");
        drop(permit);
        for index in 0..10 {
            assert_eq!(order.recv().await, Some(index));
        }
    });
}

#[test]
fn waiting_sends_go_out_in_turn() {
    run(async {
        let (server, values) = opened(1).await;
        values.send(0).await.unwrap();
        for value in 1..20 {
            let values = values.clone();
            let mut waiting = Box::pin(async move { values.send(value).await.unwrap() });
            assert!(at_most(1, &mut waiting).await.is_none());
            tokio::spawn(waiting);
        }
        let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
        for value in 0..20 {
            assert_eq!(received.recv().await.unwrap(), Some(value));
        }
    });
}

#[test]
fn blocking_send_and_blocking_recv_work_on_plain_threads() {
    run(async {
        let (server, jobs, mut results) = opened_jobs(2).await;
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let sending = std::thread::spawn(move || {
            for job in 0..1000 {
                jobs.blocking_send(job).unwrap();
            }
        });
        let working = std::thread::spawn(move || {
            while let Some(job) = taken.blocking_recv().unwrap() {
                answers.blocking_send(job).unwrap();
            }
        });
        let receiving = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(result) = results.blocking_recv().unwrap() {
                seen.push(result);
            }
            seen
        });
        // The threads must not hold up the runtime, nor be joined on it.
        let joined = tokio::task::spawn_blocking(move || {
            sending.join().unwrap();
            working.join().unwrap();
            receiving.join().unwrap()
        });
        assert_eq!(joined.await.unwrap(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn blocking_next_job_works_on_a_plain_thread() {
    run(async {
        let (server, jobs, mut results) = opened_jobs(10).await;
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = std::thread::spawn(move || {
            while let Some(job) = taken.blocking_next_job().unwrap() {
                job.finish();
            }
        });
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
        tokio::task::spawn_blocking(move || working.join().unwrap()).await.unwrap();
    });
}

#[test]
fn closed_is_told_to_everyone_who_asks() {
    run(async {
        let (_server, jobs, _results) = opened_jobs(1).await;
        let other = jobs.clone();
        assert!(!jobs.is_closed() && !other.is_closed());
        assert!(poll_once(other.closed()).is_none());
        let waiting = tokio::spawn({
            let jobs = jobs.clone();
            async move { jobs.closed().await }
        });
        jobs.try_send(1).unwrap();
        let held_up = tokio::spawn({
            let jobs = jobs.clone();
            async move { jobs.send(2).await.unwrap_err() }
        });
        tokio::task::yield_now().await;
        other.close();
        waiting.await.unwrap();
        assert!(jobs.is_closed() && other.is_closed());
        jobs.closed().await;
        let error = held_up.await.unwrap();
        assert!(matches!(error.kind(), SendErrorKind::Closed));
        assert_eq!((error.to_string().as_str(), error.into_inner()), ("the channel is closed", 2));
        assert!(matches!(jobs.reserve().await, Err(SendErrorKind::Closed)));
        assert!(matches!(jobs.try_reserve(), Err(SendErrorKind::Closed)));
    });
}

#[test]
fn a_workers_sender_is_told_when_the_server_is_gone() {
    run(async {
        let server = server().await;
        let _log = server.receiver::<u32>("log").open().unwrap();
        let worker = worker(&server).await;
        let values = worker.sender::<u32>("log").await.unwrap();
        assert!(!values.is_closed());
        server.shutdown().await;
        values.closed().await;
        assert!(values.is_closed());
        let error = values.send(5).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Disconnected(_)), "{error:?}");
        assert!(error.to_string().starts_with("the other side is gone: "), "{error}");
        assert_eq!(error.into_inner(), 5);
    });
}
