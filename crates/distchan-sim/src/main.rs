//! The command: runs seeds, and says of each what came of it. It judges nothing.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use distchan_sim::cluster::{Report, run};
use distchan_sim::plan::Plan;

/// Simulates clusters of distchan machines, one for each seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// A seed, or a range such as 1..200 (without its end)
    #[arg(long, default_value = "1..200", value_parser = seeds)]
    seeds: (u64, u64),
    /// Print what happened in each run, step by step
    #[arg(long)]
    trace: bool,
    /// Run each seed once only, instead of twice to compare
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run_all(&arguments, &mut std::io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // Nobody reads any more.
        Err(_) => ExitCode::SUCCESS,
    }
}

fn run_all(arguments: &Arguments, out: &mut impl Write) -> std::io::Result<u64> {
    let mut failures = 0;
    for seed in arguments.seeds.0..arguments.seeds.1 {
        let first = attempt(seed, arguments.trace);
        if arguments.trace
            && let Ok(report) = &first
        {
            for line in report.trace.lines() {
                writeln!(out, "  {line}")?;
            }
        }
        match judge(seed, arguments, first) {
            Ok(line) => writeln!(out, "seed {seed}: {line}")?,
            Err(line) => {
                failures += 1;
                writeln!(out, "seed {seed}: FAILED {line}")?;
                writeln!(out, "  again: cargo run -p distchan-sim -- --seeds {seed} --trace")?;
            }
        }
    }
    Ok(failures)
}

/// Says of a run what a person wants to know; an error where a promise was broken.
fn judge(seed: u64, arguments: &Arguments, first: Result<Report, String>) -> Result<String, String> {
    let report = first?;
    report.verdict.map_err(|broken| format!("after {} steps ({}): {broken}", report.steps, report.plan))?;
    if !arguments.once {
        let again = attempt(seed, false)?;
        if again.trace.hash() != report.trace.hash() {
            return Err(format!("two runs differ: {} and {}", report.trace, again.trace));
        }
    }
    Ok(format!("{} steps, {}, trace {}", report.steps, report.plan, report.trace))
}

/// Runs a seed; a panic is a broken promise too.
fn attempt(seed: u64, keep_trace: bool) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| run(Plan::of(seed), keep_trace))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a text"))
    })
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let Some((first, end)) = text.split_once("..") else {
        let seed = number(text)?;
        return Ok((seed, seed + 1));
    };
    let end = match end.strip_prefix('=') {
        Some(last) => number(last)? + 1,
        None => number(end)?,
    };
    Ok((number(first)?, end))
}
