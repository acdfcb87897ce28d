//! A process that is many workers, all of which wait. Each is what a program's worker is: one connection, with the defaults.

use anyhow::{Context, Result};
use clap::{ArgAction, Args};
use distchan::Worker;
use tokio::runtime::Runtime;

use super::serving::CHANNEL;
use crate::payload::Item;
use crate::process::Shift;

/// How many connect at once: more would wait in the server's backlog.
const LANES: u32 = 32;

#[derive(Debug, Args)]
pub(crate) struct WaitingArgs {
    #[arg(long)]
    workers: u32,
    #[arg(long, action = ArgAction::Set)]
    channel_open: bool,
    #[arg(long)]
    address: String,
}

/// Connects all, says so, and waits until this process is ended.
pub(crate) fn wait(args: &WaitingArgs) -> Result<()> {
    let WaitingArgs { workers, channel_open, address } = args;
    Runtime::new()?.block_on(async {
        let lanes = (0..LANES).map(|lane| workers / LANES + u32::from(lane < workers % LANES));
        let lanes = lanes.map(|share| tokio::spawn(connect(address.clone(), share, *channel_open)));
        let lanes: Vec<_> = lanes.collect();
        let mut connected = Vec::new();
        for lane in lanes {
            connected.extend(lane.await??);
        }
        let _shift = Shift::start()?;
        std::future::pending().await
    })
}

/// Connects so many, one after the other. Their connections live as long as what is returned.
async fn connect(address: String, workers: u32, channel_open: bool) -> Result<Vec<Worker>> {
    let mut connected = Vec::new();
    for _ in 0..workers {
        let worker = Worker::connect(&address).await.context("connect")?;
        if channel_open {
            let (mut jobs, results) = worker.channel::<Item, Item>(CHANNEL).await.context("open")?;
            tokio::spawn(async move {
                while let Ok(Some(job)) = jobs.recv().await {
                    // There are none; but this is the loop of a worker.
                    let _ = results.send(job).await;
                }
            });
        }
        connected.push(worker);
    }
    Ok(connected)
}
