//! Channels whose batches are compressed.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use distchan::codec::Json;
use distchan::{Compression, Server, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{Xor, collect, run, server, worker};

const BOTH: [Compression; 2] = [Compression::Lz4, Compression::Zstd];

/// An address that leads to `server`, and how many bytes have passed it.
async fn counted(server: &Server) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let target = server.local_addr().to_string().replace("tcp:", "");
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(target).await.unwrap();
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        let pass = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| {
            let counter = Arc::clone(&counter);
            async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(length @ 1..) = from.read(&mut buffer).await {
                    counter.fetch_add(length as u64, Ordering::Relaxed);
                    if to.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::join!(pass(near_read, far_write), pass(far_read, near_write));
    });
    (address, count)
}

/// What somebody's log looks like.
fn lines() -> Vec<String> {
    (0..5000).map(|line| format!("2026-11-26 12:00:00 INFO request {line} served in 12 ms")).collect()
}

/// Sends lines over a counted line, as jobs that come back in capitals; returns how many bytes that took.
async fn bytes_for_lines(compression: Option<Compression>) -> u64 {
    let server = server().await;
    let mut channel = server.channel::<String, String>("lines").codec(Json).ordered();
    if let Some(compression) = compression {
        channel = channel.compress(compression);
    }
    let (jobs, mut results) = channel.open().unwrap();
    let (address, count) = counted(&server).await;
    let worker = Worker::connect(address.as_str()).await.unwrap();
    let serving = worker.serve("lines", async |line: String| line.to_uppercase()).codec(Json);
    let serving = tokio::spawn(serving.into_future());
    for line in lines() {
        jobs.send(line).await.unwrap();
    }
    drop(jobs);
    let expected: Vec<String> = lines().iter().map(|line| line.to_uppercase()).collect();
    assert_eq!(collect(&mut results).await, expected);
    serving.await.unwrap().unwrap();
    count.load(Ordering::Relaxed)
}

#[test]
fn lines_of_text_take_less_of_the_line() {
    run(async {
        let plain = bytes_for_lines(None).await;
        for compression in BOTH {
            let bytes = bytes_for_lines(Some(compression)).await;
            assert!(bytes < plain / 3, "{compression:?}: {bytes} bytes, and {plain} without");
        }
    });
}

#[test]
fn values_of_every_size_come_whole() {
    for compression in BOTH {
        run(async move {
            let server = server().await;
            let (jobs, mut results) =
                server.channel::<Vec<u8>, Vec<u8>>("work").compress(compression).ordered().open().unwrap();
            let serving = worker(&server).await.serve("work", async |value: Vec<u8>| value);
            let serving = tokio::spawn(serving.into_future());
            let sizes = [0, 1, 255, 256, 257, 65_000, 65_536, 65_537, 1_000_000, 3_000_000];
            let values: Vec<Vec<u8>> = sizes
                .into_iter()
                .flat_map(|size: usize| {
                    // What cannot be compressed, and what can.
                    let noise = (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]);
                    [noise.collect(), vec![7; size]]
                })
                .collect();
            for value in &values {
                jobs.send(value.clone()).await.unwrap();
            }
            drop(jobs);
            assert!(collect(&mut results).await == values, "{compression:?}");
            serving.await.unwrap().unwrap();
        });
    }
}

#[test]
fn one_way_channels_compress_too_and_transforms_see_what_was_compressed() {
    run(async {
        let server = server().await;
        let values =
            server.sender::<String>("down").compress(Compression::Zstd).transform(Xor(42)).open().unwrap();
        let mut gathered = server.receiver::<String>("up").compress(Compression::Lz4).open().unwrap();
        let worker = worker(&server).await;
        let mut taken = worker.receiver::<String>("down").transform(Xor(42)).await.unwrap();
        let sent = worker.sender::<String>("up").await.unwrap();
        for line in lines() {
            values.send(line).await.unwrap();
        }
        drop(values);
        let came = collect(&mut taken).await;
        assert_eq!(came, lines());
        for line in came {
            sent.send(line).await.unwrap();
        }
        for line in lines() {
            assert_eq!(gathered.recv().await.unwrap(), Some(line));
        }
    });
}
