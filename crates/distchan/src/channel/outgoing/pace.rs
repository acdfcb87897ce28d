//! How fast the plain loop is, and what follows from that: how many jobs it claims at once, and how many have completed before the driver is
//! woken for them. Both cost more than a short job does; a long one is worth them by itself.

use std::time::{Duration, Instant};

#[cfg(test)]
use crate::channel::outgoing::Outgoing;

/// Jobs that take about this long together are claimed at once: what is claimed is not given to another worker ...
const CLAIMED: Duration = Duration::from_micros(40);

/// ... and so many at most.
const MOST_CLAIMED: usize = 64;

/// The driver is woken for results of jobs that took about this long together: to wake it costs a few µs, and on a busy machine a switch between
/// threads. Ends without results are few bytes, however many they are, and go as soon as was claimed at once.
const GATHERED: Duration = Duration::from_micros(200);

/// ... and for so many in any case: a quarter of what a worker with others beside it has in hand.
const MOST_GATHERED: usize = 1024;

/// How fast the plain loop is.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Jobs that were taken since the last tick.
    now: usize,
    /// ... and between the one before and that, in the least time that is between two.
    before: usize,
    /// When the loop began with its batch.
    begun: Option<Instant>,
    /// What a job takes, in nanoseconds; `None` where that is not known, or long.
    job: Option<usize>,
    /// Jobs that have completed since the driver fetched.
    unsaid: usize,
}

impl Pace {
    /// One more job is taken.
    pub(super) const fn takes(&mut self) {
        self.now += 1;
    }

    /// One more job has completed.
    #[inline]
    pub(super) const fn completes(&mut self) {
        self.unsaid += 1;
    }

    /// The driver has fetched all that has completed.
    pub(super) const fn is_fetched(&mut self) {
        self.unsaid = 0;
    }

    /// The loop begins with a batch.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// ... and has done all of it, which were so many jobs. The clock is looked at where that is news.
    pub(super) fn end(&mut self, jobs: usize, now: impl FnOnce() -> Instant) {
        let Some(begun) = self.begun.take() else { return };
        let job = nanos(now() - begun) / jobs.max(1);
        // Where others were on the core meanwhile, it is not the jobs that have become so much longer.
        self.job = Some(self.job.map_or(job, |before| job.min(before.saturating_mul(2))).max(1));
    }

    /// So many times the least time has passed that is between two ticks.
    pub(super) fn tick(&mut self, passed: u32) {
        if self.now < self.at_once() {
            // One of these jobs is longer than those before, or the thread had no core.
            self.job = None;
        }
        self.before = self.now.div_ceil(passed as usize);
        self.now = 0;
    }

    /// Whether jobs were taken between the last two ticks.
    pub(super) const fn is_moving(&self) -> bool {
        self.before > 0
    }

    /// Whether several jobs were taken in the least time that is between two ticks.
    pub(super) const fn is_quick(&self) -> bool {
        self.before > 1
    }

    /// So many jobs are claimed at once.
    pub(super) fn at_once(&self) -> usize {
        self.job.map_or(1, |job| (nanos(CLAIMED) / job).clamp(1, MOST_CLAIMED))
    }

    /// Whether enough has completed to wake the driver for it.
    pub(super) fn has_gathered(&self, has_results: bool) -> bool {
        let Some(job) = self.job else { return true };
        let (time, most) = if has_results { (GATHERED, MOST_GATHERED) } else { (CLAIMED, MOST_CLAIMED) };
        self.unsaid >= most || self.unsaid.saturating_mul(job) >= nanos(time)
    }
}

#[cfg(test)]
impl Outgoing {
    /// As if the loop's jobs had taken so long until now.
    pub(crate) fn assume(&self, job: Duration) {
        self.state.lock().pace.job = Some(nanos(job));
    }
}

fn nanos(time: Duration) -> usize {
    usize::try_from(time.as_nanos()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop that has done a batch of jobs, each of which took so long.
    fn did(pace: &mut Pace, jobs: usize, each: Duration) {
        let now = Instant::now();
        pace.begin(now);
        for _ in 0..jobs {
            pace.takes();
        }
        pace.end(jobs, || now + each * u32::try_from(jobs).unwrap());
    }

    fn paced(each: Duration) -> Pace {
        let mut pace = Pace::default();
        did(&mut pace, 1000, each);
        pace
    }

    fn completed_when_enough(pace: &mut Pace, has_results: bool) -> usize {
        let completed = (0..10_000).take_while(|_| {
            pace.completes();
            !pace.has_gathered(has_results)
        });
        completed.count() + 1
    }

    #[test]
    fn of_short_jobs_as_many_are_claimed_as_take_40_microseconds_and_64_at_most() {
        for (each, claimed) in [(0, 64), (75, 64), (1_000, 40), (15_000, 2), (25_000, 1), (1_000_000_000, 1)]
        {
            assert_eq!(paced(Duration::from_nanos(each)).at_once(), claimed, "{each} ns");
        }
        assert_eq!(Pace::default().at_once(), 1, "nothing is known yet");
    }

    #[test]
    fn the_driver_is_woken_for_200_microseconds_of_work_and_1024_jobs_at_most() {
        for (each, results, ends) in
            [(0, 1024, 64), (75, 1024, 64), (1_000, 200, 40), (40_000, 5, 1), (200_000, 1, 1)]
        {
            let mut pace = paced(Duration::from_nanos(each));
            for (has_results, gathered) in [(true, results), (true, results), (false, ends)] {
                assert_eq!(completed_when_enough(&mut pace, has_results), gathered, "{each} ns");
                pace.is_fetched();
            }
        }
        assert_eq!(completed_when_enough(&mut Pace::default(), true), 1, "nothing is known yet");
    }

    #[test]
    fn a_batch_that_was_interrupted_doubles_what_a_job_takes_and_the_next_corrects_it() {
        let mut pace = paced(Duration::from_micros(1));
        did(&mut pace, 10, Duration::from_millis(1));
        assert_eq!(pace.at_once(), 20);
        did(&mut pace, 10, Duration::from_micros(1));
        assert_eq!(pace.at_once(), 40);
    }

    #[test]
    fn jobs_that_take_longer_than_can_be_counted_are_long() {
        let mut pace = Pace { job: Some(usize::MAX), ..Pace::default() };
        pace.completes();
        assert!(pace.at_once() == 1 && pace.has_gathered(true));
        did(&mut pace, 10, Duration::from_micros(1));
        assert_eq!(pace.at_once(), 40);
    }

    #[test]
    fn where_fewer_were_taken_between_two_ticks_than_at_once_nothing_is_known_any_more() {
        let mut pace = paced(Duration::from_micros(1));
        pace.tick(4);
        assert_eq!(pace.at_once(), 40, "a thousand were taken");
        for _ in 0..40 {
            pace.takes();
        }
        pace.tick(4);
        assert_eq!(pace.at_once(), 40);
        for _ in 0..39 {
            pace.takes();
        }
        pace.tick(4);
        assert!(pace.at_once() == 1 && pace.has_gathered(true));
        did(&mut pace, 10, Duration::from_micros(1));
        assert_eq!(pace.at_once(), 40, "one batch is enough to know it again");
    }
}
