//! How many jobs a worker should have in hand: as many as it finishes while the line brings others, and within a short horizon besides,
//! so that it never runs dry; and no more, so that no job waits long behind another. Pure arithmetic.

use std::time::Duration;

use crate::time::Time;

/// The work that should be in flight, beside what the line takes: far less than anyone waits for.
const HORIZON: Duration = Duration::from_millis(10);

/// ... and no more jobs than this with all workers together, where they are very short: what lies in memory for longer than it lies in the cache is slow
/// to come back to. Far fewer would leave and come back in small portions, each of which wakes somebody.
const MOST_OF_ALL: u32 = 32_768;

/// ... but so many for each, however many there are: where workers share cores, one that has to wait for its turn uses it up.
const SHARE_OF_EACH: u32 = 4096;

/// Where a worker begins, before anything is known of its jobs.
const INITIAL: u32 = 16;

/// Of how many answers the pace is the mean, about.
const SMOOTHING: u32 = 8;

/// An adaptive window, or a fixed one.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    size: u32,
    smallest: u32,
    largest: u32,
    /// How long the line takes to the worker and back.
    delay: Duration,
    since: Time,
    settled: u32,
    was_full: bool,
    /// When the worker answered last; or was given something, after it had had nothing.
    touched: Time,
    /// How long a job takes, with as many at once as the worker works on: a mean of the newest answers.
    pace: Duration,
}

impl Window {
    /// A window that adapts between what keeps `concurrency` handlers busy and `largest`.
    pub(crate) fn adaptive(now: Time, concurrency: u32, largest: u32) -> Self {
        let smallest = concurrency.saturating_add(1).min(largest);
        Self { smallest, largest, ..Self::fixed(now, INITIAL.clamp(smallest, largest)) }
    }

    /// A window that stays.
    pub(crate) const fn fixed(now: Time, size: u32) -> Self {
        Self {
            size,
            smallest: size,
            largest: size,
            delay: Duration::ZERO,
            since: now,
            settled: 0,
            was_full: false,
            touched: now,
            pace: Duration::ZERO,
        }
    }

    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// The size for a worker that has jobs, and has said nothing for a while: what was short may be long now, and nothing further is to
    /// wait behind it.
    pub(crate) fn size_at(&self, now: Time) -> u32 {
        let (quiet, horizon) = (self.quiet(now), self.horizon());
        if quiet <= horizon {
            return self.size;
        }
        let shrunk = u128::from(self.size) * horizon.as_nanos() / quiet.as_nanos();
        u32::try_from(shrunk).unwrap_or(self.size).max(self.smallest)
    }

    /// What it never exceeds.
    pub(crate) const fn largest(&self) -> u32 {
        self.largest
    }

    /// Whether it stays.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.smallest == self.largest
    }

    /// How long the line takes to the worker and back, as far as is known.
    pub(crate) const fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    pub(crate) const fn delay(&self) -> Duration {
        self.delay
    }

    /// For how long a worker that has jobs has said nothing.
    pub(crate) fn quiet(&self, now: Time) -> Duration {
        now - self.touched
    }

    /// How long a job takes, from one answer to the next.
    pub(crate) const fn pace(&self) -> Duration {
        self.pace
    }

    /// The worker has all it may have, and there was more: so the window is what limits it.
    pub(crate) const fn filled(&mut self) {
        self.was_full = true;
    }

    /// The worker, which had nothing, has something to do.
    pub(crate) const fn begun(&mut self, now: Time) {
        self.touched = now;
    }

    /// Begins to measure anew: the worker was out of reach.
    pub(crate) const fn restart(&mut self, now: Time) {
        self.since = now;
        self.touched = now;
        self.settled = 0;
        self.was_full = false;
    }

    /// Counts settled jobs; `ran_dry` is whether the worker has none left, and `workers` how many take part. After a window's worth, or a few horizons, it
    /// follows the rate at which they were settled, by a factor of two at most.
    pub(crate) fn settled(&mut self, now: Time, jobs: u32, ran_dry: bool, workers: u64) {
        if jobs > 0 {
            let each = self.quiet(now) / jobs;
            self.pace = (self.pace * (SMOOTHING - 1) + each) / SMOOTHING;
            self.touched = now;
        }
        self.settled = self.settled.saturating_add(jobs);
        let is_overdue = now - self.since >= 4 * self.horizon();
        if self.settled == 0 || (self.settled < self.size && !is_overdue) {
            return;
        }
        if self.was_full {
            let elapsed = (now - self.since).as_nanos().max(1);
            let within = |time: Duration| u128::from(self.settled) * time.as_nanos() / elapsed;
            let most = most_within_horizon(workers);
            let wanted = within(HORIZON).min(most.into()) + within(2 * self.delay);
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let doubled = self.size.saturating_mul(2);
            // Whoever has done all of a full window, and waits for more, is slow to be woken, or far away: its rate says nothing but how small the
            // window is.
            let least = if ran_dry { doubled.min(SHARE_OF_EACH) } else { 0 };
            self.size = wanted.max(least).clamp(self.size / 2, doubled).clamp(self.smallest, self.largest);
        }
        *self = Self { since: now, settled: 0, was_full: false, ..*self };
    }

    /// While the window is what limits a worker, it settles one window a round trip: with two round trips' worth in flight the window
    /// grows until something else is the limit.
    fn horizon(&self) -> Duration {
        HORIZON + 2 * self.delay
    }
}

