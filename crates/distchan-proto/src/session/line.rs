//! How long the line takes to the peer and back when nothing waits on it: the shortest of what was measured in the last minutes, for all else
//! stood behind something. Pure arithmetic.

use std::time::Duration;

use crate::time::Time;

/// So many minutes in which something was measured are remembered, as in RFC 6817: a line may become longer, too.
const MINUTES: usize = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// One line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// By minute, the newest first.
    shortest: [Option<Duration>; MINUTES],
    /// When the newest minute began.
    began: Option<Time>,
}

impl Line {
    /// Something was acknowledged after so long.
    pub(crate) fn measure(&mut self, now: Time, took: Duration) {
        if self.began.is_none_or(|began| now - began >= MINUTE) {
            self.began = Some(now);
            self.shortest.rotate_right(1);
            self.shortest[0] = None;
        }
        let [newest, ..] = &mut self.shortest;
        *newest = Some(newest.map_or(took, |shortest| shortest.min(took)));
    }

    /// How long it takes; nothing, where that is not known.
    pub(crate) fn delay(&self) -> Duration {
        self.shortest.iter().flatten().min().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_of_ten_minutes_counts() {
        let mut line = Line::default();
        assert_eq!(line.delay(), Duration::ZERO);
        let mut now = Time::ZERO;
        let mut measure = |line: &mut Line, millis: u64| {
            line.measure(now, Duration::from_millis(millis));
            now = now + Duration::from_secs(20);
        };
        measure(&mut line, 5);
        measure(&mut line, 3);
        for _ in 0..28 {
            measure(&mut line, 50);
            assert_eq!(line.delay(), Duration::from_millis(3));
        }
        measure(&mut line, 50);
        assert_eq!(line.delay(), Duration::from_millis(50), "it has become longer");
        measure(&mut line, 4);
        assert_eq!(line.delay(), Duration::from_millis(4), "and shorter again");
    }
}
