//! 100,000 jobs and eight worker processes: every result exactly once, every worker sees the end, the receiver ends.

use std::time::Duration;

use distchan::{Receiver, SendError, Server};

use crate::children::{CHANNEL, Children};
use crate::place::place;

const JOBS: u64 = 100_000;

/// Which results came, and how often.
struct Tally(Vec<u8>);

impl Tally {
    fn new() -> Self {
        Self(vec![0; usize::try_from(JOBS).unwrap()])
    }

    fn count(&mut self, (job, square): (u64, u64)) {
        assert_eq!(square, job * job);
        self.0[usize::try_from(job).unwrap()] += 1;
    }

    fn is_exactly_once(&self) -> bool {
        self.0.iter().all(|count| *count == 1)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("the test hangs")
}

/// Sends all jobs from a task of its own, and drops the last sender.
async fn serve() -> (Server, Receiver<(u64, u64)>) {
    let server = Server::bind(place()).await.unwrap();
    let (jobs, results) = server.channel::<u64, (u64, u64)>(CHANNEL).open().unwrap();
    tokio::spawn(async move {
        for job in 0..JOBS {
            jobs.send(job).await?;
        }
        Ok::<_, SendError<u64>>(())
    });
    (server, results)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_do_100_000_jobs_and_all_see_the_end() {
    within(async {
        let (server, mut results) = serve().await;
        let workers = Children::start(&server, 8);
        let mut tally = Tally::new();
        while let Some(result) = results.recv().await.unwrap() {
            tally.count(result);
        }
        assert!(tally.is_exactly_once());
        workers.all_saw_the_end();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_of_eight_workers_are_killed_midway_and_nothing_is_lost_or_doubled() {
    within(async {
        let (server, mut results) = serve().await;
        let mut workers = Children::start(&server, 8);
        server.wait_for_workers(8).await;
        let mut tally = Tally::new();
        for received in 0.. {
            // One after the other, at points that depend on progress and not on time.
            if [1_000, 20_000, 40_000, 60_000].contains(&received) {
                workers.kill(1);
            }
            match results.recv().await.unwrap() {
                Some(result) => tally.count(result),
                None => break,
            }
        }
        assert!(tally.is_exactly_once());
        let stats = *server.stats().channel(CHANNEL).unwrap();
        assert_eq!((stats.submitted, stats.completed, stats.failed), (JOBS, JOBS, 0));
        workers.all_saw_the_end();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_workers_at_first_jobs_wait() {
    within(async {
        let (server, mut results) = serve().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.stats().channel(CHANNEL).unwrap().completed, 0);
        let workers = Children::start(&server, 8);
        let mut tally = Tally::new();
        while let Some(result) = results.recv().await.unwrap() {
            tally.count(result);
        }
        assert!(tally.is_exactly_once());
        workers.all_saw_the_end();
    })
    .await;
}
