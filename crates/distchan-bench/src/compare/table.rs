//! Rows as text for a person. It must fit a terminal, and name every reason for a gap below.

use std::fmt::Write;
use std::time::Duration;

use super::figure::{Figure, short_or_dash};
use super::row::Row;
use crate::scenarios::{Scenario, SystemName, Work};

/// The table of one scenario: a row for each system, and notes; `hops` is how long a cache line took from core to core before each run.
pub(crate) fn of_scenario(scenario: Scenario, rows: &[Row], hops: &[Duration]) -> String {
    let figure = Figure::of(scenario);
    let better = if figure.is_more_better() { "more is better" } else { "less is better" };
    let title = format!("{}  {}: {}, {better}", scenario, scenario.title(), figure.name(scenario));
    let mut lines = vec![head(scenario, figure)];
    let mut notes = Vec::new();
    for row in rows {
        let note = note(row);
        let mark = note.as_ref().map_or_else(String::new, |note| {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
            let number = notes.iter().position(|known| known == note).unwrap_or_default() + 1;
            format!(" [{number}]")
        });
        let mut line = cells(scenario, figure, row, rows);
        line.insert(0, format!("{}{mark}", row.system));
        lines.push(line);
    }
    let mut text = format!("\n{title}\n");
    write_aligned(&mut text, &lines);
    for (number, note) in notes.iter().enumerate() {
        let _ = writeln!(text, "  [{}] {note}", number + 1);
    }
    if let (Some(shortest), Some(longest)) = (hops.iter().min(), hops.iter().max()) {
        let _ = writeln!(text, "  from core to core: {shortest:?} to {longest:?}");
    }
    text
}

fn note(row: &Row) -> Option<String> {
    let failed = row.failures.first().map(|first| format!("{} run(s) failed: {first}", row.failures.len()));
    row.why_not.clone().or(failed)
}

fn head(scenario: Scenario, figure: Figure) -> Vec<String> {
    let first = match scenario.work() {
        Work::OneInFlight => ["p50 µs", "min", "max", "p99", "p99.9"].as_slice(),
        Work::Beside => {
            &["p99 µs", "min", "max", "p50", "p99 alone", "p50 alone", "p99 ratio", "p50 ratio", "MB/s"]
        }
        Work::OneWay | Work::ThereAndBack if figure == Figure::Bytes => &["MB/s", "min", "max"],
        Work::OneWay => &["values/s", "min", "max", "MB/s"],
        Work::ThereAndBack => &["jobs/s", "min", "max", "MB/s"],
    };
    let last = ["to raw", "to distchan", "CPU µs/job", "RSS MiB", "lost", "twice"];
    ["system"].iter().chain(first).chain(&last).map(|&word| word.to_owned()).collect()
}

/// All cells of a row but the first.
fn cells(scenario: Scenario, figure: Figure, row: &Row, rows: &[Row]) -> Vec<String> {
    let spread = figure.read(row);
    let median = spread.map(|spread| spread.median);
    let mut cells = vec![
        short_or_dash(median),
        short_or_dash(spread.map(|spread| spread.min)),
        short_or_dash(spread.map(|spread| spread.max)),
    ];
    let p99 = row.median(|report| report.p99_us);
    let mb_per_s = short_or_dash(row.median(|report| Some(report.mb_per_s)));
    match scenario.work() {
        Work::OneInFlight => {
            cells.extend([short_or_dash(p99), short_or_dash(row.median(|report| report.p999_us))]);
        }
        Work::Beside => {
            let p50 = row.median(|report| report.p50_us);
            let p99_alone = row.median(|report| report.p99_alone_us);
            let p50_alone = row.median(|report| report.p50_alone_us);
            cells.extend([short_or_dash(p50), short_or_dash(p99_alone), short_or_dash(p50_alone)]);
            cells.extend([ratio(p99, p99_alone), ratio(p50, p50_alone), mb_per_s]);
        }
        Work::OneWay | Work::ThereAndBack if figure == Figure::Bytes => {}
        Work::OneWay | Work::ThereAndBack => cells.push(mb_per_s),
    }
    let of = |system| rows.iter().find(|row| row.system == system).and_then(|row| figure.read(row));
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    cells.extend([
        ratio(median, of(SystemName::Raw).map(|raw| raw.median)),
        ratio(median, of(SystemName::Distchan).map(|distchan| distchan.median)),
        short_or_dash(row.median(|report| report.cpu_us_per_job)),
        short_or_dash(row.most_memory().map(|kb| kb as f64 / 1024.0)),
        count(row.sum(|report| report.lost)),
        count(row.sum(|report| report.duplicated)),
    ]);
    cells
}

fn ratio(value: Option<f64>, to: Option<f64>) -> String {
    short_or_dash(value.zip(to).map(|(value, to)| value / to)).replace("NaN", "-")
}

/// Writes lines with the first column flush left, the others flush right.
pub(crate) fn write_aligned(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    for line in lines {
        let mut written = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(written, "  {cell:<width$}"),
                _ => write!(written, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", written.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::{Duration, Row, Scenario, SystemName, of_scenario};

    #[test]
    fn a_table_has_medians_ratios_and_notes() {
        let mut cannot = Row::new(Scenario::W2, SystemName::Zmq);
        cannot.why_not = Some("is not there".to_owned());
        let rows = [
            row(Scenario::W2, SystemName::Raw, &[4e6, 2e6, 6e6]),
            row(Scenario::W2, SystemName::Distchan, &[2e6]),
            cannot,
        ];
        let expected = "
w2  job and result, 1 worker: jobs/s, more is better
  system    jobs/s     min     max  MB/s  to raw  to distchan  CPU µs/job  RSS MiB  lost  twice
  raw       4.00 M  2.00 M  6.00 M   400    1.00         2.00           -     2.00     3      0
  distchan  2.00 M  2.00 M  2.00 M   200    0.50         1.00           -     2.00     1      0
  zmq [1]        -       -       -     -       -            -           -        -     -      -
  [1] is not there
  from core to core: 40ns to 212ns
";
        let hops = [212, 40].map(Duration::from_nanos);
        assert_eq!(of_scenario(Scenario::W2, &rows, &hops), expected);
    }

    #[test]
    fn a_table_of_latencies_compares_round_trips() {
        let rows = [
            row(Scenario::W4, SystemName::Raw, &[10.0]),
            row(Scenario::W4, SystemName::Distchan, &[15.0, 15.0]),
        ];
        let text = of_scenario(Scenario::W4, &rows, &[]);
        let line = text.lines().nth(4).unwrap();
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(
            cells[..8],
            ["distchan", "30.0", "30.0", "30.0", "45.0", "60.0", "1.50", "1.00"],
            "{line}"
        );
    }
}
