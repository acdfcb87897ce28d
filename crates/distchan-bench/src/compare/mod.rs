//! Every scenario by every system, several runs of each. It must not run two things at once, nor one system's runs in a row: they take
//! turns, so that a change of the machine's mood meets all of them.

mod chart;
mod figure;
mod row;
mod table;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use self::row::Row;
use crate::process::{cores, line_within, write_json_line};
use crate::report::{Line, Report};
use crate::runs::in_new_process;
use crate::scenarios::{Order, Scenario, SystemName, Transport};
use crate::systems;

/// No run takes so long, unless something hangs.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// The fewest round trips that say anything about a percentile; the fewest of anything.
const FEWEST: u64 = 20;

/// The smallest large value of W6, when it is scaled down.
const SMALLEST: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Which scenarios; `w7` is w7a, w7b and w7c [default: all]
    #[arg(long, value_delimiter = ',', value_parser = parse_scenarios)]
    scenarios: Vec<Scenarios>,
    /// Which systems [default: every one that is built in]
    #[arg(long, value_delimiter = ',')]
    systems: Vec<SystemName>,
    /// How often each system does each scenario
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How many of the usual number of jobs; 0.001 shows that everything works, and nothing of how fast
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// One JSON line for each scenario and system, instead of tables
    #[arg(long)]
    json: bool,
    /// Draw the medians here
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
}

/// What one word on the command line stands for.
#[derive(Debug, Clone)]
struct Scenarios(Vec<Scenario>);

fn parse_scenarios(typed: &str) -> Result<Scenarios, String> {
    if typed.eq_ignore_ascii_case("w7") {
        return Ok(Scenarios(vec![Scenario::W7a, Scenario::W7b, Scenario::W7c]));
    }
    Scenario::from_str(typed, true).map(|scenario| Scenarios(vec![scenario]))
}

/// Runs what was asked for, and shows it.
pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    let mut scenarios: Vec<_> = args.scenarios.iter().flat_map(|typed| typed.0.iter().copied()).collect();
    if scenarios.is_empty() {
        scenarios = Scenario::value_variants().to_vec();
    }
    let systems = if args.systems.is_empty() { systems::built_in() } else { args.systems.clone() };
    let mut rows = Vec::new();
    for scenario in scenarios {
        let (of_scenario, hops) = run_in_turn(scenario, &systems, args)?;
        if args.json {
            of_scenario.iter().try_for_each(|row| write_json_line(&row.to_json()))?;
        } else {
            io::stdout().write_all(table::of_scenario(scenario, &of_scenario, &hops).as_bytes())?;
        }
        rows.extend(of_scenario);
    }
    if let Some(file) = &args.chart {
        fs::write(file, chart::draw(&rows)).with_context(|| format!("write {}", file.display()))?;
    }
    ensure!(rows.iter().all(|row| row.failures.is_empty()), "a run failed, see the notes");
    Ok(())
}

/// The rows of a scenario, one for each system, and how far the cores were from one another before each run.
fn run_in_turn(
    scenario: Scenario,
    systems: &[SystemName],
    args: &CompareArgs,
) -> Result<(Vec<Row>, Vec<Duration>)> {
    let mut rows: Vec<_> = systems.iter().map(|&system| Row::new(scenario, system)).collect();
    let mut hops = Vec::new();
    for run in 1..=args.runs {
        for row in &mut rows {
            if row.why_not.is_some() {
                continue;
            }
            write!(io::stderr(), "{scenario}  run {run} of {}  {} ... ", args.runs, row.system)?;
            let hop = cores::hop();
            hops.extend(hop);
            match run_one(&scaled(scenario, row.system, args.scale)) {
                Ok(Line::Ran(report)) => {
                    let hop = hop.map_or_else(String::new, |hop| format!(", {hop:?} from core to core"));
                    let rate = figure::short(report.rate_per_s);
                    writeln!(io::stderr(), "{} s, {rate}/s{hop}", report.seconds)?;
                    row.reports.push(report);
                }
                Ok(Line::Skipped { skipped, .. }) => {
                    writeln!(io::stderr(), "skipped: {skipped}")?;
                    row.why_not = Some(skipped);
                }
                Err(error) => {
                    writeln!(io::stderr(), "failed: {error:#}")?;
                    row.failures.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok((rows, hops))
}

fn run_one(order: &Order) -> Result<Line> {
    let mut command = in_new_process(order)?;
    command.arg("--leashed");
    let line = line_within(command, LIMIT)?;
    if let Line::Ran(Report { damaged: damaged @ 1.., .. }) = line {
        bail!("{damaged} values arrived with a wrong field");
    }
    Ok(line)
}

/// The order of a scenario, smaller or larger than usual.
fn scaled(scenario: Scenario, system: SystemName, scale: f64) -> Order {
    let usual_n = scenario.usual_n(system);
    let usual_size = scenario.usual_size().unwrap_or(0);
    let size = if scenario == Scenario::W6 { scale_by(usual_size as u64, scale) } else { usual_size as u64 };
    Order {
        scenario,
        system,
        transport: Transport::Tcp,
        n: scale_by(usual_n, scale).max(usual_n.min(if scenario == Scenario::W5x { 1 } else { FEWEST })),
        size: usize::try_from(size).unwrap_or(usize::MAX).max(usual_size.min(SMALLEST)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of jobs, far from any bound"
)]
fn scale_by(usual: u64, scale: f64) -> u64 {
    (usual as f64 * scale) as u64
}

#[cfg(test)]
mod tests {
    use super::{Scenario, SystemName, parse_scenarios, scaled};

    #[test]
    fn a_scaled_order_is_never_empty() {
        let check = |scenario, scale, n, size| {
            let order = scaled(scenario, SystemName::Raw, scale);
            assert_eq!((order.n, order.size), (n, size), "{scenario} by {scale}");
        };
        check(Scenario::W1, 1.0, 20_000_000, 0);
        check(Scenario::W1, 0.001, 20_000, 0);
        check(Scenario::W4, 0.000_1, 20, 0);
        check(Scenario::W5x, 0.001, 1, 64 << 20);
        check(Scenario::W6, 1.0, 5_000, 1 << 30);
        check(Scenario::W6, 0.000_1, 20, 1 << 20);
    }

    #[test]
    fn one_word_stands_for_the_three_with_many_senders() {
        assert_eq!(parse_scenarios("w7").map(|it| it.0.len()), Ok(3));
        assert_eq!(parse_scenarios("w4pin").map(|it| it.0), Ok(vec![Scenario::W4pin]));
        assert!(parse_scenarios("w9").is_err());
    }
}
