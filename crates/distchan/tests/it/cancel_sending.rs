//! Sends that are dropped at their await points again and again: they send nothing, or all of it.

use std::future::IntoFuture;

use distchan::{Server, Worker};

use crate::cancel_receiving::{VALUES, all, opened};
use crate::helpers::{
    Blob, at_most, breathe, collect, insist, poll_once, run, run_paused, server, settle, until, worker,
};

#[test]
fn dropped_sends_of_jobs_send_nothing() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve("work", |job: u32| async move { job });
        tokio::spawn(serving.concurrency(1).into_future());
        let sending = tokio::spawn(async move {
            for job in 0..VALUES {
                insist(|| jobs.send(job)).await.unwrap();
            }
        });
        assert_eq!(collect(&mut results).await, all());
        sending.await.unwrap();
    });
}

#[test]
fn dropped_sends_on_a_one_way_channel_send_nothing() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").capacity(2).open().unwrap();
        let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
        let sending = tokio::spawn(async move {
            for value in 0..VALUES {
                insist(|| values.send(value)).await.unwrap();
            }
        });
        assert_eq!(collect(&mut received).await, all());
        sending.await.unwrap();
    });
}

#[test]
fn dropped_waits_leave_no_hole_in_the_line() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").capacity(1).open().unwrap();
        let permit = values.reserve().await.unwrap();
        let mut waiting: Vec<_> = (0..9).map(|_| Box::pin(values.reserve())).collect();
        for waiting in &mut waiting {
            assert!(at_most(1, waiting).await.is_none());
        }
        let last = waiting.pop().unwrap();
        // Whoever has been given the room and does not look any more must pass it on.
        drop(permit);
        for waiting in waiting {
            drop(waiting);
        }
        let permit = last.await.unwrap();
        assert_eq!(values.capacity(), 0);
        drop(permit);
        assert_eq!(values.capacity(), 1);
    });
}

#[test]
fn dropped_reserves_hold_no_room() {
    run(async {
        let (server, jobs, mut results) = opened().await;
        let serving = worker(&server).await.serve("work", |job: u32| async move { job });
        tokio::spawn(serving.concurrency(1).into_future());
        for job in 0..VALUES {
            loop {
                if let Some(permit) = at_most(1, jobs.reserve()).await {
                    permit.unwrap().send(job).unwrap();
                    break;
                }
                breathe().await;
            }
        }
        until(|| jobs.capacity() == 3).await;
        drop(jobs);
        assert_eq!(collect(&mut results).await, all());
    });
}

#[test]
fn dropped_closed_futures_can_be_called_again() {
    run(async {
        let (_server, jobs, _results) = opened().await;
        for _ in 0..100 {
            assert!(poll_once(jobs.closed()).is_none());
        }
        jobs.close();
        jobs.closed().await;
    });
}

/// Results of 256 KiB, so that a worker's ends are full soon.
fn bulky(value: u8) -> Blob {
    Blob(vec![value; 256 * 1024])
}

#[test]
fn dropped_completes_send_nothing_and_leave_the_job_in_hand() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u8, Blob>("work").open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<u8, Blob>("work").await.unwrap();
        let working = tokio::spawn(async move {
            let mut waited = 0_usize;
            while let Some(job) = taken.next_job().await.unwrap() {
                while poll_once(job.complete(bulky(*job))).map(Result::unwrap).is_none() {
                    waited += 1;
                    breathe().await;
                }
            }
            waited
        });
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        until(|| server.stats().channel("work").unwrap().unread_bytes > 0).await;
        for job in 0..100 {
            assert_eq!(results.recv().await.unwrap(), Some(bulky(job)));
        }
        assert_eq!(results.recv().await.unwrap(), None);
        working.await.unwrap();
        assert_eq!(server.stats().channel("work").unwrap().redelivered, 0);
    });
}

#[test]
fn a_complete_that_is_dropped_while_it_waits_can_be_followed_by_a_failure() {
    run_paused(async {
        let server = Server::bind("memory:dropped completes").await.unwrap();
        let (jobs, mut results) = server.channel::<u32, Blob>("work").open().unwrap();
        let worker = Worker::connect("memory:dropped completes").await.unwrap();
        let (mut taken, _answers) = worker.channel::<u32, Blob>("work").await.unwrap();
        for job in 0..500 {
            jobs.send(job).await.unwrap();
        }
        // Nobody reads, so that at some time there is no room however long one waits.
        let mut completed = 0;
        let stuck = loop {
            let job = taken.next_job().await.unwrap().unwrap();
            if poll_once(job.complete(bulky(0))).is_none() {
                settle().await;
                if poll_once(job.complete(bulky(0))).is_none() {
                    break job;
                }
            }
            completed += 1;
        };
        stuck.fail("after all");
        drop((jobs, taken));
        for _ in 0..completed {
            assert_eq!(results.recv().await.unwrap(), Some(bulky(0)));
        }
        assert_eq!(crate::helpers::failure(results.recv().await).reason(), "after all");
    });
}

#[test]
fn dropped_sends_of_one_of_several_results_send_nothing() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u8, Blob>("work").open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<u8, Blob>("work").await.unwrap();
        let working = tokio::spawn(async move {
            while let Some(job) = taken.next_job().await.unwrap() {
                for result in 0..20 {
                    insist(|| job.send(bulky(*job * 20 + result))).await.unwrap();
                }
                job.finish();
            }
        });
        for job in 0..5 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        for result in 0..100 {
            assert_eq!(results.recv().await.unwrap(), Some(bulky(result)));
        }
        assert_eq!(results.recv().await.unwrap(), None);
        working.await.unwrap();
    });
}

#[test]
fn dropped_sends_of_a_plain_loops_results_send_nothing() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u8, Blob>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u8, Blob>("work").await.unwrap();
        let working = tokio::spawn(async move {
            while let Some(job) = taken.recv().await.unwrap() {
                insist(|| answers.send(bulky(job))).await.unwrap();
            }
        });
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        for job in 0..100 {
            assert_eq!(results.recv().await.unwrap(), Some(bulky(job)));
        }
        working.await.unwrap();
    });
}

#[test]
fn dropped_sends_of_a_workers_values_send_nothing() {
    run(async {
        let server = server().await;
        let mut log = server.receiver::<Blob>("log").open().unwrap();
        let values = worker(&server).await.sender::<Blob>("log").await.unwrap();
        let sending = tokio::spawn(async move {
            for value in 0..100 {
                insist(|| values.send(bulky(value))).await.unwrap();
            }
        });
        for value in 0..100 {
            assert_eq!(log.recv().await.unwrap(), Some(bulky(value)));
        }
        sending.await.unwrap();
    });
}
