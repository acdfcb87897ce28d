//! Values whose bytes are carried from where they lie: whatever becomes of a job, its bytes arrive as they were, and are let go of.

use std::future::IntoFuture;

use bytes::Bytes;
use distchan::codec::MessagePack;
use distchan::{JobSender, Outcome, Receiver, RecvError, Server};
use serde::{Deserialize, Serialize};

use crate::helpers::{Xor, collect, run, server, worker};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tile {
    number: u32,
    #[serde(with = "distchan::zero_copy")]
    pixels: Bytes,
    note: String,
    #[serde(with = "distchan::zero_copy")]
    mask: Bytes,
}

/// Around all bounds: what is worth a reference, a batch, a frame, what is written at once.
const SIZES: [usize; 11] = [0, 1, 4095, 4096, 60_000, 65_400, 65_536, 131_072, 262_144, 1_000_000, 5_000_000];

fn bytes(number: usize, size: usize) -> Bytes {
    (0..size).map(|at| (at * 31 + at / 251 + number).to_le_bytes()[0]).collect::<Vec<u8>>().into()
}

fn tiles() -> Vec<Tile> {
    let tile = |(number, size): (usize, usize)| Tile {
        number: u32::try_from(number).unwrap(),
        pixels: bytes(number, size),
        note: "n".repeat(number % 3),
        mask: bytes(number, size / 5),
    };
    SIZES.into_iter().chain(SIZES.into_iter().rev()).enumerate().map(tile).collect()
}

/// What a worker answers: other bytes in the same places.
fn turned(tile: Tile) -> Tile {
    Tile { pixels: tile.mask, mask: tile.pixels, ..tile }
}

/// Workers turn all tiles.
async fn serve(server: &Server, count: usize) {
    for _ in 0..count {
        let serving = worker(server).await.serve("tiles", async |tile: Tile| turned(tile)).into_future();
        tokio::spawn(serving);
    }
}

/// Sends all tiles, whose answers come in order.
async fn check_turned(jobs: JobSender<Tile, Tile>, results: &mut Receiver<Tile>) {
    let sending = tokio::spawn(async move {
        for tile in tiles() {
            jobs.send(tile).await.unwrap();
        }
    });
    let expected: Vec<Tile> = tiles().into_iter().map(turned).collect();
    assert!(collect(results).await == expected);
    sending.await.unwrap();
}

#[test]
fn bytes_of_every_size_arrive_both_ways() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Tile, Tile>("tiles").ordered().open().unwrap();
        serve(&server, 2).await;
        check_turned(jobs, &mut results).await;
    });
}

#[test]
fn calls_and_maps_carry_them_too() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<Tile, Tile>("tiles").open().unwrap();
        serve(&server, 1).await;
        for tile in tiles() {
            assert!(jobs.call(tile.clone()).await.unwrap() == turned(tile));
        }
        let mut mapped = jobs.map(tiles()).ordered();
        for tile in tiles() {
            assert!(mapped.next().await.unwrap().unwrap() == turned(tile));
        }
    });
}

#[test]
fn they_may_be_transformed_and_written_by_another_codec() {
    run(async {
        let server = server().await;
        let channel = server.channel::<Tile, Tile>("tiles").codec(MessagePack).transform(Xor(0x5a));
        let (jobs, mut results) = channel.ordered().open().unwrap();
        let serving = worker(&server).await.serve("tiles", async |tile: Tile| turned(tile));
        tokio::spawn(serving.codec(MessagePack).transform(Xor(0x5a)).into_future());
        check_turned(jobs, &mut results).await;
    });
}

#[test]
fn a_failed_job_has_its_bytes_and_is_sent_again_with_them() {
    run(async {
        let server = server().await;
        let (jobs, mut results) =
            server.channel::<Tile, Tile>("tiles").retry_failures(1).ordered().open().unwrap();
        let (mut taken, _answers) = worker(&server).await.channel::<Tile, Tile>("tiles").await.unwrap();
        let working = tokio::spawn(async move {
            let mut seen = 0;
            while let Some(job) = taken.next_job().await.unwrap() {
                seen += 1;
                if seen <= 2 {
                    job.fail("not yet");
                } else {
                    let tile = turned((*job).clone());
                    job.complete(tile).await.unwrap();
                }
            }
            seen
        });
        let tile = Tile { number: 1, pixels: bytes(1, 300_000), note: "x".into(), mask: bytes(2, 100_000) };
        jobs.send(tile.clone()).await.unwrap();
        let Err(RecvError::Failed(failed)) = results.recv().await else { panic!("it fails twice") };
        assert_eq!(failed.outcome(), Outcome::Failed);
        assert!(failed.value::<Tile>().unwrap() == tile);
        assert_eq!(jobs.retry([failed]).await.unwrap(), 1);
        drop(jobs);
        assert!(results.recv().await.unwrap() == Some(turned(tile)));
        assert_eq!(results.recv().await.unwrap(), None);
        assert_eq!(working.await.unwrap(), 3);
    });
}

#[test]
fn bytes_are_shared_until_their_job_has_its_outcome() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<Tile, u32>("tiles").open().unwrap();
        let pixels = bytes(1, 300_000);
        let tile = Tile { number: 7, pixels: pixels.clone(), note: String::new(), mask: Bytes::new() };
        jobs.send(tile).await.unwrap();
        assert!(!pixels.is_unique(), "nobody has copied them");
        let serving = worker(&server).await.serve("tiles", async |tile: Tile| tile.number).into_future();
        tokio::spawn(serving);
        assert_eq!(results.recv().await.unwrap(), Some(7));
        drop(jobs);
        assert_eq!(results.recv().await.unwrap(), None);
        // What was written is kept until the worker has said that it is there, which it says by and by.
        drop((results, server));
        while !pixels.is_unique() {
            tokio::task::yield_now().await;
        }
    });
}
