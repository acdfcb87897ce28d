//! What the Go package's own test-suite holds, held here.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use distchan::{Code, ConnectError, Server, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{Blob, Xor, collect, refusal_of, run, server, worker};
use crate::place::place;

#[test]
fn values_arrive_in_order_at_one_worker() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").open().unwrap();
        let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
        let sending = tokio::spawn(async move {
            for value in 0..5000 {
                values.send(value).await.unwrap();
            }
        });
        assert_eq!(collect(&mut received).await, (0..5000).collect::<Vec<_>>());
        sending.await.unwrap();
    });
}

#[test]
fn jobs_arrive_in_order_at_one_worker_and_their_results_in_order_at_the_server() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").open().unwrap();
        let (mut taken, answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        let working = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(job) = taken.recv().await.unwrap() {
                seen.push(job);
                answers.send(job * 2).await.unwrap();
            }
            seen
        });
        for job in 0..1000 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, (0..1000).map(|job| job * 2).collect::<Vec<_>>());
        assert_eq!(working.await.unwrap(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_hundred_values_over_ten_workers_with_equal_credit_go_round_robin() {
    run(async {
        let server = server().await;
        let values = server.sender::<u32>("values").credit(100).open().unwrap();
        let mut taking = Vec::new();
        for _ in 0..10 {
            let mut received = worker(&server).await.receiver::<u32>("values").await.unwrap();
            taking.push(tokio::spawn(async move { collect(&mut received).await }));
        }
        for value in 0..100 {
            values.send(value).await.unwrap();
        }
        drop(values);
        for (index, taking) in (0..).zip(taking) {
            let expected: Vec<u32> = (0..100).filter(|value| value % 10 == index).collect();
            assert_eq!(taking.await.unwrap(), expected, "worker {index}");
        }
    });
}

#[test]
fn a_hundred_jobs_over_ten_workers_with_equal_credit_go_round_robin() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, (u32, u32)>("work").credit(10).open().unwrap();
        let mut working = Vec::new();
        for index in 0..10 {
            let (mut taken, answers) =
                worker(&server).await.channel::<u32, (u32, u32)>("work").await.unwrap();
            working.push(tokio::spawn(async move {
                while let Some(job) = taken.recv().await.unwrap() {
                    answers.send((index, job)).await.unwrap();
                }
            }));
        }
        for job in 0..100 {
            jobs.send(job).await.unwrap();
        }
        drop(jobs);
        let results = collect(&mut results).await;
        assert_eq!(results.len(), 100);
        assert!(results.iter().all(|(index, job)| job % 10 == *index), "{results:?}");
        for working in working {
            working.await.unwrap();
        }
    });
}

