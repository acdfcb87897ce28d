//! The server of one run: a new one each time, with new workers, so that nothing is known of the jobs' length.

use std::time::Duration;

use anyhow::{Result, ensure};
use distchan::Server;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::WORKERS;
use super::case::Case;
use crate::payload::Tally;
use crate::process::Crew;

pub(super) const CHANNEL: &str = "credit";

/// A job says how long it takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) micros: u64,
}

/// A result says how long it took, which is always a little longer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Took {
    pub(super) time: Duration,
}

/// What a run gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    /// From the first job to the last result.
    pub(super) elapsed: Duration,
    /// What nobody could be faster than, with these workers and the time that these jobs did take: an even share of all, or the longest.
    pub(super) bound: Duration,
}

/// Has `n` jobs done, with a fixed prefetch or without a setting.
pub(super) fn run(case: Case, n: u64, credit: Option<u32>) -> Result<Done> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(Server::bind("127.0.0.1:0"))?;
    let mut channel = server.channel::<Task, Took>(CHANNEL);
    if let Some(credit) = credit {
        channel = channel.credit(credit);
    }
    let (jobs, mut results) = channel.open()?;
    let args = ["credit-worker".to_owned(), format!("--address={}", server.local_addr())];
    let clock = Crew::of((0..WORKERS).map(|_| args.clone()))?.start_clock()?;
    let (count, sum, longest) = runtime.block_on(async {
        let sender = tokio::spawn(async move {
            for id in 0..n {
                jobs.send(Task { micros: case.micros(id) }).await?;
            }
            anyhow::Ok(())
        });
        let (mut count, mut sum, mut longest) = (0, Duration::ZERO, Duration::ZERO);
        while let Some(Took { time }) = results.recv().await? {
            count += 1;
            sum += time;
            longest = longest.max(time);
        }
        sender.await??;
        anyhow::Ok((count, sum, longest))
    })?;
    let done = clock.stop(n, Tally::default()).wait()?;
    ensure!(count == n, "{count} of {n} results came");
    Ok(Done { elapsed: done.elapsed, bound: longest.max(sum / WORKERS) })
}
