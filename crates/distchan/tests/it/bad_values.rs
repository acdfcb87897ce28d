//! Values that do not encode or do not decode: each is its own problem and nobody else's.

use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};

use distchan::codec::Json;
use distchan::{JobId, RecvError, SendErrorKind};

use crate::helpers::{Lucky, Shy, collect, failure, run, server, sorted, worker};

#[test]
fn a_job_that_does_not_decode_fails_with_the_reason_and_is_passed_over() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Lucky, u32>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<Lucky, u32>("work").await.unwrap();
        for number in [12, 13, 14] {
            jobs.send(Lucky(number)).await.unwrap();
        }
        drop(jobs);
        let mut seen = Vec::new();
        while let Some(Lucky(number)) = taken.recv().await.unwrap() {
            seen.push(number);
            answers.send(number).await.unwrap();
        }
        assert_eq!(seen, [12, 14]);
        let (mut values, mut failed) = (Vec::new(), Vec::new());
        loop {
            match results.recv().await {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                other => failed.push(failure(other)),
            }
        }
        assert_eq!(sorted(values), [12, 14]);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].job(), JobId(2));
        // The default codec does not keep what the type said of it.
        assert!(failed[0].reason().starts_with("cannot decode `it::helpers::Lucky`"), "{}", failed[0]);
    });
}

#[test]
fn a_job_that_does_not_decode_is_passed_over_by_handles_too() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Lucky, u32>("work").codec(Json).open().unwrap();
        let serving = worker(&server).await.serve("work", |Lucky(number)| async move { number });
        let serving = tokio::spawn(serving.codec(Json).concurrency(1).into_future());
        jobs.send(Lucky(13)).await.unwrap();
        assert!(failure(results.recv().await).reason().contains("13 is unlucky"));
        jobs.send(Lucky(1)).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(1));
        drop(jobs);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_result_that_does_not_decode_is_an_error_and_the_receiver_goes_on() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, Lucky>("work").open().unwrap();
        let serving = worker(&server).await.serve("work", |number| async move { Lucky(number) });
        tokio::spawn(serving.concurrency(1).into_future());
        for number in [12, 13, 14] {
            jobs.send(number).await.unwrap();
        }
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), Some(Lucky(12)));
        let error = results.recv().await.unwrap_err();
        assert!(matches!(error, RecvError::Decode(_)), "{error:?}");
        assert!(error.to_string().starts_with("cannot decode `it::helpers::Lucky`"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(results.recv().await.unwrap(), Some(Lucky(14)));
        assert_eq!(results.recv().await.unwrap(), None);
    });
}

#[test]
fn a_one_way_value_that_does_not_decode_is_an_error_and_the_receiver_goes_on() {
    run(async {
        let server = server().await;
        let down = server.sender::<Lucky>("down").open().unwrap();
        let mut up = server.receiver::<Lucky>("up").open().unwrap();
        let worker = worker(&server).await;
        let mut received = worker.receiver::<Lucky>("down").await.unwrap();
        let sent = worker.sender::<Lucky>("up").await.unwrap();
        for number in [13, 1] {
            down.send(Lucky(number)).await.unwrap();
            sent.send(Lucky(number)).await.unwrap();
        }
        for receiver in [&mut received, &mut up] {
            let error = receiver.recv().await.unwrap_err();
            assert!(matches!(error, RecvError::Decode(_)), "{error:?}");
            assert_eq!(receiver.recv().await.unwrap(), Some(Lucky(1)));
        }
    });
}

#[test]
fn recv_many_tells_of_a_value_that_does_not_decode_after_those_before_it() {
    run(async {
        let server = server().await;
        let down = server.sender::<Lucky>("down").open().unwrap();
        let mut received = worker(&server).await.receiver::<Lucky>("down").await.unwrap();
        for number in [1, 2, 13, 3] {
            down.send(Lucky(number)).await.unwrap();
        }
        drop(down);
        let (mut seen, mut errors) = (Vec::new(), 0);
        loop {
            match received.recv_many(&mut seen, 10).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error, RecvError::Decode(_)), "{error:?}");
                    assert_eq!(seen, [Lucky(1), Lucky(2)]);
                    errors += 1;
                }
            }
        }
        assert_eq!((seen, errors), (vec![Lucky(1), Lucky(2), Lucky(3)], 1));
        assert_eq!(server.stats().channel("down").unwrap().failed, 1);
    });
}

