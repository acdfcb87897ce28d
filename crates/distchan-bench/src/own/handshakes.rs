//! How many workers a second a server lets in, without encryption and with tickets: each connects, is welcomed, and takes its leave, with the
//! defaults. Both sides are in this process, so that what a handshake costs is both sides' together. It does no job.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use distchan::{Server, Worker};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::say;
use crate::process::write_json_line;
use crate::stats::{Spread, round};
use crate::usage::cpu_time;

#[derive(Debug, Args)]
pub(crate) struct HandshakeArgs {
    /// How many workers come, in each run
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// How many of them at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    lanes: u32,
    /// How often without encryption and with tickets, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// What is printed. What could not be measured is `null`.
#[derive(Debug, Serialize)]
struct HandshakeReport {
    command: &'static str,
    n: u32,
    lanes: u32,
    runs: u32,
    plain_per_s: Option<f64>,
    plain_cpu_us: Option<f64>,
    ticket_per_s: Option<f64>,
    ticket_cpu_us: Option<f64>,
}

/// One run.
struct Round {
    took: Duration,
    cpu: Option<Duration>,
}

/// Measures by turns, and prints a line.
pub(super) fn measure(args: &HandshakeArgs) -> Result<()> {
    let HandshakeArgs { n, lanes, runs } = *args;
    let runtime = Runtime::new()?;
    let (mut plain, mut ticket) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        for (is_secured, rounds) in [(false, &mut plain), (true, &mut ticket)] {
            let round = runtime.block_on(let_in(args, is_secured))?;
            let how = if is_secured { "with tickets" } else { "without encryption" };
            say(format_args!("run {run} of {runs}  {n} workers {how} in {:.2} s", round.took.as_secs_f64()))?;
            rounds.push(round);
        }
    }
    let per_s = |rounds: &[Round]| median(rounds, |it| Some(f64::from(n) / it.took.as_secs_f64()));
    let cpu_us = |rounds: &[Round]| median(rounds, |it| Some(it.cpu?.as_secs_f64() * 1e6 / f64::from(n)));
    write_json_line(&HandshakeReport {
        command: "handshakes",
        n,
        lanes,
        runs,
        plain_per_s: per_s(&plain),
        plain_cpu_us: cpu_us(&plain),
        ticket_per_s: per_s(&ticket),
        ticket_cpu_us: cpu_us(&ticket),
    })
}

async fn let_in(args: &HandshakeArgs, is_secured: bool) -> Result<Round> {
    let builder = Server::builder();
    let builder = if is_secured { builder.secure() } else { builder };
    let server = builder.bind("127.0.0.1:0").await?;
    let told = if is_secured { server.ticket()?.to_string() } else { server.local_addr().to_string() };
    let (began, cpu) = (Instant::now(), cpu_time());
    let lanes = (0..args.lanes).map(|lane| {
        let share = args.n / args.lanes + u32::from(lane < args.n % args.lanes);
        tokio::spawn(come_and_go(told.clone(), share))
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await??;
    }
    let took = began.elapsed();
    let cpu = cpu_time().zip(cpu).map(|(now, before)| now.saturating_sub(before));
    server.shutdown().await;
    Ok(Round { took, cpu })
}

/// So many workers, one after the other.
async fn come_and_go(told: String, workers: u32) -> Result<()> {
    for _ in 0..workers {
        let worker = Worker::connect(told.as_str()).await.context("connect")?;
        worker.close().await.context("close")?;
    }
    Ok(())
}

fn median(rounds: &[Round], read: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
    Spread::of(rounds.iter().filter_map(read)).map(|it| round(it.median, 0))
}