#[test]
fn a_transform_on_both_sides_works_in_both_directions() {
    run(async {
        let server = server().await;
        let (jobs, mut results) =
            server.channel::<String, String>("secret").transform(Xor(42)).open().unwrap();
        let serving = worker(&server).await.serve("secret", |job: String| async move { job.to_uppercase() });
        let serving = tokio::spawn(serving.transform(Xor(42)).concurrency(1).into_future());
        for job in ["attack", "at", "dawn"] {
            jobs.send(job.to_owned()).await.unwrap();
        }
        drop(jobs);
        assert_eq!(collect(&mut results).await, ["ATTACK", "AT", "DAWN"]);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_transform_works_for_values_that_travel_in_pieces() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Blob, Blob>("large").transform(Xor(7)).open().unwrap();
        let serving = worker(&server).await.serve("large", |job: Blob| async move { job });
        tokio::spawn(serving.transform(Xor(7)).into_future());
        let large: Vec<u8> = (0..1_000_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
        assert!(jobs.call(Blob(large.clone())).await.unwrap().0 == large);
    });
}

/// Passes bytes on and keeps them.
async fn listen_in(listener: TcpListener, server: String) -> Vec<u8> {
    let (worker, _) = listener.accept().await.unwrap();
    let server = TcpStream::connect(server).await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ((from_worker, to_worker), (from_server, to_server)) = (worker.into_split(), server.into_split());
    let pass = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| {
        let heard = Arc::clone(&heard);
        async move {
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                heard.lock().unwrap().extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        }
    };
    tokio::join!(pass(from_worker, to_server), pass(from_server, to_worker));
    Arc::into_inner(heard).unwrap().into_inner().unwrap()
}

/// What somebody on the wire hears of a job and its result.
async fn heard_of_a_secret(with: impl Fn() -> Xor) -> Vec<u8> {
    let server = server().await;
    let (jobs, _results) = server.channel::<String, String>("secret").transform(with()).open().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hearing = tokio::spawn(listen_in(listener, server.local_addr().to_string()));
    let worker = Worker::connect(address).await.unwrap();
    let serving = worker.serve("secret", |job: String| async move { job.to_uppercase() }).transform(with());
    let serving = tokio::spawn(serving.into_future());
    assert_eq!(jobs.call("attack at dawn".to_owned()).await.unwrap(), "ATTACK AT DAWN");
    drop(jobs);
    serving.await.unwrap().unwrap();
    worker.close().await.unwrap();
    hearing.await.unwrap()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn a_transform_hides_jobs_and_results_on_the_wire() {
    run(async {
        let plain = heard_of_a_secret(|| Xor(0)).await;
        assert!(contains(&plain, "attack at dawn") && contains(&plain, "ATTACK AT DAWN"), "the ear works");
        let hidden = heard_of_a_secret(|| Xor(42)).await;
        assert!(!contains(&hidden, "attack") && !contains(&hidden, "ATTACK"));
    });
}

#[test]
fn with_different_keys_no_value_is_delivered_and_both_sides_get_an_error() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("secret").transform(Xor(1)).open().unwrap();
        jobs.send(5).await.unwrap();
        let refused =
            worker(&server).await.channel::<u32, u32>("secret").transform(Xor(2)).await.unwrap_err();
        assert_eq!(refused.code, Code::Transform);
        assert_eq!(
            refused.to_string(),
            "cannot open the channel \"secret\": the server cannot undo the transform of this worker: \
             both need the same transform with the same key"
        );
        let refusal = refusal_of(&server, "secret").await;
        assert!(refusal.reason.contains("both need the same transform with the same key"), "{refusal:?}");
        assert!(refusal.peer.starts_with("127.0.0.1:"), "{refusal:?}");
        let stats = *server.stats().channel("secret").unwrap();
        assert_eq!((stats.queued, stats.in_flight, stats.completed, stats.workers), (1, 0, 0, 0));
    });
}

#[test]
fn with_a_transform_on_one_side_only_both_sides_get_an_error() {
    run(async {
        let server = server().await;
        let _secret = server.sender::<u32>("secret").transform(Xor(1)).open().unwrap();
        let _open = server.receiver::<u32>("open").open().unwrap();
        let worker = worker(&server).await;
        let refused = worker.receiver::<u32>("secret").await.unwrap_err();
        assert_eq!(refused.code, Code::Transform);
        assert_eq!(refused.reason, "the server transforms this channel's bytes, this worker does not");
        assert_eq!(refusal_of(&server, "secret").await.reason, refused.reason);
        let refused = worker.sender::<u32>("open").transform(Xor(1)).await.unwrap_err();
        assert_eq!(refused.code, Code::Transform);
        assert_eq!(refused.reason, "this worker transforms this channel's bytes, the server does not");
        assert_eq!(refusal_of(&server, "open").await.reason, refused.reason);
    });
}

#[test]
fn different_signatures_are_refused_with_both_named() {
    run(async {
        let server = Server::builder().signature("app/v1").bind(place()).await.unwrap();
        let refused = Worker::builder().signature("app/v2").connect(server.local_addr()).await.unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&server.local_addr().to_string()), "{text}");
        assert!(text.contains("\"app/v1\"") && text.contains("\"app/v2\""), "{text}");
        let ConnectError::Refused { code, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(code, Code::Signature);
        let refusal = server.next_refusal().await;
        assert_eq!(refusal.channel, None);
        assert!(
            refusal.reason.contains("\"app/v1\"") && refusal.reason.contains("\"app/v2\""),
            "{refusal:?}"
        );
        assert!(server.workers().is_empty());
    });
}

#[test]
fn no_signature_is_another_signature() {
    run(async {
        let server = Server::builder().signature("app/v1").bind(place()).await.unwrap();
        let refused = Worker::connect(server.local_addr()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Refused { code: Code::Signature, .. }), "{refused}");
    });
}

#[test]
fn equal_signatures_are_let_in() {
    run(async {
        let server = Server::builder().signature("app/v1").bind(place()).await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = Worker::builder().signature("app/v1").connect(server.local_addr()).await.unwrap();
        tokio::spawn(worker.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}
