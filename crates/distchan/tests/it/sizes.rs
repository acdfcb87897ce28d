//! Values of all sizes: none is too small, and what is too large is said on the side that has it.

use std::future::IntoFuture;

use distchan::SendErrorKind;

use crate::helpers::{Blob, collect, failure, run, server, worker};

#[test]
fn a_value_that_is_too_large_is_given_back_with_its_size_and_the_limit() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Vec<u8>, u32>("work").max_value(100).open().unwrap();
        let error = jobs.send(vec![7; 200]).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::TooLarge { size: 202, limit: 100 }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the value has 202 bytes, the channel's limit is 100; raise it with `max_value` on both sides"
        );
        assert_eq!(error.into_inner(), vec![7; 200]);
        jobs.send(vec![7; 99]).await.unwrap();
    });
}

#[test]
fn the_smaller_limit_of_both_sides_holds_for_results() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, Vec<u8>>("work").max_value(100).open().unwrap();
        let (mut taken, _answers) =
            worker(&server).await.channel::<u32, Vec<u8>>("work").max_value(1000).await.unwrap();
        jobs.send(1).await.unwrap();
        let job = taken.next_job().await.unwrap().unwrap();
        let error = job.complete(vec![0; 500]).await.unwrap_err();
        assert!(matches!(error.kind(), SendErrorKind::TooLarge { limit: 100, .. }), "{error:?}");
        job.complete(vec![0; 99]).await.unwrap();
        assert_eq!(results.recv().await.unwrap(), Some(vec![0; 99]));
    });
}

#[test]
fn a_handler_whose_result_is_too_large_has_failed_its_job() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<usize, Vec<u8>>("work").max_value(100).open().unwrap();
        let serving =
            worker(&server).await.serve("work", |size| async move { vec![0_u8; size] }).max_value(100);
        tokio::spawn(serving.concurrency(1).into_future());
        for size in [500, 5] {
            jobs.send(size).await.unwrap();
        }
        assert!(failure(results.recv().await).reason().contains("the channel's limit is 100"));
        assert_eq!(results.recv().await.unwrap(), Some(vec![0; 5]));
    });
}

#[test]
fn a_reason_may_be_longer_than_a_value() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u8, u8>("work").max_value(1).open().unwrap();
        let (mut taken, _answers) =
            worker(&server).await.channel::<u8, u8>("work").max_value(1).await.unwrap();
        jobs.send(1).await.unwrap();
        taken.next_job().await.unwrap().unwrap().fail("more than one byte");
        assert_eq!(failure(results.recv().await).reason(), "more than one byte");
    });
}

#[test]
fn large_values_travel_whole_while_small_ones_pass_them() {
    run(async {
        let server = server().await;
        let (large, _a) = server.channel::<Blob, Blob>("large").open().unwrap();
        let (small, _b) = server.channel::<u32, u32>("small").open().unwrap();
        let worker = worker(&server).await;
        tokio::spawn(worker.serve("large", |job: Blob| async move { job }).into_future());
        tokio::spawn(worker.serve("small", |job: u32| async move { job }).into_future());
        let value: Vec<u8> = (0..10_000_000_u32).map(|byte| (byte % 251).to_le_bytes()[0]).collect();
        let answer = tokio::spawn({
            let value = value.clone();
            async move { large.call(Blob(value)).await.unwrap() }
        });
        for job in 0..10 {
            assert_eq!(small.call(job).await.unwrap(), job);
        }
        assert!(answer.await.unwrap().0 == value);
    });
}

#[test]
fn empty_values_travel_too() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<(), ()>("nothing").open().unwrap();
        let serving = worker(&server).await.serve("nothing", |()| async {});
        tokio::spawn(serving.into_future());
        for _ in 0..1000 {
            jobs.send(()).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await.len(), 1000);
    });
}