/// The most jobs of its horizon that one of so many workers has.
fn most_within_horizon(workers: u64) -> u32 {
    let workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
    (MOST_OF_ALL / workers).max(SHARE_OF_EACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(window: &mut Window, per_job: Duration, jobs: u32) {
        let mut now = window.since;
        for _ in 0..jobs {
            now = now + per_job;
            window.filled();
            window.settled(now, 1, false, 1);
        }
    }

    #[test]
    fn short_jobs_widen_it_and_long_ones_leave_hardly_any_prefetch() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        run(&mut window, Duration::from_micros(1), 100_000);
        assert_eq!(window.size(), 10_000, "10 ms of 1 µs jobs");
        run(&mut window, Duration::from_secs(1), 20_000);
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn a_long_line_is_filled_also_where_each_window_takes_a_round_trip() {
        const DELAY: Duration = Duration::from_millis(200);
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        window.set_delay(DELAY);
        let mut now = Time::ZERO;
        // The worker does 10,000 jobs a second, if it has them.
        for _ in 0..20 {
            now = now + DELAY.max(Duration::from_micros(100) * window.size());
            window.filled();
            window.settled(now, window.size(), false, 1);
        }
        assert!((3_900..=4_300).contains(&window.size()), "410 ms of 100 µs jobs: {}", window.size());
    }

    #[test]
    fn whoever_says_nothing_is_given_less() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        run(&mut window, Duration::from_micros(10), 20_000);
        let (now, size) = (window.touched, window.size());
        assert!(size > 900, "{size}");
        let after = |millis| window.size_at(now + Duration::from_millis(millis));
        assert_eq!((after(0), after(10)), (size, size));
        assert_eq!((after(20), after(1000), after(100_000)), (size / 2, size / 100, 2));
        assert!(window.pace() >= Duration::from_micros(9) && window.pace() <= Duration::from_micros(10));
    }

    #[test]
    fn a_worker_that_lacks_jobs_keeps_its_window() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        window.settled(Time::from_origin(Duration::from_secs(100)), 16, true, 1);
        assert_eq!(window.size(), 16);
    }

    #[test]
    fn a_worker_that_is_slow_to_be_woken_is_not_given_ever_less() {
        let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
        window.set_delay(Duration::from_micros(100));
        let mut now = Time::ZERO;
        for _ in 0..20 {
            // It does all that it has at once, whenever it is woken.
            now = now + Duration::from_millis(30);
            window.filled();
            window.settled(now, window.size(), true, 1);
        }
        assert_eq!(window.size(), SHARE_OF_EACH);
        for _ in 0..20 {
            now = now + Duration::from_millis(30);
            window.filled();
            window.settled(now, 10, false, 1);
        }
        assert_eq!(window.size(), 3, "10 ms of 3 ms jobs");
    }

    #[test]
    fn many_workers_have_fewer_of_the_shortest_jobs_each_and_never_fewer_than_a_share() {
        let size_with = |workers| {
            let mut window = Window::adaptive(Time::ZERO, 1, 65_536);
            let mut now = Time::ZERO;
            for _ in 0..20 {
                // Ten million jobs a second.
                now = now + Duration::from_nanos(100) * window.size();
                window.filled();
                window.settled(now, window.size(), false, workers);
            }
            window.size()
        };
        assert_eq!([1, 2, 4, 8, 1000].map(size_with), [32_768, 16_384, 8192, 4096, 4096]);
    }

    #[test]
    fn a_window_never_more_than_halves_also_where_its_worker_ran_dry() {
        let mut window = Window { size: 20_000, ..Window::adaptive(Time::ZERO, 1, 65_536) };
        window.filled();
        window.settled(Time::from_origin(Duration::from_secs(1)), 20_000, true, 1);
        assert_eq!(window.size(), 10_000);
    }

    #[test]
    fn a_fixed_one_stays() {
        let mut window = Window::fixed(Time::ZERO, 5);
        run(&mut window, Duration::from_nanos(10), 1000);
        assert_eq!(window.size(), 5);
    }
}
