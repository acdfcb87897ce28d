//! A worker whose jobs take time, and no core: eight that compute would share the cores that there are, and show nothing but that.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use distchan::Worker;
use tokio::runtime::Runtime;

use super::serving::{CHANNEL, Task, Took};
use crate::payload::Tally;
use crate::process::Shift;

#[derive(Debug, Args)]
pub(crate) struct WorkingArgs {
    #[arg(long)]
    address: String,
}

/// Works until the end.
pub(crate) fn work(args: &WorkingArgs) -> Result<()> {
    Runtime::new()?.block_on(async {
        let worker = Worker::connect(&args.address).await?;
        let (mut jobs, results) = worker.channel::<Task, Took>(CHANNEL).await?;
        let shift = Shift::start()?;
        while let Some(Task { micros }) = jobs.recv().await? {
            let time = if micros == 0 { Duration::ZERO } else { sleep(Duration::from_micros(micros)) };
            results.send(Took { time }).await?;
        }
        shift.end(Tally::default())
    })
}

/// Keeps this task's thread, as a job that computes does, and says how long it took. Tokio's own sleep has steps of 1 ms, which is too
/// coarse for a job of 100 µs.
fn sleep(time: Duration) -> Duration {
    let start = Instant::now();
    thread::sleep(time);
    start.elapsed()
}
