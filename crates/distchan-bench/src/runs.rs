//! Runs, each in a process of its own, so that none inherits memory or threads of the one before. It must not know how a system works.

use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::process::{leash, pin_to_one_core, write_json_line};
use crate::report::{Line, Report};
use crate::scenarios::{Order, Scenario, SystemName, Transport};
use crate::systems;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How many jobs; in w6, how many of those that are alone [default: a run of one to three seconds]
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
    /// The bytes of a large value, in w5, w5x and w6 [default: 1 MiB, 64 MiB, 1 GiB]
    #[arg(long)]
    size: Option<usize>,
    /// End when standard input does
    #[arg(long, hide = true)]
    leashed: bool,
}

/// Runs one scenario, on one system or on all of them, and prints a line for each run.
pub(crate) fn run_all(scenario: Scenario, args: &RunArgs) -> Result<()> {
    if args.leashed {
        leash();
    }
    let systems = args.system.map_or_else(systems::built_in, |system| vec![system]);
    let orders = systems.into_iter().map(|system| Order {
        scenario,
        system,
        transport: args.transport,
        n: args.n.unwrap_or(scenario.usual_n(system)),
        size: args.size.or(scenario.usual_size()).unwrap_or(0),
    });
    let orders: Vec<_> = orders.collect();
    if let ([order], 1) = (orders.as_slice(), args.runs) {
        return run_here(order);
    }
    let mut all_ran = true;
    for _ in 0..args.runs {
        for order in &orders {
            all_ran &= in_new_process(order)?.status()?.success();
        }
    }
    ensure!(all_ran, "a run failed, see above");
    Ok(())
}

fn run_here(order: &Order) -> Result<()> {
    let Order { scenario, system, .. } = *order;
    let doing = systems::find(system)?;
    let pinned = if scenario == Scenario::W4pin { pin_to_one_core() } else { Ok(()) };
    let in_clear = scenario.is_encrypted() && !doing.has_tls();
    let in_clear = in_clear.then(|| "is here without TLS".to_owned());
    let why_not =
        pinned.err().map(|error| format!("{error:#}")).or(in_clear).or_else(|| doing.why_not(order));
    if let Some(why) = why_not {
        return write_json_line(&Line::skipped(scenario, system, why));
    }
    let measured = doing.serve(order)?;
    write_json_line(&Line::Ran(Report::new(order, &measured)))
}

/// This program, told to carry out one order.
pub(crate) fn in_new_process(order: &Order) -> Result<Command> {
    let Order { scenario, system, transport, n, size } = order;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(scenario.to_string()).args([
        format!("--n={n}"),
        format!("--system={system}"),
        format!("--transport={transport}"),
        format!("--size={size}"),
    ]);
    Ok(command)
}
