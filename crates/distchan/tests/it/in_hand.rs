//! "What you took is yours until you take the next": the plain loop.

use distchan::{Attempt, Job, JobReceiver, Receiver, SendErrorKind, Sender, Server, TryRecvError, Worker};

use crate::helpers::{collect, run, server, until, worker};

/// A server with one job, and a worker that has it in hand.
async fn with_a_job_in_hand() -> (Server, Receiver<u32>, Worker, JobReceiver<u32, u32>, Sender<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    let worker = worker(&server).await;
    let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
    jobs.send(7).await.unwrap();
    assert_eq!(taken.recv().await.unwrap(), Some(7));
    (server, results, worker, taken, answers)
}

/// So many results that a part of them is on the server before the job's end.
const MANY: u32 = 50_000;

async fn send_many(server: &Server, answers: &Sender<u32>) {
    for result in 0..MANY {
        answers.send(result).await.unwrap();
    }
    until(|| server.stats().channel("work").unwrap().held_bytes > 0).await;
}

/// Another worker that takes the job which the first had.
async fn take_over(server: &Server) -> Job<u32, u32> {
    let (mut taken, _) = worker(server).await.channel::<u32, u32>("work").await.unwrap();
    let job = taken.next_job().await.unwrap().unwrap();
    assert_eq!(*job, 7);
    job
}

#[test]
fn a_job_is_completed_when_the_next_is_asked_for() {
    run(async {
        let (server, mut results, _worker, mut taken, answers) = with_a_job_in_hand().await;
        send_many(&server, &answers).await;
        assert!(
            matches!(results.try_recv(), Err(TryRecvError::Empty)),
            "results have come, the completion not"
        );
        assert_eq!(server.stats().channel("work").unwrap().completed, 0);
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(collect(&mut results).await, (0..MANY).collect::<Vec<_>>());
        assert_eq!(server.stats().channel("work").unwrap().completed, 1);
    });
}

#[test]
fn the_end_completes_the_last_job_too() {
    run(async {
        let (_server, mut results, _worker, mut taken, _answers) = with_a_job_in_hand().await;
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn asking_for_a_handle_completes_the_job_before_as_well() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        jobs.send(2).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        answers.send(10).await.unwrap();
        let second = taken.next_job().await.unwrap().unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(10));
        second.complete(20).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(20));
    });
}

#[test]
fn a_receiver_that_is_dropped_gives_its_job_back_and_the_results_so_far_are_dropped() {
    run(async {
        let (server, mut results, _worker, taken, answers) = with_a_job_in_hand().await;
        send_many(&server, &answers).await;
        drop(taken);
        let job = take_over(&server).await;
        assert_eq!(job.attempt(), Attempt(2));
        job.complete(2).await.unwrap();
        assert_eq!(collect(&mut results).await, [2]);
    });
}

#[test]
fn a_receiver_that_is_closed_gives_its_job_back() {
    run(async {
        let (server, mut results, _worker, mut taken, _answers) = with_a_job_in_hand().await;
        taken.close();
        assert!(taken.is_closed());
        let job = take_over(&server).await;
        assert_eq!(job.attempt(), Attempt(2));
        job.complete(2).await.unwrap();
        assert_eq!(collect(&mut results).await, [2]);
    });
}

#[test]
fn a_worker_that_is_dropped_gives_its_job_back() {
    run(async {
        let (server, mut results, worker, taken, answers) = with_a_job_in_hand().await;
        send_many(&server, &answers).await;
        drop((worker, taken, answers));
        let job = take_over(&server).await;
        assert_eq!(job.attempt(), Attempt(2));
        job.complete(2).await.unwrap();
        assert_eq!(collect(&mut results).await, [2]);
    });
}

#[test]
fn a_worker_that_closes_gives_its_job_back() {
    run(async {
        let (server, mut results, worker, _taken, answers) = with_a_job_in_hand().await;
        answers.send(1).await.unwrap();
        worker.close().await.unwrap();
        let job = take_over(&server).await;
        assert_eq!(job.attempt(), Attempt(2));
        job.complete(2).await.unwrap();
        assert_eq!(collect(&mut results).await, [2]);
    });
}

#[test]
fn jobs_that_wait_at_a_worker_go_back_with_it() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(100).open().unwrap();
        let (taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        until(|| server.stats().channel("work").unwrap().in_flight == 100).await;
        drop((taken, answers));
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        while let Some(job) = taken.recv().await.unwrap() {
            answers.send(job).await.unwrap();
        }
        assert_eq!(crate::helpers::sorted(collect(&mut results).await), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_result_without_a_job_in_hand_is_an_error_that_gives_it_back() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (_taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let error = answers.send(5).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::NoJob));
        assert_eq!(
            error.to_string(),
            "a result belongs to a job, and this loop has none in hand: `recv` one first"
        );
        assert_eq!(error.into_inner(), 5);
    });
}

#[test]
fn a_result_after_the_end_is_an_error() {
    run(async {
        let (_server, _results, _worker, mut taken, answers) = with_a_job_in_hand().await;
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(answers.send(5).await.unwrap_err().into_inner(), 5);
    });
}

#[test]
fn a_value_of_a_one_way_channel_is_kept_until_the_next_is_asked_for() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").open().unwrap();
        let mut first = worker(&server).await.receiver::<u32>("values").await.unwrap();
        values.send(1).await.unwrap();
        assert_eq!(first.recv().await.unwrap(), Some(1));
        drop(first);
        let mut second = worker(&server).await.receiver::<u32>("values").await.unwrap();
        assert_eq!(second.recv().await.unwrap(), Some(1), "the first died with it");
        values.send(2).await.unwrap();
        assert_eq!(second.recv().await.unwrap(), Some(2));
        drop((second, values));
        let mut third = worker(&server).await.receiver::<u32>("values").await.unwrap();
        assert_eq!(collect(&mut third).await, [2], "the first one was done when the second was asked for");
    });
}

#[test]
fn results_of_short_jobs_come_while_a_long_one_is_in_hand() {
    const SHORT: u32 = 5_000;
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
        let (open, gate) = tokio::sync::oneshot::channel();
        let working = tokio::spawn(async move {
            for _ in 0..SHORT {
                let job = taken.recv().await.unwrap().unwrap();
                answers.send(job).await.unwrap();
            }
            assert_eq!(taken.recv().await.unwrap(), Some(SHORT));
            gate.await.unwrap();
            assert_eq!(taken.recv().await.unwrap(), None);
        });
        for job in 0..=SHORT {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        for job in 0..SHORT {
            assert_eq!(results.recv().await.unwrap(), Some(job));
        }
        open.send(()).unwrap();
        assert_eq!(results.recv().await.unwrap(), None);
        working.await.unwrap();
    });
}
