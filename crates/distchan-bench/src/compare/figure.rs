//! Which figure of a scenario is the one that is compared, and how figures are written. It must not round to more than was measured.

use super::row::Row;
use crate::report::Report;
use crate::scenarios::{Scenario, Work};
use crate::stats::Spread;

/// What is compared in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Jobs a second: more is better.
    Rate,
    /// Millions of bytes a second: more is better.
    Bytes,
    /// The median of round trips, in microseconds: less is better.
    Latency,
    /// The 99th percentile of round trips beside something large, in microseconds: less is better.
    LatencyBeside,
}

impl Figure {
    pub(crate) fn of(scenario: Scenario) -> Self {
        match scenario.work() {
            Work::OneWay if scenario.usual_size().is_some() => Self::Bytes,
            Work::OneWay | Work::ThereAndBack => Self::Rate,
            Work::OneInFlight => Self::Latency,
            Work::Beside => Self::LatencyBeside,
        }
    }

    pub(crate) fn read(self, row: &Row) -> Option<Spread> {
        row.spread(|report| self.read_one(report))
    }

    fn read_one(self, report: &Report) -> Option<f64> {
        match self {
            Self::Rate => Some(report.rate_per_s),
            Self::Bytes => Some(report.mb_per_s),
            Self::Latency => report.p50_us,
            Self::LatencyBeside => report.p99_us,
        }
    }

    /// What it is called, with its unit.
    pub(crate) fn name(self, scenario: Scenario) -> &'static str {
        match self {
            Self::Rate if scenario.work() == Work::OneWay => "values/s",
            Self::Rate => "jobs/s",
            Self::Bytes => "MB/s",
            Self::Latency => "p50 µs",
            Self::LatencyBeside => "p99 µs",
        }
    }

    pub(crate) fn is_more_better(self) -> bool {
        matches!(self, Self::Rate | Self::Bytes)
    }
}

/// Writes a number with three digits that count: `11.6 M`, `152 k`, `62.4`.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        1e9.. => (value / 1e9, " G"),
        1e6.. => (value / 1e6, " M"),
        1e4.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = match scaled {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{unit}")
}

/// As [`short`]; a dash for what there is not.
pub(crate) fn short_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

#[cfg(test)]
mod tests {
    use super::{short, short_or_dash};

    #[test]
    fn numbers_have_three_digits_that_count() {
        let check = |value, expected| assert_eq!(short(value), expected);
        check(11_621_000.0, "11.6 M");
        check(152_400.0, "152 k");
        check(9_876.0, "9876");
        check(62.44, "62.4");
        check(1.234, "1.23");
        check(0.0, "0.00");
        assert_eq!(short_or_dash(None), "-");
    }
}
