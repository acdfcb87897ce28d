//! Jobs that were delivered before reach the user in every way of taking one, once the server knows that they begin.

use distchan::{JobReceiver, Sender, Server, TryRecvError, Worker};

use crate::helpers::{at_most, collect, poll_once, run, server, until, worker};

/// A server whose ten jobs are at their second delivery: a worker has had them, and has left.
async fn second_hand() -> (Server, distchan::Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").credit(10).ordered().open().unwrap();
    for job in 0..10 {
        jobs.send(job).await.unwrap();
    }
    let first = worker(&server).await;
    let taken = first.channel::<u32, u32>("work").await.unwrap();
    until(|| server.stats().channel("work").unwrap().in_flight == 10).await;
    first.drain().await.unwrap();
    drop(taken);
    assert_eq!(server.stats().channel("work").unwrap().redelivered, 10);
    (server, results)
}

async fn open(server: &Server) -> (Worker, JobReceiver<u32, u32>, Sender<u32>) {
    let worker = worker(server).await;
    let (taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
    (worker, taken, answers)
}

#[test]
fn the_plain_loop_takes_them_one_by_one() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (_worker, mut taken, answers) = open(&server).await;
        while let Some(job) = taken.recv().await.unwrap() {
            answers.send(job).await.unwrap();
        }
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn handles_take_them_and_know_their_attempt() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (_worker, mut taken, _answers) = open(&server).await;
        let mut jobs = Vec::new();
        while jobs.len() < 10 {
            taken.recv_many(&mut jobs, 10).await.unwrap();
        }
        for job in jobs {
            assert_eq!(job.attempt().0, 2);
            job.complete(*job).await.unwrap();
        }
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn whoever_only_tries_gets_them_in_the_end() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (_worker, mut taken, answers) = open(&server).await;
        loop {
            match taken.try_recv() {
                Ok(job) => answers.send(job).await.unwrap(),
                Err(TryRecvError::Empty) => tokio::task::yield_now().await,
                Err(TryRecvError::Closed) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn none_is_lost_when_the_future_that_waits_for_it_is_dropped() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (_worker, mut taken, answers) = open(&server).await;
        let mut polls = 0;
        loop {
            polls += 1;
            match at_most(1 + polls % 3, taken.recv()).await {
                Some(Ok(Some(job))) => answers.send(job).await.unwrap(),
                Some(Ok(None)) => break,
                Some(Err(error)) => panic!("{error}"),
                None => tokio::task::yield_now().await,
            }
        }
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn the_job_before_is_completed_while_the_next_is_announced() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (_worker, mut taken, answers) = open(&server).await;
        assert_eq!(taken.recv().await.unwrap(), Some(0));
        answers.send(100).await.unwrap();
        // The second needs its announcement; the first is done, whether that comes or not.
        drop(poll_once(taken.recv()));
        assert_eq!(results.recv().await.unwrap(), Some(100));
    });
}

#[test]
fn a_worker_that_leaves_while_it_waits_gives_them_back() {
    run(async {
        let (server, mut results) = second_hand().await;
        let (worker, mut taken, _answers) = open(&server).await;
        until(|| server.stats().channel("work").unwrap().in_flight == 10).await;
        assert!(poll_once(taken.next_job()).is_none(), "it is announced first");
        worker.drain().await.unwrap();
        assert!(taken.next_job().await.is_err());
        let (_worker, mut taken, answers) = open(&server).await;
        while let Some(job) = taken.recv().await.unwrap() {
            answers.send(job).await.unwrap();
        }
        assert_eq!(collect(&mut results).await, (0..10).collect::<Vec<_>>());
    });
}
