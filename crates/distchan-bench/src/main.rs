//! The same work done by distchan and by what else people use, in two or more processes on one machine.
//! What is typed stands here; it must not measure anything itself.
//!
//! `cargo run --release -p distchan-bench -- w2 --runs 5` runs one scenario on every system that is built in, in turn, so that a
//! change of the machine's mood meets all of them, and prints one JSON line a run. `compare` runs all scenarios, and prints tables.
//! `idle`, `memory`, `credit` and `handshakes` look at this project alone.

mod compare;
mod own;
mod payload;
mod process;
mod report;
mod runs;
mod scenarios;
mod stats;
mod systems;
mod usage;

use anyhow::{Context, Result};
use clap::{Args, Parser};

use crate::compare::CompareArgs;
use crate::own::Own;
use crate::runs::RunArgs;
use crate::scenarios::{Order, Scenario, SystemName, Transport};

#[derive(Debug, Parser)]
#[command(about = "The same work done by distchan and by what else people use")]
enum Typed {
    /// One-way: the server sends, the worker decodes and checks
    W1(RunArgs),
    /// There and back: each job comes back as a result
    W2(RunArgs),
    /// As w2 with 8 workers
    W3(RunArgs),
    /// As w2 with 64 workers
    W3x(RunArgs),
    /// One job in flight: how long a round trip takes
    W4(RunArgs),
    /// As w4 with all processes on one core
    W4pin(RunArgs),
    /// One-way with values of 1 MiB
    W5(RunArgs),
    /// One-way with values of 64 MiB
    W5x(RunArgs),
    /// Round trips of small jobs, alone and beside a value of 1 GiB on the same connection
    W6(RunArgs),
    /// As w1, sent by 1 task
    W7a(RunArgs),
    /// As w1, sent by 2 tasks
    W7b(RunArgs),
    /// As w1, sent by 4 tasks
    W7c(RunArgs),
    /// As w2 under TLS
    W8(RunArgs),
    /// As w5 under TLS
    W8x(RunArgs),
    /// Every scenario by every system, several runs of each in turn, as tables
    Compare(CompareArgs),
    #[command(flatten)]
    Own(Own),
    #[command(hide = true)]
    Worker(WorkerArgs),
    #[cfg(feature = "peers")]
    #[command(hide = true)]
    Broker,
}

#[derive(Debug, Args)]
struct WorkerArgs {
    scenario: Scenario,
    n: u64,
    #[arg(long)]
    system: SystemName,
    #[arg(long)]
    transport: Transport,
    #[arg(long)]
    size: usize,
    #[arg(long)]
    address: String,
}

fn main() -> Result<()> {
    process::even_out_copies().context(
        "begin anew with GLIBC_TUNABLES set; with `GLIBC_TUNABLES= ` before the command it begins once",
    )?;
    match Typed::parse() {
        Typed::W1(args) => runs::run_all(Scenario::W1, &args),
        Typed::W2(args) => runs::run_all(Scenario::W2, &args),
        Typed::W3(args) => runs::run_all(Scenario::W3, &args),
        Typed::W3x(args) => runs::run_all(Scenario::W3x, &args),
        Typed::W4(args) => runs::run_all(Scenario::W4, &args),
        Typed::W4pin(args) => runs::run_all(Scenario::W4pin, &args),
        Typed::W5(args) => runs::run_all(Scenario::W5, &args),
        Typed::W5x(args) => runs::run_all(Scenario::W5x, &args),
        Typed::W6(args) => runs::run_all(Scenario::W6, &args),
        Typed::W7a(args) => runs::run_all(Scenario::W7a, &args),
        Typed::W7b(args) => runs::run_all(Scenario::W7b, &args),
        Typed::W7c(args) => runs::run_all(Scenario::W7c, &args),
        Typed::W8(args) => runs::run_all(Scenario::W8, &args),
        Typed::W8x(args) => runs::run_all(Scenario::W8x, &args),
        Typed::Compare(args) => compare::compare(&args),
        Typed::Own(own) => own.run(),
        #[cfg(feature = "peers")]
        Typed::Broker => systems::hold_broker(),
        Typed::Worker(WorkerArgs { scenario, n, system, transport, size, address }) => {
            process::leash();
            systems::find(system)?.work(&Order { scenario, system, transport, n, size }, &address)
        }
    }
}
