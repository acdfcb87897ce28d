//! The command `hostile`: a server that serves two workers, and strangers who send it noise, pieces of the protocol and forgeries, many at once.
//! It judges by what the library's users see, and by what the process costs.
//!
//! ```text
//! cargo run --release -p distchan-sim --bin hostile -- --connections 20000 --seed 1
//! ```
//!
//! The seed decides what each connection does. It exits with 1 where anything panics, is lost, comes twice, is not given back, or where the
//! workers get on less than half as fast as without strangers.
//!
//! With `--stalled 10000` so many strangers begin a handshake and say nothing more, and a worker comes meanwhile: it exits with 1 where that
//! takes longer than 5 s.

mod attack;
mod forge;
mod gauge;
mod hellos;
mod ledger;
mod mutate;
mod recording;
mod report;
mod run;
mod site;
mod stalled;
mod stranger;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::run::{Plan, run};

/// Lets strangers loose on a server that works, and checks that nobody who works there notices.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many connections the strangers make
    #[arg(long, default_value_t = 20_000)]
    connections: u64,
    /// What decides about each of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With TLS and tickets
    #[arg(long)]
    secured: bool,
    /// How many there are at once
    #[arg(long, default_value_t = 64)]
    parallel: usize,
    /// How long a job takes, in microseconds in which no core is busy
    #[arg(long, default_value_t = 2_000)]
    job: u64,
    /// For how many seconds the work is measured without strangers, before and after
    #[arg(long, default_value_t = 3.0)]
    quiet: f64,
    /// Instead of all that: so many strangers that begin a handshake, stall, and stay
    #[arg(long)]
    stalled: Option<usize>,
    /// The least throughput, as a part of the undisturbed one
    #[arg(long, default_value_t = 0.5)]
    least: f64,
}

/// What keeps the command from its work.
type Problem = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    gauge::count_panics();
    let arguments = Arguments::parse();
    let plan = Plan {
        connections: arguments.connections,
        seed: arguments.seed,
        is_secured: arguments.secured,
        parallel: arguments.parallel.max(1),
        job: Duration::from_micros(arguments.job),
        quiet: Duration::from_secs_f64(arguments.quiet.clamp(0.1, 3600.0)),
        least: arguments.least,
    };
    let made = match arguments.stalled {
        Some(count) => stall(count, plan.is_secured),
        None => make(&plan),
    };
    match made {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Where nobody reads any more there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "hostile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn stall(count: usize, is_secured: bool) -> Result<bool, Problem> {
    let mut out = std::io::stdout().lock();
    if let Err(why) = stalled::make_room(count) {
        writeln!(out, "SKIP {why}")?;
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(stalled::run(count, is_secured))?;
    writeln!(out, "{report}")?;
    Ok(report.is_in_time() && gauge::panics() == 0)
}

fn make(plan: &Plan) -> Result<bool, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(run(plan))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "strangers: {}", report.kinds())?;
    writeln!(out, "of those that got in: {}", report.bait())?;
    for violation in report.violations(plan.least) {
        writeln!(out, "VIOLATION {violation}")?;
    }
    writeln!(out, "{report}")?;
    Ok(report.violations(plan.least).is_empty())
}
