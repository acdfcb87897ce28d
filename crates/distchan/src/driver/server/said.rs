//! How often refusals are logged: strangers must not fill a disk.

use std::time::Duration;

use distchan_proto::time::Time;

/// Said at once, at most.
const BURST: u32 = 20;

/// ... and one more in each of these.
const PAUSE: Duration = Duration::from_secs(1);

/// What has been said of late.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Of late.
    count: u32,
    /// Up to here, what was said has been forgotten.
    since: Time,
    unsaid: u64,
}

impl Said {
    /// Whether something may be said now; if so, how much was not since something was.
    pub(super) fn may_say(&mut self, now: Time) -> Option<u64> {
        let pauses = u32::try_from((now - self.since).as_secs() / PAUSE.as_secs()).unwrap_or(u32::MAX);
        self.since = self.since + PAUSE * pauses;
        self.count = self.count.saturating_sub(pauses);
        if self.count >= BURST {
            self.unsaid += 1;
            return None;
        }
        self.count += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_twenty_times_and_then_once_a_second_with_its_number() {
        let at = |millis| Time::from_origin(Duration::from_millis(millis));
        let mut said = Said::default();
        assert_eq!((0..100).filter(|_| said.may_say(at(100)).is_some()).count(), 20);
        assert_eq!(said.may_say(at(999)), None);
        assert_eq!(said.may_say(at(1000)), Some(81));
        assert_eq!(said.may_say(at(1000)), None);
        assert_eq!((0..100).filter(|_| said.may_say(at(3_600_000)).is_some()).count(), 20);
    }
}
