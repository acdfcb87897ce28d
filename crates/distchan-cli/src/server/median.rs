//! The median of how long jobs take, for `--timeout N%`.

use std::time::Duration;

/// So many have to be known before the median means anything: as in GNU parallel.
const FEWEST: usize = 3;

/// With more, one more hardly moves the median.
const MOST: usize = 10_000;

/// Gathers run times.
#[derive(Debug, Default)]
pub(super) struct Median {
    /// In order.
    times: Vec<u64>,
}

impl Median {
    /// One more job has taken so long, in microseconds.
    pub(super) fn add(&mut self, micros: u64) {
        if self.times.len() < MOST {
            let at = self.times.partition_point(|time| *time <= micros);
            self.times.insert(at, micros);
        }
    }

    /// A part of the median.
    pub(super) fn percent(&self, percent: f64) -> Option<Duration> {
        let middle = self.times.get(self.times.len() / 2).filter(|_| self.times.len() >= FEWEST)?;
        Duration::try_from_secs_f64(Duration::from_micros(*middle).as_secs_f64() * percent / 100.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_make_a_median() {
        let mut median = Median::default();
        for micros in [3_000_000, 1_000_000] {
            median.add(micros);
            assert_eq!(median.percent(200.0), None);
        }
        median.add(2_000_000);
        assert_eq!(median.percent(200.0), Some(Duration::from_secs(4)));
    }
}
