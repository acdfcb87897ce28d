//! Channels that go one way: on one only the server sends, on the other only the workers, both over the same connection.
//!
//! ```text
//! cargo run --example one_way
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use distchan::{Server, Worker};
use serde::{Deserialize, Serialize};

/// From the server. Each goes to one worker, in turn.
#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    sensor: String,
    readings: u32,
}

/// From the workers, unasked, as many as they like.
#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    celsius: f32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tokio::select! {
        biased; // so that Ctrl-C is heard from the beginning
        _ = tokio::signal::ctrl_c() => Ok(()),
        done = run() => done,
    }
}

async fn run() -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let orders = server.sender::<Watch>("orders").open()?;
    let mut readings = server.receiver::<Reading>("readings").open()?;
    let address = server.local_addr().to_string();
    let workers = [tokio::spawn(worker(address.clone())), tokio::spawn(worker(address))];

    orders.send(Watch { sensor: "cellar".to_owned(), readings: 3 }).await?;
    orders.send(Watch { sensor: "roof".to_owned(), readings: 2 }).await?;
    drop(orders); // the workers see the end of this channel; the other one knows nothing of it

    // Other workers could always come: the server decides when it has heard enough.
    for _ in 0..5 {
        let Some(Reading { sensor, celsius }) = readings.recv().await? else { break };
        println!("{sensor}: {celsius:.1} degrees");
    }
    readings.close();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

async fn worker(address: String) -> anyhow::Result<()> {
    let worker = Worker::connect(&address).await?;
    let mut orders = worker.receiver::<Watch>("orders").await?;
    let readings = worker.sender::<Reading>("readings").await?;
    while let Some(Watch { sensor, readings: count }) = orders.recv().await? {
        for celsius in [11.5, 11.75, 12.0].into_iter().cycle().take(count as usize) {
            readings.send(Reading { sensor: sensor.clone(), celsius }).await?;
        }
    }
    // A value that was sent has not arrived yet: closing waits until everything has.
    worker.close().await?;
    Ok(())
}