#[test]
fn a_job_that_does_not_encode_is_given_back_and_nothing_else_is_touched() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Shy, Shy>("work").open().unwrap();
        jobs.send(Shy::new(1)).await.unwrap();
        let error = jobs.send(Shy::REFUSED).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::Encode(_)));
        assert!(error.to_string().starts_with("cannot encode `it::helpers::Shy`"), "{error}");
        assert_eq!(error.into_inner(), Shy::REFUSED);
        assert_eq!(jobs.try_send(Shy::REFUSED).unwrap_err().into_inner(), Shy::REFUSED);
        let permit = jobs.reserve().await.unwrap();
        assert_eq!(permit.send(Shy::REFUSED).unwrap_err().into_inner(), Shy::REFUSED);
        jobs.send(Shy::new(2)).await.unwrap();
        drop(jobs);
        worker(&server).await.serve("work", |job: Shy| async move { job }).await.unwrap();
        assert_eq!(sorted(collect(&mut results).await), [Shy::new(1), Shy::new(2)]);
    });
}

#[test]
fn a_job_whose_serialize_panics_harms_only_its_sender() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Shy, Shy>("work").open().unwrap();
        jobs.send(Shy::new(1)).await.unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| jobs.try_send(Shy::PANICS))).is_err());
        jobs.send(Shy::new(2)).await.unwrap();
        drop(jobs);
        worker(&server).await.serve("work", |job: Shy| async move { job }).await.unwrap();
        assert_eq!(sorted(collect(&mut results).await), [Shy::new(1), Shy::new(2)]);
    });
}

#[test]
fn a_result_that_does_not_encode_is_given_back_and_its_job_can_still_be_failed() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, Shy>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, Shy>("work").await.unwrap();
        for job in 1..=3 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let first = taken.next_job().await.unwrap().unwrap();
        assert_eq!(first.send(Shy::REFUSED).await.unwrap_err().into_inner(), Shy::REFUSED);
        let error = first.complete(Shy::REFUSED).await.unwrap_err();
        first.fail(error);
        assert!(failure(results.recv().await).reason().starts_with("cannot encode `it::helpers::Shy`"));
        let second = taken.next_job().await.unwrap().unwrap();
        second.complete(Shy::REFUSED).await.unwrap_err();
        second.complete(Shy::new(2)).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(Shy::new(2)));
        assert_eq!(taken.recv().await.unwrap(), Some(3));
        assert_eq!(answers.send(Shy::REFUSED).await.unwrap_err().into_inner(), Shy::REFUSED);
        answers.send(Shy::new(3)).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), None);
        assert_eq!(collect(&mut results).await, [Shy::new(3)]);
    });
}

#[test]
fn a_handler_whose_result_does_not_encode_has_failed_its_job() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, Shy>("work").open().unwrap();
        let serving = worker(&server).await.serve_blocking("work", Shy::new);
        tokio::spawn(serving.concurrency(1).into_future());
        for job in [42, 1] {
            jobs.send(job).await.unwrap();
        }
        assert!(failure(results.recv().await).reason().starts_with("cannot encode `it::helpers::Shy`"));
        assert_eq!(results.recv().await.unwrap(), Some(Shy::new(1)));
    });
}

/// A handler's result is encoded by the library, so what its `Serialize` does is the job's problem, not the worker's.
#[test]
fn a_handler_whose_result_panics_when_it_is_encoded_costs_no_worker() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, Shy>("work").open().unwrap();
        let worker = worker(&server).await;
        tokio::spawn(worker.serve_blocking("work", Shy::new).concurrency(1).into_future());
        for job in [666, 1] {
            jobs.send(job).await.unwrap();
        }
        assert!(failure(results.recv().await).reason().contains("666 panics"));
        assert_eq!(results.recv().await.unwrap(), Some(Shy::new(1)));
    });
}
