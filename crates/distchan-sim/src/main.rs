//! The command: runs seeds, says which broke a promise and how to run them again, and ends with one line. It judges nothing.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use distchan_sim::cluster::run;
use distchan_sim::plan::Plan;
use distchan_sim::plan::faults::Fault;
use distchan_sim::plan::options::{Options, SECONDS};
use distchan_sim::shrink::shrink;
use distchan_sim::sweep::{Summary, Sweep, Violation};

/// How many failing seeds are made smaller.
const SHRUNK: usize = 3;

/// Simulates clusters of distchan machines, one for each seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The length of the safety phase, in simulated seconds
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// Print what happens in each run, event by event
    #[arg(long)]
    trace: bool,
    /// Threads; 0: one for each core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Run one seed in so many twice and compare the traces; 0: none
    #[arg(long, default_value_t = 64)]
    twice: u64,
    /// At most so many workers
    #[arg(long)]
    workers: Option<usize>,
    /// At most so many channels
    #[arg(long)]
    channels: Option<usize>,
    /// At most so many jobs on each channel
    #[arg(long)]
    load: Option<u64>,
    /// Kinds of faults that do not happen, such as cut,crash
    #[arg(long, value_delimiter = ',', value_parser = fault)]
    without: Vec<Fault>,
    /// Do not look for smaller failing runs
    #[arg(long)]
    no_shrink: bool,
    /// Stop at so many violations
    #[arg(long, default_value_t = 20)]
    most: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.trace { trace(&arguments) } else { sweep(&arguments) };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // Nobody reads any more.
        Err(_) => ExitCode::SUCCESS,
    }
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            seconds: (self.seconds != SECONDS).then_some(self.seconds),
            workers: self.workers,
            channels: self.channels,
            load: self.load,
            without: self.without.clone(),
        }
    }
}

fn sweep(arguments: &Arguments) -> std::io::Result<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = Sweep {
        seeds: arguments.from..arguments.from.saturating_add(arguments.seeds),
        options: arguments.options(),
        jobs: if arguments.jobs == 0 { cores } else { arguments.jobs },
        twice: arguments.twice,
    };
    // A panic is reported as a violation, in one line.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let summary = sweep.run(|violation| {
        // Whoever watches a long sweep wants to know at once; the summary says it again.
        let _ = report(&mut std::io::stderr().lock(), violation, arguments);
    });
    let mut out = std::io::stdout().lock();
    for violation in summary.violations.iter().take(arguments.most) {
        report(&mut out, violation, arguments)?;
    }
    if !arguments.no_shrink {
        for violation in summary.violations.iter().take(SHRUNK) {
            let (options, what) = shrink(violation.seed, &sweep.options);
            writeln!(out, "smallest: {}", again(violation.seed, &options))?;
            writeln!(out, "  {what}")?;
        }
    }
    say(&mut out, &summary, began)?;
    Ok(summary.violations.len())
}

/// Runs each seed once, and prints all that happens.
fn trace(arguments: &Arguments) -> std::io::Result<usize> {
    let began = Instant::now();
    let mut out = std::io::stdout().lock();
    let mut summary = Summary::default();
    for seed in arguments.from..arguments.from.saturating_add(arguments.seeds) {
        let plan = Plan::of(seed, &arguments.options());
        writeln!(out, "seed {seed}: {plan}")?;
        let started = Instant::now();
        let report = run(plan, true);
        summary.took += started.elapsed();
        for line in report.trace.lines() {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "seed {seed}: {} events, trace {}", report.steps, report.trace)?;
        summary.seeds += 1;
        summary.simulated += report.simulated;
        if let Err(what) = report.verdict {
            writeln!(out, "seed {seed}: VIOLATION {what}")?;
            summary.violations.push(Violation { seed, what });
        }
    }
    say(&mut out, &summary, began)?;
    Ok(summary.violations.len())
}

fn report(out: &mut impl Write, violation: &Violation, arguments: &Arguments) -> std::io::Result<()> {
    writeln!(out, "seed {}: VIOLATION {}", violation.seed, violation.what)?;
    writeln!(out, "  {}", Plan::of(violation.seed, &arguments.options()))?;
    writeln!(out, "  again: {}", again(violation.seed, &arguments.options()))
}

fn again(seed: u64, options: &Options) -> String {
    format!("cargo run --release -p distchan-sim -- --from {seed} --seeds 1{options} --trace")
}

/// The closing line. The speed is that of one thread.
fn say(out: &mut impl Write, summary: &Summary, began: Instant) -> std::io::Result<()> {
    let wall = began.elapsed().as_secs_f64();
    writeln!(out, "{} events in {wall:.1} s of real time", summary.steps)?;
    writeln!(
        out,
        "seeds {}, simulated {:.0} s, speed {:.0} x, violations {}",
        summary.seeds,
        summary.simulated.as_secs_f64(),
        summary.speed(),
        summary.violations.len()
    )
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name.trim()).ok_or_else(|| {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        format!("no such kind of fault; there are {}", names.join(", "))
    })
}
