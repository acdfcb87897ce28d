//! How often a job is tried, how long, and with whom. Numbers only: who acts on them is in `endings` and `placement`.

use std::time::Duration;

use crate::dispatch::standing::Distribution;

/// Who gets the jobs of a channel, and what becomes of those that are not completed at their first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A job that had been started on so many workers that were lost is dead. At least 1; default 3.
    pub crash_limit: u32,
    /// A job that failed so often has failed: 1 means that it is never tried again. At least 1; default 1.
    pub failure_limit: u32,
    /// A job that took longer than `job_timeout` so often is dead. At least 1; default 3.
    pub timeout_limit: u32,
    /// How long an attempt may take, from when its worker says that it has begun. Default `None`: a job is never rerun because it is
    /// long.
    pub job_timeout: Option<Duration>,
    /// How long a job waits after its first failure or timeout, doubled with each further one, and the most that it waits. Default 100 ms
    /// and 10 s. After a crash it is tried again at once.
    pub backoff: (Duration, Duration),
    /// Which of the workers that could take a job is given it.
    pub distribution: Distribution,
    /// Whether jobs have keys, and those of one key go to one worker, in order, as long as it takes part: then `distribution` means nothing.
    /// Default: no.
    pub by_key: bool,
    /// A job that is with one worker for so long, while another is idle, is given to that one too: whoever says something of it first has
    /// it. Default `None`: no job is run twice for speed.
    pub speculate_after: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            crash_limit: 3,
            failure_limit: 1,
            timeout_limit: 3,
            job_timeout: None,
            backoff: (Duration::from_millis(100), Duration::from_secs(10)),
            distribution: Distribution::RoundRobin,
            by_key: false,
            speculate_after: None,
        }
    }
}

impl Policy {
    /// How long a job waits after so many failures and timeouts.
    pub(crate) fn delay(&self, troubles: u32) -> Duration {
        let (first, most) = self.backoff;
        // A shift by more than 31 is beyond every bound anyone sets; where `first` is nothing, nothing is waited for.
        let factor = 1u32.checked_shl(troubles.saturating_sub(1)).unwrap_or(u32::MAX);
        first.saturating_mul(factor).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_bound() {
        let policy = Policy::default();
        let waits = [1, 2, 3, 7, 8, 32, 33, u32::MAX].map(|troubles| policy.delay(troubles).as_millis());
        assert_eq!(waits, [100, 200, 400, 6_400, 10_000, 10_000, 10_000, 10_000]);
        let none = Policy { backoff: (Duration::ZERO, Duration::from_secs(10)), ..policy };
        assert_eq!(none.delay(100), Duration::ZERO);
    }
}
