//! Strangers in numbers, and strangers that stall: whoever works goes on working, and whoever comes with a ticket comes in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use distchan::{Server, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{run, server, until};
use crate::security::{served, work};

/// Connections that begin like this, and then say nothing more.
async fn stall(server: &Server, count: usize, begins: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
        stranger.write_all(begins).await.unwrap();
        crowd.push(stranger);
    }
    crowd
}

/// Why a stranger was refused. Somebody else may be meanwhile: a worker of another test that looks for its server, which had the same port.
async fn refused(server: &Server, stranger: SocketAddr) -> String {
    loop {
        let refusal = server.next_refusal().await;
        if refusal.peer == stranger.to_string() {
            return refusal.reason;
        }
    }
}

#[test]
fn a_crowd_of_stalled_handshakes_keeps_no_worker_out() {
    run(async {
        let (server, jobs) = served().await;
        // More than there are places: the beginning of a `ClientHello`, and nothing at all.
        let first = stall(&server, 250, &[22, 3, 1, 1, 0, 1]).await;
        let second = stall(&server, 200, b"").await;
        let began = Instant::now();
        work(&Worker::connect(server.ticket().unwrap()).await.unwrap());
        server.wait_for_workers(2).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        let refusal = server.next_refusal().await;
        assert_eq!(refusal.reason, "its handshake was slow, and gave way to another");
        drop((first, second));
    });
}

#[test]
fn the_same_without_tls() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let crowd = stall(&server, 400, b"distchan\x01\0\x01\0\x10").await;
        let began = Instant::now();
        work(&Worker::connect(server.local_addr()).await.unwrap());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        drop(crowd);
    });
}

#[test]
fn a_handshake_that_trickles_has_ten_seconds_in_all() {
    run(async {
        let (server, jobs) = served().await;
        let began = Instant::now();
        let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
        let address = stranger.local_addr().unwrap();
        // One byte at a time, of a record of 256.
        let trickling = async {
            for byte in [22, 3, 1, 1, 0].into_iter().chain(std::iter::repeat(0)) {
                if stranger.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            reason = refused(&server, address) => {
                let after = began.elapsed().as_secs();
                // The message that begins there is none: TLS itself may find that out sooner.
                assert!(after <= 11 && (after >= 10 || reason.starts_with("the TLS handshake failed")), "{reason} after {after} s");
            }
            () = trickling => panic!("it was closed without a word"),
        }
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn who_says_nothing_is_closed_after_ten_seconds() {
    run(async {
        let (server, jobs) = served().await;
        let began = Instant::now();
        let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
        assert_eq!(stranger.read(&mut [0; 16]).await.unwrap_or(0), 0);
        assert_eq!(began.elapsed().as_secs(), 10);
        let reason = refused(&server, stranger.local_addr().unwrap()).await;
        assert_eq!(reason, "the handshake was not finished within 10 s");
        until(|| server.workers().len() == 1).await;
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn a_handshake_that_never_ends_is_too_long() {
    run(async {
        let (server, jobs) = served().await;
        let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
        // A `ClientHello` of 60,000 bytes, in records of 16,000: TLS waits for its end.
        let mut record = vec![22, 3, 1, 0x3e, 0x80];
        record.extend([1, 0, 0xea, 0x60]);
        record.resize(5 + 16_000, 0);
        let rest = [vec![22, 3, 1, 0x3e, 0x80], vec![0; 16_000]].concat();
        for bytes in [&record, &rest, &rest] {
            // The server may hang up first.
            let _ = stranger.write_all(bytes).await;
        }
        let refusal = server.next_refusal().await;
        assert_eq!(refusal.reason, "more than 32768 bytes before the end of the TLS handshake");
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}
