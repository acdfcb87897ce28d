//! How much of large values is on its way at once. What is short would wait behind all of it, which may be milliseconds on the fastest line and
//! seconds on a slow one: so no more of it is than keeps the line busy. How much that is shows in how long acknowledgements take, as in LEDBAT
//! (RFC 6817), whose traffic gives way to others too. It knows how long pieces are and where they end, and nothing of what they say.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::time::Time;

/// Two of these may always be on their way, so that the line does not run empty while one of them is being acknowledged.
const SMALLEST_PIECE: usize = 16 * 1024;

/// A window grows or shrinks by this share, and by a smallest piece at least.
const SHARE: usize = 8;

/// One direction of a session.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// Values that are not large were sent: until then, large ones leave room for more.
    until: Option<Time>,
    beside: Window,
    alone: Window,
    /// What the peer has not acknowledged, oldest first.
    ahead: VecDeque<Ahead>,
    /// The bytes of it all.
    bytes: usize,
    /// How many bytes of that stand behind the last one that asked.
    unasked: usize,
    /// How many of them ask for their acknowledgement.
    asking: usize,
}

/// So many bytes of large values may be on their way.
#[derive(Debug)]
struct Window {
    bytes: usize,
    /// An acknowledgement that takes half as long again as the line, and so much besides, shows that what is on its way waits for itself.
    patience: Duration,
    /// It does not become larger, but for what a long line needs.
    largest: usize,
}

/// Pieces of large values, written at once.
#[derive(Debug)]
struct Ahead {
    /// Where they end in the session's stream.
    end: u64,
    length: usize,
    /// When they were written, if they ask for their acknowledgement.
    asked: Option<Time>,
}

/// How pieces are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// How long a frame's body may be.
    pub(crate) most: usize,
    /// Whether they ask for their acknowledgement.
    pub(crate) asks: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            until: None,
            beside: Window::BESIDE,
            alone: Window::ALONE,
            ahead: VecDeque::new(),
            bytes: 0,
            unasked: 0,
            asking: 0,
        }
    }
}

impl Sharing {
    /// Values that are not large are being written, or are not.
    pub(crate) fn note(&mut self, now: Time, is_short: bool) {
        if is_short {
            self.until = Some(now + limits::SHARING);
        } else if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
    }

    /// How the next pieces of so many large values are to be written; `None` where none may be before an acknowledgement comes, as it will.
    pub(crate) fn cut(&self, values: usize) -> Option<Cut> {
        let window = if self.until.is_some() { self.beside.bytes } else { self.alone.bytes };
        let will_come = self.asking > 0 || self.bytes >= limits::ACKNOWLEDGE_EVERY;
        if self.bytes >= window && will_come {
            return None;
        }
        let most = (window / 2).clamp(SMALLEST_PIECE, limits::MAX_FRAME_BODY);
        let next = values * most;
        // Twice a window, so that the first half has made room before the second is acknowledged.
        let asks = self.unasked + next >= window / 2 || self.bytes + next >= window;
        Some(Cut { most, asks })
    }

    /// Pieces of so many bytes were written so, and end here in the stream.
    pub(crate) fn sent(&mut self, now: Time, cut: Cut, end: u64, length: usize) {
        self.ahead.push_back(Ahead { end, length, asked: cut.asks.then_some(now) });
        self.bytes += length;
        self.unasked += length;
        if cut.asks {
            self.unasked = 0;
            self.asking += 1;
        }
    }

    /// The peer has everything up to here; the line takes so long to it and back.
    pub(crate) fn arrived(&mut self, now: Time, up_to: u64, delay: Duration) {
        while let Some(oldest) = self.ahead.front()
            && oldest.end <= up_to
        {
            let Some(Ahead { length, asked, .. }) = self.ahead.pop_front() else { break };
            self.bytes -= length;
            self.unasked = self.unasked.min(self.bytes);
            if let Some(asked) = asked {
                self.asking -= 1;
                let window = if self.until.is_some() { &mut self.beside } else { &mut self.alone };
                window.adapt(now - asked, delay);
            }
        }
    }
}

impl Window {
    /// Beside something short, every microsecond counts. Measured with jobs of 1 KiB beside a value of 1 GiB over loopback: with twice the
    /// patience the 99th percentile of their round trips is 1.7 times as long.
    const BESIDE: Self =
        Self { bytes: 64 * 1024, patience: Duration::from_micros(150), largest: limits::PIECES_AHEAD };

    /// Something short may come: then it should not have to wait for seconds on a slow line. A fast one is never kept waiting.
    const ALONE: Self = Self {
        bytes: limits::MAX_UNACKNOWLEDGED,
        patience: Duration::from_millis(20),
        largest: limits::MAX_UNACKNOWLEDGED,
    };

