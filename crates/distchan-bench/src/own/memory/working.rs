//! A worker that answers each job at once, but for the times when it stops.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use distchan::Worker;
use tokio::runtime::Runtime;

use super::CHANNEL;
use crate::payload::{Item, Payload, Tally};
use crate::process::Shift;

#[derive(Debug, Args)]
pub(crate) struct WorkingArgs {
    #[arg(long)]
    address: String,
    /// How many jobs it does before it stops, each time; never with 0
    #[arg(long)]
    pause_every: u64,
    /// For how many milliseconds
    #[arg(long)]
    pause: u64,
}

/// Works until the end.
pub(crate) fn work(args: &WorkingArgs) -> Result<()> {
    Runtime::new()?.block_on(async {
        let worker = Worker::connect(&args.address).await?;
        let (mut jobs, results) = worker.channel::<Item, Item>(CHANNEL).await?;
        let shift = Shift::start()?;
        let mut tally = Tally::default();
        while let Some(job) = jobs.recv().await? {
            tally.add_job(&job);
            results.send(job.worked()).await?;
            if args.pause_every > 0 && tally.count().is_multiple_of(args.pause_every) {
                tokio::time::sleep(Duration::from_millis(args.pause)).await;
            }
        }
        shift.end(tally)
    })
}
