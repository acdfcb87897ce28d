//! Jobs as handles: whoever holds one says how it ends.

use distchan::{
    Attempt, Job, JobId, JobReceiver, JobSender, Outcome, Receiver, SendErrorKind, Sender, Server,
    TryRecvError, Worker,
};

use crate::helpers::{collect, failure, run, server, until, worker};

struct Work {
    server: Server,
    jobs: JobSender<u32, u32>,
    results: Receiver<u32>,
    taken: JobReceiver<u32, u32>,
    _answers: Sender<u32>,
}

impl Work {
    async fn new() -> Self {
        let server = server().await;
        let (jobs, results) = server.channel::<u32, u32>("work").open().unwrap();
        let (taken, answers) =
            worker(&server).await.channel::<u32, u32>("work").concurrency(10).await.unwrap();
        Self { server, jobs, results, taken, _answers: answers }
    }

    /// Sends a job and takes it.
    async fn job(&mut self, value: u32) -> Job<u32, u32> {
        self.jobs.send(value).await.unwrap();
        self.next().await
    }

    async fn next(&mut self) -> Job<u32, u32> {
        self.taken.next_job().await.unwrap().unwrap()
    }

    /// Closes the channel and returns what comes until its end.
    async fn finish(self) -> Vec<u32> {
        let Self { jobs, mut results, .. } = self;
        drop(jobs);
        collect(&mut results).await
    }
}

#[test]
fn a_handle_says_what_it_holds() {
    run(async {
        let mut work = Work::new().await;
        let first = work.job(7).await;
        let second = work.job(8).await;
        assert_eq!((*first, first.id(), first.attempt()), (7, JobId(1), Attempt::FIRST));
        assert_eq!((*second, second.id(), second.attempt()), (8, JobId(2), Attempt(1)));
        let text = format!("{first:?}");
        assert!(text.contains('7') && text.contains("Job"), "{text}");
        let (value, handle) = first.into_parts();
        assert_eq!(value, 7);
        handle.complete(70).await.unwrap();
        second.finish();
        assert_eq!(work.finish().await, [70]);
    });
}

#[test]
fn complete_ends_a_job_with_its_last_result() {
    run(async {
        let mut work = Work::new().await;
        work.job(1).await.complete(10).await.unwrap();
        assert_eq!(work.results.recv().await.unwrap(), Some(10));
        assert_eq!(work.server.stats().channel("work").unwrap().completed, 1);
        assert!(work.finish().await.is_empty());
    });
}

#[test]
fn results_are_invisible_until_their_job_completes() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        // So many that a part of them is on the server before the end.
        for result in 0..100_000 {
            job.send(result).await.unwrap();
        }
        until(|| work.server.stats().channel("work").unwrap().held_bytes > 0).await;
        assert!(matches!(work.results.try_recv(), Err(TryRecvError::Empty)));
        job.complete(100_000).await.unwrap();
        drop(job);
        assert_eq!(work.finish().await, (0..=100_000).collect::<Vec<_>>());
    });
}

#[test]
fn finish_ends_a_job_with_the_results_so_far() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        job.send(10).await.unwrap();
        job.send(11).await.unwrap();
        job.finish();
        work.job(2).await.finish();
        assert_eq!(work.server.stats().channel("work").unwrap().failed, 0);
        assert_eq!(work.finish().await, [10, 11]);
    });
}

#[test]
fn fail_reports_the_reason_and_the_receiver_goes_on() {
    run(async {
        let mut work = Work::new().await;
        work.job(1).await.complete(10).await.unwrap();
        work.job(2).await.fail("the disk is full");
        work.job(3).await.complete(30).await.unwrap();
        assert_eq!(work.results.recv().await.unwrap(), Some(10));
        let failed = failure(work.results.recv().await);
        assert_eq!((failed.job(), failed.outcome()), (JobId(2), Outcome::Failed));
        assert_eq!(failed.attempts()[0].attempt, Attempt::FIRST);
        assert_eq!(failed.reason(), "the disk is full");
        assert_eq!(failed.to_string(), "job 2 failed in attempt 1: the disk is full");
        assert_eq!(work.results.recv().await.unwrap(), Some(30));
        let stats = *work.server.stats().channel("work").unwrap();
        assert_eq!((stats.completed, stats.failed, stats.redelivered), (2, 1, 0));
        assert!(work.finish().await.is_empty());
    });
}

#[test]
fn fail_drops_the_results_so_far() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        job.send(10).await.unwrap();
        job.fail("after all");
        assert_eq!(failure(work.results.recv().await).reason(), "after all");
        assert!(work.finish().await.is_empty());
    });
}

#[test]
fn a_long_reason_is_cut_at_4_kib() {
    run(async {
        let mut work = Work::new().await;
        work.job(1).await.fail("ä".repeat(10_000));
        let failed = failure(work.results.recv().await);
        let reason = failed.reason();
        assert!((4000..=4096).contains(&reason.len()), "{}", reason.len());
        assert!(reason.chars().all(|c| c == 'ä'), "it is cut between characters");
    });
}

