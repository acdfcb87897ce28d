//! A flood of small jobs through a server whose reader sleeps at times, and one of whose workers does: its memory must stay where it
//! was after the first second. Who sleeps when is decided by counts, so that every run has the same pauses.

mod watch;
mod working;

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use distchan::{Receiver, Server};
use serde::Serialize;
use tokio::runtime::Runtime;

use self::watch::{Seen, Watch};
pub(super) use self::working::{WorkingArgs, work};
use super::say;
use crate::payload::{Item, Payload, Tally};
use crate::process::{Crew, write_json_line};
use crate::report::Measured;
use crate::stats::round;
use crate::systems::while_moving;

const CHANNEL: &str = "flood";

/// The reader sleeps after each of so many parts of the results ...
const READER_PAUSES: u64 = 10;

/// ... and once within the first second: what waits for a reader belongs to what all that comes later is compared with ...
const FIRST_PAUSE: u64 = 200;

/// ... and the first worker after each of so many parts of what is its share.
const WORKER_PAUSES: u64 = 8;

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// How many jobs
    #[arg(long, default_value_t = 50_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    n: u64,
    /// How many worker processes, the first of which stops at times
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    workers: u64,
    /// How long the reader sleeps each time, in milliseconds; the worker half as long
    #[arg(long, default_value_t = 1000)]
    pause: u64,
    /// More than so many MiB are a failure
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

/// What is printed. What could not be measured is `null`.
#[derive(Debug, Serialize)]
struct MemoryReport {
    command: &'static str,
    n: u64,
    workers: u64,
    seconds: f64,
    jobs_per_s: f64,
    #[serde(flatten)]
    seen: Option<Seen>,
    is_bounded: Option<bool>,
    is_flat: Option<bool>,
    lost: u64,
    duplicated: u64,
}

/// Lets the jobs through, prints a line, and fails if the memory was not bounded, or not flat.
pub(super) fn measure(args: &MemoryArgs) -> Result<()> {
    let (done, seen) = serve(args)?;
    let MemoryArgs { n, workers, limit, .. } = *args;
    let report = MemoryReport {
        command: "memory",
        n,
        workers,
        seconds: round(done.elapsed.as_secs_f64(), 2),
        jobs_per_s: round(n as f64 / done.elapsed.as_secs_f64(), 0),
        seen,
        is_bounded: seen.map(|seen| seen.max_kb <= limit * 1024),
        is_flat: seen.and_then(|seen| seen.is_flat()),
        lost: done.tally.lost(n),
        duplicated: done.tally.duplicated(n),
    };
    report.tell()?;
    write_json_line(&report)?;
    ensure!(report.lost + report.duplicated == 0, "jobs were lost, or came twice");
    ensure!(report.is_bounded != Some(false), "the server had more than {limit} MiB");
    ensure!(report.is_flat != Some(false), "the server's memory grew");
    Ok(())
}

fn serve(args: &MemoryArgs) -> Result<(Measured, Option<Seen>)> {
    let MemoryArgs { n, workers, pause, .. } = *args;
    let runtime = Runtime::new()?;
    let server = runtime.block_on(Server::bind("127.0.0.1:0"))?;
    let (jobs, mut results) = server.channel::<Item, Item>(CHANNEL).open()?;
    let crew = Crew::of((0..workers).map(|index| {
        let pause_every = if index == 0 { (n / workers / WORKER_PAUSES).max(1) } else { 0 };
        [
            "memory-worker".to_owned(),
            format!("--address={}", server.local_addr()),
            format!("--pause-every={pause_every}"),
            format!("--pause={}", pause / 2),
        ]
    }))?;
    let clock = crew.start_clock()?;
    let watch = Watch::start();
    let is_pause = |count: u64| count == n / FIRST_PAUSE || count.is_multiple_of((n / READER_PAUSES).max(1));
    let tally = runtime.block_on(async {
        // Not waited for: a sender that failed shows as lost jobs, and one that hangs must not hang the run.
        let _sender = tokio::spawn(async move {
            for id in 0..n {
                jobs.send(Item::job(id, &())).await?;
            }
            anyhow::Ok(())
        });
        read(&mut results, is_pause, Duration::from_millis(pause)).await
    })?;
    let stopped = clock.stop(n, tally);
    let seen = watch.stop();
    Ok((stopped.wait()?, seen))
}

/// Counts the results, and sleeps where the count says so.
async fn read(
    results: &mut Receiver<Item>,
    is_pause: impl Fn(u64) -> bool,
    pause: Duration,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(result) = results.recv().await? {
            tally.add_result(&result);
            arrived.set(tally.count());
            if is_pause(tally.count()) {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    })
    .await?;
    Ok(tally)
}

impl MemoryReport {
    /// The same for a person.
    fn tell(&self) -> Result<()> {
        say(format_args!("{} jobs in {} s, {} jobs/s", self.n, self.seconds, self.jobs_per_s))?;
        match self.seen {
            None => say("this system does not say how much memory is resident"),
            Some(Seen { first_kb, max_kb, last_kb, .. }) => say(format_args!(
                "server's memory: {first_kb} KiB after the first second, {max_kb} KiB at most from then on, {last_kb} KiB at the end"
            )),
        }
    }
}
