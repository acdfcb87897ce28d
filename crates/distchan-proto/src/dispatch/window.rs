//! How many jobs a worker should have in hand: as many as it finishes within a short horizon, so that the line never runs dry,
//! and no more, so that no job waits long behind another. Pure arithmetic.

use std::time::Duration;

use crate::time::Time;

/// The work that should be in flight: far more than a round trip on a local network, far less than anyone waits for.
const HORIZON: Duration = Duration::from_millis(10);

/// Where a worker begins, before anything is known of its jobs.
const INITIAL: u32 = 16;

/// An adaptive window, or a fixed one.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    size: u32,
    smallest: u32,
    largest: u32,
    since: Time,
    settled: u32,
    was_full: bool,
}

impl Window {
    /// A window that adapts between what keeps `concurrency` handlers busy and `largest`.
    pub(crate) fn adaptive(now: Time, concurrency: u32, largest: u32) -> Self {
        let smallest = concurrency.saturating_add(1).min(largest);
        Self {
            size: INITIAL.clamp(smallest, largest),
            smallest,
            largest,
            since: now,
            settled: 0,
            was_full: false,
        }
    }

    /// A window that stays.
    pub(crate) const fn fixed(now: Time, size: u32) -> Self {
        Self { size, smallest: size, largest: size, since: now, settled: 0, was_full: false }
    }

    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// Whether it stays.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.smallest == self.largest
    }

    /// The worker has all it may have, and there was more: so the window is what limits it.
    pub(crate) const fn filled(&mut self) {
        self.was_full = true;
    }

    /// Begins to measure anew: the worker was out of reach.
    pub(crate) const fn restart(&mut self, now: Time) {
        self.since = now;
        self.settled = 0;
        self.was_full = false;
    }

    /// Counts settled jobs; after a window's worth, or a few horizons, it follows the rate at which they were settled, by a factor of two at most.
    pub(crate) fn settled(&mut self, now: Time, jobs: u32) {
        self.settled = self.settled.saturating_add(jobs);
        let is_overdue = now - self.since >= 4 * HORIZON;
        if self.settled == 0 || (self.settled < self.size && !is_overdue) {
            return;
        }
        if self.was_full {
            let elapsed = (now - self.since).as_nanos().max(1);
            let wanted = u128::from(self.settled) * HORIZON.as_nanos() / elapsed;
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let bounded = wanted.clamp(self.size / 2, self.size.saturating_mul(2));
            self.size = bounded.clamp(self.smallest, self.largest);
        }
        *self = Self { since: now, settled: 0, was_full: false, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(window: &mut Window, per_job: Duration, jobs: u32) {
        let mut now = window.since;
        for _ in 0..jobs {
            now = now + per_job;
            window.filled();
            window.settled(now, 1);
        }
    }

    #[test]
    fn short_jobs_widen_it_and_long_ones_leave_hardly_any_prefetch() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        run(&mut window, Duration::from_micros(1), 100_000);
        assert!((9_000..=11_000).contains(&window.size()), "10 ms of 1 µs jobs: {}", window.size());
        run(&mut window, Duration::from_secs(1), 20_000);
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn a_worker_that_lacks_jobs_keeps_its_window() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        window.settled(Time::from_origin(Duration::from_secs(100)), 16);
        assert_eq!(window.size(), 16);
    }

    #[test]
    fn a_fixed_one_stays() {
        let mut window = Window::fixed(Time::ZERO, 5);
        run(&mut window, Duration::from_nanos(10), 1000);
        assert_eq!(window.size(), 5);
    }
}
