//! Jobs of every length, done by eight workers: once as distchan is without a setting, and with every fixed prefetch that may be
//! sensible. Settings take turns, so that a change of the machine's mood meets all of them.

mod case;
mod report;
mod serving;
mod working;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::case::Case;
use self::report::{CaseReport, Runs};
pub(super) use self::working::{WorkingArgs, work};
use super::say;
use crate::process::write_json_line;

/// How many processes share the jobs.
const WORKERS: u32 = 8;

#[derive(Debug, Args)]
pub(crate) struct CreditArgs {
    /// Which lengths of jobs [default: all]
    #[arg(long, value_delimiter = ',')]
    cases: Vec<Case>,
    /// How often each setting, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How many of the usual number of jobs
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

/// Measures each case, and prints a line for it.
pub(super) fn measure(args: &CreditArgs) -> Result<()> {
    ensure!(args.scale > 0.0, "no jobs take no time");
    let cases = if args.cases.is_empty() { Case::value_variants() } else { &args.cases };
    for &case in cases {
        let n = case.n(args.scale);
        let mut settings: Vec<_> =
            [None].into_iter().chain(case.credits(n).map(Some)).map(Runs::new).collect();
        for run in 1..=args.runs {
            for setting in &mut settings {
                let done = serving::run(case, n, setting.credit)?;
                say(format_args!(
                    "{case}  run {run} of {}  {}  {:.3} s",
                    args.runs,
                    setting.name(),
                    done.elapsed.as_secs_f64()
                ))?;
                setting.add(done);
            }
        }
        let report = CaseReport::new(case, n, &settings)?;
        report.tell()?;
        write_json_line(&report)?;
    }
    Ok(())
}
