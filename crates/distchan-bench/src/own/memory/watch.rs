//! Looks at this process's memory ten times a second, and says whether it stayed where it was.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use crate::usage::resident_memory_kb;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// The look that is at the end of the first second.
const FIRST: usize = 10;

/// A run of fewer looks says nothing of whether memory grows.
const FEWEST: usize = 50;

/// What may come on top of a quarter more, in KiB.
const SLACK_KB: u64 = 4 * 1024;

/// A thread that looks.
#[derive(Debug)]
pub(super) struct Watch {
    /// Dropped to end the thread.
    stop: Sender<()>,
    looks: JoinHandle<Vec<u64>>,
}

impl Watch {
    /// Looks from now on.
    pub(super) fn start() -> Self {
        let (stop, stopped) = channel();
        let looks = thread::spawn(move || {
            let mut seen = Vec::new();
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                seen.extend(resident_memory_kb());
            }
            seen.extend(resident_memory_kb());
            seen
        });
        Self { stop, looks }
    }

    /// What was seen; none where the system does not say.
    pub(super) fn stop(self) -> Option<Seen> {
        drop(self.stop);
        Seen::of(&self.looks.join().ok()?)
    }
}

/// What was seen, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// At the end of the first second.
    #[serde(rename = "server_rss_first_kb")]
    pub(super) first_kb: u64,
    /// The most from then on.
    #[serde(rename = "server_rss_max_kb")]
    pub(super) max_kb: u64,
    /// At the end.
    #[serde(rename = "server_rss_last_kb")]
    pub(super) last_kb: u64,
    /// How often was looked.
    pub(super) looks: usize,
}

impl Seen {
    fn of(looks: &[u64]) -> Option<Self> {
        let from_first = looks.get(FIRST.min(looks.len()).checked_sub(1)?..)?;
        let (&first_kb, &last_kb) = (from_first.first()?, from_first.last()?);
        let max_kb = from_first.iter().copied().max()?;
        Some(Self { first_kb, max_kb, last_kb, looks: looks.len() })
    }

    /// Whether it is at the end at most a quarter, and a little, above the first second's. None of a run that was too short to say.
    pub(super) fn is_flat(&self) -> Option<bool> {
        (self.looks >= FEWEST).then_some(self.last_kb <= self.first_kb * 5 / 4 + SLACK_KB)
    }
}

#[cfg(test)]
mod tests {
    use super::{FEWEST, SLACK_KB, Seen};

    fn seen(looks: &[u64]) -> Option<(u64, u64, u64)> {
        Seen::of(looks).map(|it| (it.first_kb, it.max_kb, it.last_kb))
    }

    #[test]
    fn what_counts_begins_with_the_end_of_the_first_second() {
        let mut looks = vec![900; 9];
        looks.extend([100, 300, 200]);
        assert_eq!(seen(&looks), Some((100, 300, 200)));
    }

    #[test]
    fn a_run_shorter_than_a_second_has_its_last_look() {
        assert_eq!(seen(&[100, 50, 70]), Some((70, 70, 70)));
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn memory_that_grows_is_not_flat_and_a_short_run_says_nothing() {
        let check = |last_kb, looks, expected| {
            let seen = Seen { first_kb: 40_000, max_kb: 90_000, last_kb, looks };
            assert_eq!(seen.is_flat(), expected, "{last_kb} KiB after {looks} looks");
        };
        check(30_000, FEWEST, Some(true));
        check(50_000 + SLACK_KB, FEWEST, Some(true));
        check(50_001 + SLACK_KB, FEWEST, Some(false));
        check(90_000, FEWEST - 1, None);
    }
}
