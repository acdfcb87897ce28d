//! How many jobs end in a second, of the last few.

use std::collections::VecDeque;
use std::time::Duration;

/// The span that is looked at, or a little more.
const SPAN: Duration = Duration::from_secs(10);

/// How many points in time are kept.
const POINTS: usize = 64;

/// The rate of the last few seconds, from a count that is looked at now and then.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<(Duration, u64)>);

impl Pace {
    /// The count is so high after this time. Returns the rate in a second: since the newest point that is old enough, or else since the beginning.
    pub(super) fn see(&mut self, elapsed: Duration, count: u64) -> f64 {
        let is_old = |point: Option<&(Duration, u64)>| {
            point.is_some_and(|(at, _)| elapsed.saturating_sub(*at) >= SPAN)
        };
        while is_old(self.0.get(1)) {
            self.0.pop_front();
        }
        let (since, before) = self.0.front().filter(|point| is_old(Some(point))).copied().unwrap_or_default();
        let is_apart = self.0.back().is_none_or(|(at, _)| elapsed.saturating_sub(*at) >= SPAN / 32);
        if is_apart && self.0.len() < POINTS {
            self.0.push_back((elapsed, count));
        }
        let seconds = elapsed.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 { as_f64(count.saturating_sub(before)) / seconds } else { 0.0 }
    }
}

/// Counts beyond 2^53 jobs are nobody's.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
pub(super) const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_seconds() {
        let mut pace = Pace::default();
        let at = Duration::from_secs;
        assert_eq!(pace.see(at(0), 0), 0.0);
        assert_eq!(pace.see(at(1), 100), 100.0);
        assert_eq!(pace.see(at(4), 100), 25.0);
        // The first second is too old.
        assert_eq!(pace.see(at(11), 100), 0.0);
        assert_eq!(pace.see(at(14), 300), 20.0);
    }

    #[test]
    fn whoever_looks_once_sees_the_rate_since_the_beginning() {
        assert_eq!(Pace::default().see(Duration::from_secs(100), 50), 0.5);
    }
}
