//! What the runs of one system in one scenario gave together. It must not show a figure that no run gave.

use serde::Serialize;

use crate::report::Report;
use crate::scenarios::{Scenario, SystemName};
use crate::stats::Spread;

/// One system in one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) system: SystemName,
    pub(crate) reports: Vec<Report>,
    /// Why this system does not do this.
    pub(crate) why_not: Option<String>,
    /// What went wrong, a run each.
    pub(crate) failures: Vec<String>,
}

/// A row as one line of JSON: medians, but the ends of the rate, the most memory, and all that was lost or came twice.
#[derive(Debug, Serialize)]
pub(crate) struct JsonRow {
    scenario: String,
    system: String,
    runs: usize,
    n: Option<u64>,
    rate_per_s: Option<f64>,
    rate_min: Option<f64>,
    rate_max: Option<f64>,
    mb_per_s: Option<f64>,
    p50_us: Option<f64>,
    p50_min_us: Option<f64>,
    p50_max_us: Option<f64>,
    p99_us: Option<f64>,
    p999_us: Option<f64>,
    p50_alone_us: Option<f64>,
    p99_alone_us: Option<f64>,
    cpu_us_per_job: Option<f64>,
    server_rss_kb: Option<u64>,
    lost: Option<u64>,
    duplicated: Option<u64>,
    /// Why there are no figures, where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    failures: Vec<String>,
}

impl Row {
    pub(crate) fn new(scenario: Scenario, system: SystemName) -> Self {
        Self { scenario, system, reports: Vec::new(), why_not: None, failures: Vec::new() }
    }

    /// A figure of all runs that have it.
    pub(crate) fn spread(&self, figure: impl Fn(&Report) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.reports.iter().filter_map(figure))
    }

    pub(crate) fn median(&self, figure: impl Fn(&Report) -> Option<f64>) -> Option<f64> {
        self.spread(figure).map(|spread| spread.median)
    }

    /// The most memory of any run, in KiB.
    pub(crate) fn most_memory(&self) -> Option<u64> {
        self.reports.iter().filter_map(|report| report.server_rss_kb).max()
    }

    /// A count, over all runs. None if there were none.
    pub(crate) fn sum(&self, count: impl Fn(&Report) -> u64) -> Option<u64> {
        (!self.reports.is_empty()).then(|| self.reports.iter().map(count).sum())
    }

    pub(crate) fn to_json(&self) -> JsonRow {
        let rate = self.spread(|report| Some(report.rate_per_s));
        let p50 = self.spread(|report| report.p50_us);
        JsonRow {
            scenario: self.scenario.to_string(),
            system: self.system.to_string(),
            runs: self.reports.len(),
            n: self.reports.first().map(|report| report.n),
            rate_per_s: rate.map(|rate| rate.median),
            rate_min: rate.map(|rate| rate.min),
            rate_max: rate.map(|rate| rate.max),
            mb_per_s: self.median(|report| Some(report.mb_per_s)),
            p50_us: p50.map(|p50| p50.median),
            p50_min_us: p50.map(|p50| p50.min),
            p50_max_us: p50.map(|p50| p50.max),
            p99_us: self.median(|report| report.p99_us),
            p999_us: self.median(|report| report.p999_us),
            p50_alone_us: self.median(|report| report.p50_alone_us),
            p99_alone_us: self.median(|report| report.p99_alone_us),
            cpu_us_per_job: self.median(|report| report.cpu_us_per_job),
            server_rss_kb: self.most_memory(),
            lost: self.sum(|report| report.lost),
            duplicated: self.sum(|report| report.duplicated),
            skipped: self.why_not.clone(),
            failures: self.failures.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Report, Row, Scenario, SystemName};

    /// A row as runs with these rates (or half round trips, in microseconds) would give it.
    pub(crate) fn row(scenario: Scenario, system: SystemName, figures: &[f64]) -> Row {
        let report = |&figure: &f64| Report {
            scenario: scenario.to_string(),
            system: system.to_string(),
            transport: "tcp".to_owned(),
            n: 1000,
            seconds: 1.0,
            rate_per_s: figure,
            mb_per_s: figure / 1e4,
            p50_us: Some(2.0 * figure),
            p99_us: Some(3.0 * figure),
            p999_us: Some(4.0 * figure),
            p50_alone_us: Some(figure),
            p99_alone_us: Some(figure),
            cpu_us_per_job: None,
            server_rss_kb: Some(2048),
            lost: 1,
            duplicated: 0,
            damaged: 0,
        };
        Row { reports: figures.iter().map(report).collect(), ..Row::new(scenario, system) }
    }

    #[test]
    fn a_row_has_medians_ends_and_sums() {
        let json = row(Scenario::W1, SystemName::Raw, &[30.0, 10.0, 20.0]).to_json();
        assert_eq!((json.rate_per_s, json.rate_min, json.rate_max), (Some(20.0), Some(10.0), Some(30.0)));
        assert_eq!((json.p50_us, json.lost, json.server_rss_kb), (Some(40.0), Some(3), Some(2048)));
    }

    #[test]
    fn a_row_without_runs_has_no_figures() {
        let json = Row::new(Scenario::W1, SystemName::Raw).to_json();
        assert_eq!((json.rate_per_s, json.lost, json.server_rss_kb), (None, None, None));
    }
}
