//! "Close means done": every loop ends by `Ok(None)`, every result arrives once, whoever died meanwhile.

use distchan::{Attempt, JobSender, Receiver, Server, Worker};
use tokio::task::JoinHandle;

use crate::helpers::{collect, run, server, worker};

const JOBS: u32 = 100_000;

/// Sends all the jobs, and drops the last sender.
fn send_all(jobs: JobSender<u32, u32>) -> JoinHandle<()> {
    tokio::spawn(async move {
        for job in 0..JOBS {
            jobs.send(job).await.unwrap();
        }
    })
}

/// A worker's plain loop; returns how many jobs it did.
async fn work(worker: Worker) -> u32 {
    let (mut taken, answers) = worker.channel::<u32, u32>("work").await.unwrap();
    let mut done = 0;
    while let Some(job) = taken.recv().await.unwrap() {
        answers.send(job).await.unwrap();
        done += 1;
    }
    assert_eq!(taken.recv().await.unwrap(), None, "it stays at its end");
    done
}

/// Which results have come.
struct Tally(Vec<bool>);

impl Tally {
    fn new() -> Self {
        Self(vec![false; JOBS as usize])
    }

    fn count(&mut self, result: u32) {
        let seen = &mut self.0[result as usize];
        assert!(!*seen, "the result {result} comes twice");
        *seen = true;
    }

    /// Takes everything until the end.
    async fn finish(mut self, results: &mut Receiver<u32>) {
        while let Some(result) = results.recv().await.unwrap() {
            self.count(result);
        }
        assert_eq!(self.0.iter().filter(|seen| !**seen).count(), 0, "results are missing");
        assert_eq!(results.recv().await.unwrap(), None, "it stays at its end");
    }
}

async fn opened() -> (Server, JobSender<u32, u32>, Receiver<u32>) {
    let server = server().await;
    let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
    (server, jobs, results)
}

#[test]
fn a_hundred_thousand_jobs_over_eight_workers_end_everywhere() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let mut working = Vec::new();
        for _ in 0..8 {
            working.push(tokio::spawn(work(worker(&server).await)));
        }
        server.wait_for_workers(8).await;
        let sending = send_all(jobs);
        Tally::new().finish(&mut results).await;
        sending.await.unwrap();
        let mut done = 0;
        for working in working {
            done += working.await.unwrap();
        }
        assert_eq!(done, JOBS);
    });
}

#[test]
fn a_hundred_thousand_jobs_survive_the_death_of_four_of_eight_workers() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let mut working = Vec::new();
        for _ in 0..8 {
            working.push(tokio::spawn(work(worker(&server).await)));
        }
        server.wait_for_workers(8).await;
        let sending = send_all(jobs);
        let mut tally = Tally::new();
        for dying in working.iter().take(4) {
            for _ in 0..JOBS / 8 {
                tally.count(results.recv().await.unwrap().unwrap());
            }
            dying.abort();
        }
        tally.finish(&mut results).await;
        sending.await.unwrap();
        for (index, working) in working.into_iter().enumerate() {
            let ended = working.await;
            assert_eq!(ended.is_err(), index < 4, "worker {index}: {ended:?}");
        }
        let stats = *server.stats().channel("work").unwrap();
        assert_eq!((stats.submitted, stats.completed, stats.failed), (JOBS.into(), JOBS.into(), 0));
    });
}

#[test]
fn a_hundred_thousand_jobs_wait_for_the_first_worker() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let room = jobs.clone();
        let sending = send_all(jobs);
        // As many as there is room for have come before anyone works.
        crate::helpers::until(|| room.capacity() == 0).await;
        drop(room);
        let mut working = Vec::new();
        for _ in 0..8 {
            working.push(tokio::spawn(work(worker(&server).await)));
        }
        Tally::new().finish(&mut results).await;
        sending.await.unwrap();
        for working in working {
            working.await.unwrap();
        }
    });
}

#[test]
fn workers_come_and_go_while_nothing_is_lost() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let sending = send_all(jobs);
        let mut tally = Tally::new();
        for _ in 0..20 {
            let visitor = tokio::spawn(work(worker(&server).await));
            for _ in 0..JOBS / 50 {
                tally.count(results.recv().await.unwrap().unwrap());
            }
            visitor.abort();
        }
        let last = tokio::spawn(work(worker(&server).await));
        tally.finish(&mut results).await;
        sending.await.unwrap();
        last.await.unwrap();
    });
}

#[test]
fn an_idle_worker_is_still_there_to_take_over_from_a_dying_one() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        jobs.send(1).await.unwrap();
        drop(jobs);
        let dying = worker(&server).await;
        let (mut taken, answers) = dying.channel::<u32, u32>("work").await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(1));
        let (mut idle, _) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let taking_over = tokio::spawn(async move {
            let job = idle.next_job().await.unwrap().expect("the end has not come yet");
            assert_eq!((*job, job.attempt()), (1, Attempt(2)));
            job.complete(10).await.unwrap();
            assert!(idle.next_job().await.unwrap().is_none());
        });
        drop((dying, taken, answers));
        assert_eq!(collect(&mut results).await, [10]);
        taking_over.await.unwrap();
    });
}

#[test]
fn a_channel_is_open_as_long_as_one_clone_of_its_sender() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let other = jobs.clone();
        drop(jobs);
        let working = tokio::spawn(work(worker(&server).await));
        other.send(1).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(1));
        drop(other);
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(working.await.unwrap(), 1);
    });
}

#[test]
fn close_ends_a_channel_for_all_its_senders_and_what_was_sent_is_done() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let other = jobs.clone();
        jobs.send(1).await.unwrap();
        other.send(2).await.unwrap();
        jobs.close();
        assert_eq!(other.send(3).await.unwrap_err().into_inner(), 3);
        assert_eq!(work(worker(&server).await).await, 2);
        assert_eq!(collect(&mut results).await, [1, 2]);
    });
}

#[test]
fn closing_one_way_channels_ends_their_workers() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").open().unwrap();
        let mut taking = Vec::new();
        for _ in 0..3 {
            let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
            taking.push(tokio::spawn(async move {
                let seen = collect(&mut received).await;
                assert!(received.is_closed());
                seen
            }));
        }
        values.send(1).await.unwrap();
        values.close();
        let mut all = Vec::new();
        for taking in taking {
            all.extend(taking.await.unwrap());
        }
        assert_eq!(all, [1]);
    });
}
