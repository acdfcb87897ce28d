//! The command: how long each kind of work takes with the machines' own number of jobs in hand, with every number that could be set, and
//! dealt out at the start. It ends with an error where the machines' own is more than 5 % slower than the best, or, where jobs are mixed,
//! more than 10 % slower than any could be.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use distchan_sim::pacing::{CASES, Case, PREFETCHES, Prefetch, WAYS, WORKERS};

/// Compares the adaptive number of jobs in hand with every number that could be set, under virtual time.
#[derive(Debug, Parser)]
struct Arguments {}

fn main() -> ExitCode {
    Arguments::parse();
    let mut out = std::io::stdout().lock();
    let mut is_good = true;
    for way in WAYS {
        let title = format!("{WORKERS} workers, {:?} to each and back", 2 * way);
        let head = "jobs        number      bound   adaptive       best  fixed at  ratio      dealt";
        // Whoever closed the pipe has seen enough.
        if writeln!(out, "{title}\n{head}").is_err() {
            break;
        }
        for case in CASES {
            let row = Row::measure(&case, way);
            is_good &= row.is_good();
            if writeln!(out, "{row}").is_err() {
                break;
            }
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Row {
    case: Case,
    way: Duration,
    adaptive: Duration,
    best: Duration,
    prefetch: u32,
    dealt: Duration,
}

impl Row {
    fn measure(case: &Case, way: Duration) -> Self {
        let (prefetch, best) = case.best(way, &PREFETCHES);
        let adaptive = case.time(way, Prefetch::Adaptive);
        Self { case: *case, way, adaptive, best, prefetch, dealt: case.time(way, case.dealt()) }
    }

    fn ratio(&self) -> f64 {
        self.adaptive.as_secs_f64() / self.best.as_secs_f64()
    }

    /// On a long line the first jobs are on their way for long, whatever is done: what is promised is for the short one.
    fn is_good(&self) -> bool {
        let to_bound = self.adaptive.as_secs_f64() / self.case.bound().as_secs_f64();
        self.way > WAYS[0] || (self.ratio() <= 1.05 && (self.case.name != "mixed" || to_bound <= 1.10))
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [bound, adaptive, best, dealt] =
            [self.case.bound(), self.adaptive, self.best, self.dealt].map(|time| time.as_secs_f64());
        write!(
            f,
            "{:8} {:>9} {bound:>8.3} s {adaptive:>8.3} s {best:>8.3} s {:>9} {:>6.3} {dealt:>8.3} s",
            self.case.name,
            self.case.jobs,
            self.prefetch,
            self.ratio()
        )
    }
}