#[test]
fn give_back_brings_the_job_to_a_worker_again() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        job.send(10).await.unwrap();
        job.give_back();
        let again = work.next().await;
        assert_eq!((*again, again.id(), again.attempt()), (1, JobId(1), Attempt(2)));
        again.complete(11).await.unwrap();
        drop(again);
        let stats = *work.server.stats().channel("work").unwrap();
        assert_eq!((stats.redelivered, stats.failed), (1, 0));
        assert_eq!(work.finish().await, [11], "the results of the first attempt are dropped");
    });
}

#[test]
fn drop_gives_a_job_back_too() {
    run(async {
        let mut work = Work::new().await;
        drop(work.job(1).await);
        drop(work.next().await);
        let again = work.next().await;
        assert_eq!(again.attempt(), Attempt(3));
        again.complete(5).await.unwrap();
        drop(again);
        assert_eq!(work.finish().await, [5]);
    });
}

#[test]
fn a_handle_that_panics_with_its_task_gives_the_job_back() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        let died = tokio::spawn(async move {
            let _held = job;
            panic!("as asked");
        });
        assert!(died.await.is_err());
        let again = work.next().await;
        assert_eq!(again.attempt(), Attempt(2));
        again.finish();
        assert!(work.finish().await.is_empty());
    });
}

#[test]
fn a_given_back_job_goes_to_another_worker() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        let (mut other, _answers) = worker(&work.server).await.channel::<u32, u32>("work").await.unwrap();
        job.give_back();
        let again = other.next_job().await.unwrap().unwrap();
        assert_eq!((*again, again.attempt()), (1, Attempt(2)));
        again.finish();
    });
}

#[test]
fn a_job_is_completed_once() {
    run(async {
        let mut work = Work::new().await;
        let job = work.job(1).await;
        job.complete(10).await.unwrap();
        let error = job.complete(11).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Answered));
        assert_eq!(error.to_string(), "the job has its outcome already");
        assert_eq!(error.into_inner(), 11);
        assert_eq!(job.send(12).await.unwrap_err().into_inner(), 12);
        job.fail("too late");
        assert_eq!(work.finish().await, [10]);
    });
}

#[test]
fn several_jobs_are_in_hand_at_once_and_end_in_any_order() {
    run(async {
        let mut work = Work::new().await;
        let mut held = Vec::new();
        for value in 0..10 {
            held.push(work.job(value).await);
        }
        for job in held.into_iter().rev() {
            job.complete(*job).await.unwrap();
            drop(job);
        }
        assert_eq!(work.finish().await, (0..10).rev().collect::<Vec<_>>());
    });
}

#[test]
fn whoever_holds_more_jobs_than_it_has_said_is_given_another_one_all_the_same() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = Worker::connect(server.local_addr()).await.unwrap();
        // One at once, as far as the server is told.
        let (mut taken, _answers) = worker.channel::<u32, u32>("work").concurrency(1).await.unwrap();
        for value in 0..40 {
            jobs.send(value).await.unwrap();
        }
        let mut held = Vec::new();
        while held.len() < 40 {
            held.push(taken.next_job().await.unwrap().unwrap());
        }
        for job in held {
            job.complete(*job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..40).collect::<Vec<_>>());
    });
}

#[test]
fn handles_stay_valid_when_their_receiver_is_closed_or_dropped() {
    run(async {
        let Work { server, jobs, mut results, mut taken, _answers } = Work::new().await;
        for value in 1..=2 {
            jobs.send(value).await.unwrap();
        }
        let first = taken.next_job().await.unwrap().unwrap();
        let second = taken.next_job().await.unwrap().unwrap();
        taken.close();
        first.complete(10).await.unwrap();
        drop(taken);
        second.complete(20).await.unwrap();
        drop((first, second, jobs));
        assert_eq!(collect(&mut results).await, [10, 20]);
        assert_eq!(server.stats().channel("work").unwrap().redelivered, 0);
    });
}

#[test]
fn handles_keep_the_connection_when_everything_else_of_the_worker_is_dropped() {
    run(async {
        let Work { server: _server, jobs, mut results, mut taken, _answers } = Work::new().await;
        jobs.send(1).await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        drop((taken, _answers, jobs));
        job.complete(10).await.unwrap();
        drop(job);
        assert_eq!(collect(&mut results).await, [10]);
    });
}

#[test]
fn a_handle_of_a_lost_connection_gives_the_result_back_and_another_worker_gets_the_job() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let first = worker(&server).await;
        let (mut taken, _answers) = first.channel::<u32, u32>("work").await.unwrap();
        jobs.send(1).await.unwrap();
        drop(jobs);
        let job = taken.next_job().await.unwrap().unwrap();
        first.close().await.unwrap();
        assert_eq!(job.complete(10).await.unwrap_err().into_inner(), 10);
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        assert_eq!(job.attempt(), Attempt(2));
        job.complete(20).await.unwrap();
        assert_eq!(collect(&mut results).await, [20]);
    });
}
