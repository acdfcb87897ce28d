//! The same work done by distchan and by what else people use, in two processes on one machine; one JSON line a run.
//! What is typed stands here; it must not measure anything itself.
//!
//! `cargo run --release -p distchan-bench -- w2 --runs 5` runs every system that is built in, in turn, so that a change of
//! the machine's mood meets all of them. Compare latencies (W4) with both processes on one core: `taskset -c 0 …`.

mod payload;
mod process;
mod report;
mod scenarios;
mod systems;

use std::process::Command;

use anyhow::{Result, ensure};
use clap::{Args, Parser};

use crate::process::write_json_line;
use crate::report::Report;
use crate::scenarios::{Order, Scenario, SystemName, Transport};

#[derive(Debug, Parser)]
#[command(about = "The same work done by distchan and by what else people use, one JSON line a run")]
enum Typed {
    /// One-way: the server sends, the worker decodes and checks
    W1(RunArgs),
    /// There and back: each job comes back as a result
    W2(RunArgs),
    /// One job in flight: how long a round trip takes
    W4(RunArgs),
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// How many jobs [default: w1 20000000, w2 10000000, w4 20000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    n: Option<u64>,
    /// Who does it [default: every system that is built in, in turn]
    #[arg(long)]
    system: Option<SystemName>,
    /// How often, each time in new processes
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// What carries the bytes
    #[arg(long, default_value_t = Transport::Tcp)]
    transport: Transport,
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
    address: String,
}

fn main() -> Result<()> {
    match Typed::parse() {
        Typed::W1(args) => run_all(Scenario::W1, &args),
        Typed::W2(args) => run_all(Scenario::W2, &args),
        Typed::W4(args) => run_all(Scenario::W4, &args),
        Typed::Worker(WorkerArgs { scenario, n, system, transport, address }) => {
            systems::find(system)?.work(&Order { scenario, system, transport, n }, &address)
        }
    }
}

fn run_all(scenario: Scenario, args: &RunArgs) -> Result<()> {
    let n = args.n.unwrap_or(scenario.usual_n());
    let systems = args.system.map_or_else(systems::built_in, |system| vec![system]);
    let orders = systems.into_iter().map(|system| Order { scenario, system, transport: args.transport, n });
    let orders: Vec<_> = orders.collect();
    if let ([order], 1) = (orders.as_slice(), args.runs) {
        return run_here(order);
    }
    let mut all_ran = true;
    for _ in 0..args.runs {
        for order in &orders {
            all_ran &= run_in_new_process(order)?;
        }
    }
    ensure!(all_ran, "a run failed, see above");
    Ok(())
}

fn run_here(order: &Order) -> Result<()> {
    let measured = systems::find(order.system)?.serve(order)?;
    write_json_line(&Report::new(order, &measured))
}

/// Runs one order in a process of its own, so that no run inherits memory or threads of the one before; false if it failed.
fn run_in_new_process(order: &Order) -> Result<bool> {
    let status = Command::new(std::env::current_exe()?)
        .args([order.scenario.to_string(), "--n".to_owned(), order.n.to_string()])
        .args(["--system", &order.system.to_string()])
        .args(["--transport", &order.transport.to_string()])
        .status()?;
    Ok(status.success())
}
