//! The command `chaos`: real processes, killed, stopped, cut off, starved and poisoned, while a checker follows every job. It judges by what
//! the library's users see, and by nothing else.
//!
//! ```text
//! cargo run --release -p distchan-sim --bin chaos -- --seconds 20 --seed 1 --workers 6
//! ```
//!
//! The seed decides what is done to whom and when; what the processes make of it, the machine's scheduler decides too. It exits with 1 if
//! a job is lost, has two outcomes, or another one than it may have.

mod answers;
mod books;
mod fleet;
mod job;
mod ledger;
#[path = "../../../../distchan/tests/faults/proxy/mod.rs"]
mod proxy;
mod run;
mod senders;
mod trouble;
mod worker;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::run::{Report, run};

/// Lets worker processes do jobs while they are killed, stopped, cut off, starved and poisoned, and checks every outcome.
#[derive(Debug, Parser)]
struct Arguments {
    /// For how long there is trouble; then all must come to its end
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// What decides about the trouble
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worker processes there are, more or less
    #[arg(long, default_value_t = 6)]
    workers: usize,
    /// Say what is done, when it is done
    #[arg(long)]
    trace: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// One of the worker processes
    #[command(hide = true)]
    Worker { address: String, name: String },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            match &arguments.role {
                Some(Role::Worker { address, name }) => worker::work(address, name).await,
                None => make(&arguments).await,
            }
        })
    });
    done.unwrap_or_else(|error: Problem| {
        // Where nobody reads any more there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "chaos: {error}");
        ExitCode::FAILURE
    })
}

/// What keeps the command from its work.
type Problem = Box<dyn std::error::Error + Send + Sync>;

async fn make(arguments: &Arguments) -> Result<ExitCode, Problem> {
    let Arguments { seconds, seed, workers, trace, .. } = *arguments;
    let report = run(Duration::from_secs(seconds), seed, workers.max(1), trace).await?;
    let Report { lines, total } = report;
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed {seed}, {seconds} s, {workers} workers")?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{total}")?;
    Ok(if total.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
