//! Thousands of workers that wait on one server: what they cost it, and whether eight busy ones beside them notice.
//! Servers with and without idle workers take turns, each in a process of its own, so that memory is of this round only.

mod serving;
mod waiting;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{ArgAction, Args};
use serde::Serialize;

use self::serving::Round;
pub(super) use self::serving::serve;
pub(super) use self::waiting::{WaitingArgs, wait};
use super::say;
use crate::process::{line_within, raise_file_limit, write_json_line};
use crate::stats::{Spread, round};

/// Connecting and one round of work take no longer, unless something hangs.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Files that a process has open beside its connections.
const OTHER_FILES: u64 = 100;

#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    setup: Setup,
    /// How often with and without idle workers, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// One round's server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Setup {
    /// How many idle workers, each with a connection of its own
    #[arg(long, default_value_t = 10_000)]
    workers: u32,
    /// How many processes they share
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    processes: u32,
    /// Whether each has opened a channel, and waits in `recv`; otherwise it is only connected
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_value_t = true, default_missing_value = "true")]
    channel_open: bool,
    /// How long they are watched
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many jobs the eight busy workers do
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    n: u64,
}

/// What is printed. What could not be measured is `null`.
#[derive(Debug, Serialize)]
struct IdleReport {
    command: &'static str,
    workers: u32,
    processes: u32,
    channel_open: bool,
    runs: u32,
    server_rss_before_kb: Option<f64>,
    server_rss_after_kb: Option<f64>,
    bytes_per_idle_worker: Option<f64>,
    server_cpu_us_per_idle_worker_per_s: Option<f64>,
    connect_s: Option<f64>,
    n: u64,
    jobs_per_s_alone: Option<f64>,
    jobs_per_s_among: Option<f64>,
    /// Among idle workers to alone: the median of the runs, and their ends.
    ratio: Option<f64>,
    ratio_min: Option<f64>,
    ratio_max: Option<f64>,
}

/// Measures by turns, and prints a line.
pub(super) fn measure(args: &IdleArgs) -> Result<()> {
    let IdleArgs { setup, runs } = args;
    if let Err(error) = raise_file_limit(u64::from(setup.workers) + OTHER_FILES) {
        say(format_args!("SKIP: {error}"))?;
        return write_json_line(&serde_json::json!({"command": "idle", "skipped": error.to_string()}));
    }
    let (mut alone, mut among) = (Vec::new(), Vec::new());
    for run in 1..=*runs {
        let (nobody, everybody) = (run_one(&Setup { workers: 0, ..setup.clone() })?, run_one(setup)?);
        say(format_args!(
            "run {run} of {runs}  {:.0} jobs/s alone, {:.0} among {} idle workers, which connected in {:.1} s",
            nobody.jobs_per_s,
            everybody.jobs_per_s,
            setup.workers,
            everybody.connecting.as_secs_f64()
        ))?;
        alone.push(nobody);
        among.push(everybody);
    }
    let report = IdleReport::new(args, &alone, &among);
    report.tell()?;
    write_json_line(&report)
}

fn run_one(setup: &Setup) -> Result<Round> {
    let Setup { workers, processes, channel_open, seconds, n } = setup;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("idle-server").args([
        format!("--workers={workers}"),
        format!("--processes={processes}"),
        format!("--channel-open={channel_open}"),
        format!("--seconds={seconds}"),
        format!("--n={n}"),
    ]);
    let who = if *workers == 0 { "the round without idle workers" } else { "the round with idle workers" };
    line_within(command, LIMIT + Duration::from_secs(*seconds)).context(who)
}

impl IdleReport {
    fn new(args: &IdleArgs, alone: &[Round], among: &[Round]) -> Self {
        let Setup { workers, processes, channel_open, seconds, n } = args.setup;
        let each = |value: f64| value / f64::from(workers.max(1));
        let ratios = alone.iter().zip(among).map(|(alone, among)| among.jobs_per_s / alone.jobs_per_s);
        let ratio = Spread::of(ratios).map(|it| [it.median, it.min, it.max].map(|it| round(it, 3)));
        Self {
            command: "idle",
            workers,
            processes,
            channel_open,
            runs: args.runs,
            server_rss_before_kb: median(among, |it| Some(it.rss_before_kb? as f64), 0),
            server_rss_after_kb: median(among, |it| Some(it.rss_after_kb? as f64), 0),
            bytes_per_idle_worker: median(
                among,
                |it| Some(each(it.rss_after_kb?.saturating_sub(it.rss_before_kb?) as f64 * 1024.0)),
                0,
            ),
            server_cpu_us_per_idle_worker_per_s: median(
                among,
                |it| Some(each(it.idle_cpu?.as_secs_f64() * 1e6 / seconds.max(1) as f64)),
                2,
            ),
            connect_s: median(among, |it| Some(it.connecting.as_secs_f64()), 2),
            n,
            jobs_per_s_alone: median(alone, |it| Some(it.jobs_per_s), 0),
            jobs_per_s_among: median(among, |it| Some(it.jobs_per_s), 0),
            ratio: ratio.map(|it| it[0]),
            ratio_min: ratio.map(|it| it[1]),
            ratio_max: ratio.map(|it| it[2]),
        }
    }

    /// The same for a person.
    fn tell(&self) -> Result<()> {
        let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |it| it.to_string());
        say(format_args!(
            "{} idle workers: {} bytes of the server's memory each ({} to {} KiB in all), and {} µs of its CPU a second each",
            self.workers,
            or_dash(self.bytes_per_idle_worker),
            or_dash(self.server_rss_before_kb),
            or_dash(self.server_rss_after_kb),
            or_dash(self.server_cpu_us_per_idle_worker_per_s),
        ))?;
        say(format_args!(
            "8 busy workers: {} jobs/s alone, {} among them, ratio {} ({} to {})",
            or_dash(self.jobs_per_s_alone),
            or_dash(self.jobs_per_s_among),
            or_dash(self.ratio),
            or_dash(self.ratio_min),
            or_dash(self.ratio_max),
        ))
    }
}

/// The median of what the rounds gave.
fn median(rounds: &[Round], read: impl Fn(&Round) -> Option<f64>, digits: i32) -> Option<f64> {
    Spread::of(rounds.iter().filter_map(read)).map(|it| round(it.median, digits))
}