    /// An acknowledgement took so long, on a line that takes so long to the peer and back.
    fn adapt(&mut self, took: Duration, delay: Duration) {
        let step = (self.bytes / SHARE).max(SMALLEST_PIECE);
        self.bytes = if took > delay.saturating_add(delay / 2).saturating_add(self.patience) {
            self.bytes.saturating_sub(step).max(2 * SMALLEST_PIECE)
        } else {
            let line = usize::try_from(delay.as_micros()).unwrap_or(usize::MAX);
            let largest = limits::PIECES_PER_MICROSECOND.saturating_mul(line).saturating_add(self.largest);
            self.bytes.saturating_add(step).min(largest)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Time = Time::from_origin(Duration::from_secs(1));
    const KIB: usize = 1024;

    /// A line on which large values are sent, beside something short where `shares` is set.
    struct Line {
        sharing: Sharing,
        now: Time,
        sent: u64,
    }

    impl Line {
        fn new(shares: bool) -> Self {
            let mut sharing = Sharing::default();
            sharing.note(BEGIN, shares);
            Self { sharing, now: BEGIN, sent: 0 }
        }

        /// Writes as much as may be written, up to so much; returns how much that was, and how often it asked.
        fn write(&mut self, most: usize) -> (usize, usize) {
            let (mut written, mut asked) = (0, 0);
            while written < most
                && let Some(cut) = self.sharing.cut(1)
            {
                written += cut.most;
                self.sent += cut.most as u64;
                self.sharing.sent(self.now, cut, self.sent, cut.most);
                asked += usize::from(cut.asks);
            }
            (written, asked)
        }

        /// All of it arrives after `took`.
        fn arrive(&mut self, took: Duration, delay: Duration) {
            self.now = self.now + took;
            self.sharing.arrived(self.now, self.sent, delay);
        }

        /// How much is on its way at once, once many acknowledgements have come that take what `took` says of so many bytes.
        fn settled(&mut self, took: impl Fn(usize) -> Duration, delay: Duration) -> usize {
            let mut written = 0;
            for _ in 0..1000 {
                (written, _) = self.write(usize::MAX);
                self.arrive(took(written), delay);
            }
            written
        }
    }

    #[test]
    fn a_large_value_has_the_line_for_itself_until_something_short_comes() {
        let mut line = Line::new(false);
        assert_eq!(line.write(usize::MAX), (limits::MAX_UNACKNOWLEDGED, 2));
        line.arrive(Duration::from_millis(4), Duration::ZERO);
        line.write(1000 * KIB);
        line.sharing.note(line.now, true);
        assert_eq!(line.write(usize::MAX), (0, 0), "what was sent before comes first");
        line.sharing.note(line.now + limits::SHARING / 2, false);
        assert_eq!(line.write(usize::MAX), (0, 0));
        line.sharing.note(line.now + limits::SHARING, false);
        assert!(line.write(usize::MAX).0 > 3000 * KIB);
    }

    #[test]
    fn it_never_waits_for_an_acknowledgement_that_need_not_come() {
        // Whatever is on its way already, that the peer need not acknowledge unasked.
        for before in (0..limits::ACKNOWLEDGE_EVERY).step_by(10_000) {
            let mut line = Line::new(false);
            let cut = Cut { most: before, asks: false };
            line.sent += before as u64;
            line.sharing.sent(line.now, cut, line.sent, before);
            line.sharing.note(line.now, true);
            let (written, asked) = line.write(usize::MAX);
            assert!(written > 0 && asked > 0, "{before}");
            assert_eq!(line.sharing.unasked, 0, "{before}: what is last asks");
        }
        // Nor where the window has become smaller than what is on its way.
        let mut line = Line::new(true);
        line.settled(|_| Duration::ZERO, Duration::from_millis(10));
        let half = line.sent;
        line.write(usize::MAX);
        while line.sharing.asking > 0 {
            line.now = line.now + Duration::from_secs(1);
            let next = line.sharing.ahead.front().unwrap().end;
            line.sharing.arrived(line.now, next, Duration::from_millis(10));
        }
        assert!(line.sent > half && line.sharing.cut(1).is_some());
    }

    #[test]
    fn the_window_is_what_the_line_takes_in_the_time_that_is_left_to_it() {
        let rate = |per_micro: usize| move |bytes: usize| Duration::from_micros((bytes / per_micro) as u64);
        let mut near = Line::new(true);
        let fast = near.settled(rate(4000), Duration::ZERO);
        assert!((limits::PIECES_AHEAD..limits::PIECES_AHEAD + 64 * KIB).contains(&fast), "{fast}");
        let slower = near.settled(rate(600), Duration::ZERO);
        assert!((64 * KIB..144 * KIB).contains(&slower), "{slower}: 90 KB take 150 us");
        let slow = near.settled(rate(1), Duration::ZERO);
        assert_eq!(slow, 2 * SMALLEST_PIECE);
        let delay = Duration::from_millis(10);
        let far = near.settled(|bytes| delay + rate(100)(bytes), delay);
        assert!((450 * KIB..600 * KIB).contains(&far), "{far}: 500 KB take 5 ms");
    }

    #[test]
    fn a_large_value_alone_fills_a_fast_line_and_does_not_wait_for_itself_on_a_slow_one() {
        let rate = |per_micro: usize| move |bytes: usize| Duration::from_micros((bytes / per_micro) as u64);
        let mut line = Line::new(false);
        assert_eq!(line.settled(rate(300), Duration::ZERO), limits::MAX_UNACKNOWLEDGED, "300 MB/s");
        let slower = line.settled(rate(12), Duration::from_micros(200));
        assert!((200 * KIB..300 * KIB).contains(&slower), "{slower}: 240 KB take 20 ms");
        assert_eq!(line.settled(rate(1), Duration::ZERO), 2 * SMALLEST_PIECE);
    }

    #[test]
    fn pieces_of_many_values_ask_as_one_does() {
        let sharing = Sharing { until: Some(BEGIN), ..Sharing::default() };
        assert_eq!(sharing.cut(1), Some(Cut { most: 32 * KIB, asks: true }));
        assert_eq!(sharing.cut(9), Some(Cut { most: 32 * KIB, asks: true }));
    }
}
