//! How much of large values is on its way at once. What is short would wait behind all of it, which may be milliseconds on the fastest line and
//! seconds on a slow one: so no more of it is than keeps the line busy. How much that is shows in how long acknowledgements take, as in LEDBAT
//! (RFC 6817), whose traffic gives way to others too. It knows how long pieces are and where they end, and nothing of what they say.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::session::line::Line;
use crate::time::Time;

/// Less is not worth a frame.
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
    /// Pieces that the peer has not acknowledged, oldest first.
    ahead: VecDeque<Ahead>,
    /// The bytes of them all.
    bytes: usize,
    /// How many bytes of that stand behind the last one that asked.
    unasked: usize,
    /// How many of them ask for their acknowledgement.
    asking: usize,
    /// What was asked before shows nothing: it was sent in another window, a larger one, or over another connection.
    since: Time,
}

/// So many bytes of large values may be on their way.
#[derive(Debug)]
struct Window {
    bytes: usize,
    rules: Rules,
    /// Nothing has come late: it doubles.
    is_new: bool,
}

/// How a window adapts.
#[derive(Clone, Copy, Debug)]
struct Rules {
    first: usize,
    smallest: usize,
    /// It does not become larger, but for what a long line needs.
    largest: usize,
    /// An acknowledgement that takes half as long again as the line, and so much besides, is late: what is on its way waits for itself.
    patience: Duration,
}

/// Beside something short, every microsecond counts. Measured with jobs of 1 KiB beside a value of 1 GiB over loopback: with 150 µs of patience
/// the 99th percentile of their round trips is longer by a sixth, with 300 µs it is twice as long.
const BESIDE: Rules = Rules {
    first: 64 * 1024,
    smallest: 2 * SMALLEST_PIECE,
    largest: limits::PIECES_AHEAD,
    patience: Duration::from_micros(100),
};

/// Something short may come: then it should not have to wait for seconds on a slow line.
const ALONE: Rules = Rules {
    first: 256 * 1024,
    smallest: 256 * 1024,
    largest: limits::MAX_UNACKNOWLEDGED,
    patience: Duration::from_millis(20),
};

/// A piece of a large value.
#[derive(Debug)]
struct Ahead {
    /// Where it ends in the session's stream.
    end: u64,
    length: usize,
    /// When it was written, if it asks for its acknowledgement.
    asked: Option<Time>,
}

/// How a piece is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// How long its frame's body may be.
    pub(crate) most: usize,
    /// Whether it asks for its acknowledgement.
    pub(crate) asks: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            until: None,
            beside: Window::new(BESIDE),
            alone: Window::new(ALONE),
            ahead: VecDeque::new(),
            bytes: 0,
            unasked: 0,
            asking: 0,
            since: Time::ZERO,
        }
    }
}

impl Sharing {
    /// Values that are not large are being written, or are not.
    pub(crate) fn note(&mut self, now: Time, is_short: bool) {
        let was_shared = self.until.is_some();
        if is_short {
            self.until = Some(now + limits::SHARING);
        } else if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
        if self.until.is_some() != was_shared {
            self.since = now;
        }
    }

    /// The session goes on over another connection.
    pub(crate) const fn resume(&mut self, now: Time) {
        self.since = now;
    }

    /// How the next piece is to be written; `None` where none may be before an acknowledgement comes, as it will.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let window = if self.until.is_some() { self.beside.bytes } else { self.alone.bytes };
        let will_come = self.asking > 0 || self.bytes >= limits::ACKNOWLEDGE_EVERY;
        if self.bytes >= window && will_come {
            return None;
        }
        let most = (window / 2).clamp(SMALLEST_PIECE, limits::MAX_FRAME_BODY);
        // Twice a window, so that the first half has made room before the second is acknowledged.
        let asks = self.unasked + most >= window / 2 || (self.asking == 0 && self.bytes + most >= window);
        Some(Cut { most, asks })
    }

    /// A piece of so many bytes was written so, and ends here in the stream.
    pub(crate) fn sent(&mut self, now: Time, cut: Cut, end: u64, length: usize) {
        self.ahead.push_back(Ahead { end, length, asked: cut.asks.then_some(now) });
        self.bytes += length;
        self.unasked += length;
        if cut.asks {
            self.unasked = 0;
            self.asking += 1;
        }
    }

    /// Whether any piece has not been acknowledged.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The peer has everything up to here, which may say something of the line.
    pub(crate) fn arrived(&mut self, now: Time, up_to: u64, line: &mut Line) {
        while let Some(oldest) = self.ahead.front()
            && oldest.end <= up_to
        {
            let Some(Ahead { length, asked, .. }) = self.ahead.pop_front() else { break };
            self.bytes -= length;
            self.unasked = self.unasked.min(self.bytes);
            if let Some(asked) = asked {
                self.asking -= 1;
                self.acknowledged(now, asked, line);
            }
        }
    }

    /// What was asked then has been acknowledged.
    fn acknowledged(&mut self, now: Time, asked: Time, line: &mut Line) {
        if asked < self.since {
            return;
        }
        let took = now - asked;
        line.measure(now, took);
        let delay = line.delay();
        let window = if self.until.is_some() { &mut self.beside } else { &mut self.alone };
        if took > delay.saturating_add(delay / 2).saturating_add(window.rules.patience) {
            window.shrink();
            self.since = now;
        } else {
            window.grow(delay);
        }
    }
}

impl Window {
    const fn new(rules: Rules) -> Self {
        Self { bytes: rules.first, rules, is_new: true }
    }

    fn step(&self) -> usize {
        if self.is_new { self.bytes } else { (self.bytes / SHARE).max(SMALLEST_PIECE) }
    }

    /// An acknowledgement came in time, on a line that takes so long.
    fn grow(&mut self, delay: Duration) {
        let line = usize::try_from(delay.as_micros()).unwrap_or(usize::MAX);
        let largest = limits::PIECES_PER_MICROSECOND.saturating_mul(line).saturating_add(self.rules.largest);
        self.bytes = (self.bytes + self.step()).min(largest.min(limits::MAX_UNACKNOWLEDGED));
    }

    /// One was late.
    fn shrink(&mut self) {
        self.is_new = false;
        self.bytes = self.bytes.saturating_sub(self.step()).max(self.rules.smallest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Time = Time::from_origin(Duration::from_secs(1));
    const KIB: usize = 1024;

    /// A line on which pieces arrive one behind the other, and their acknowledgements at once.
    struct Road {
        sharing: Sharing,
        line: Line,
        now: Time,
        sent: u64,
        /// When what was sent has been put on the line, and where it ends.
        under_way: VecDeque<(Time, u64)>,
        busy_until: Time,
        /// Bytes in a microsecond.
        rate: usize,
        delay: Duration,
    }

    impl Road {
        fn new(rate: usize, delay: Duration) -> Self {
            let (sharing, under_way) = (Sharing::default(), VecDeque::new());
            // A question on the idle line.
            let mut line = Line::default();
            line.measure(BEGIN, delay);
            Self { sharing, line, now: BEGIN, sent: 0, under_way, busy_until: BEGIN, rate, delay }
        }

        /// Writes as much as may be written, up to so much; returns how much that was, and how often it asked.
        fn write(&mut self, most: usize) -> (usize, usize) {
            let (mut written, mut asked) = (0, 0);
            while written < most
                && let Some(cut) = self.sharing.cut()
            {
                written += cut.most;
                self.sent += cut.most as u64;
                self.sharing.sent(self.now, cut, self.sent, cut.most);
                self.busy_until = self.busy_until.max(self.now)
                    + Duration::from_nanos((cut.most * 1000 / self.rate) as u64);
                self.under_way.push_back((self.busy_until + self.delay, self.sent));
                asked += usize::from(cut.asks);
            }
            (written, asked)
        }

        /// The next piece arrives.
        fn arrive(&mut self) {
            if let Some((at, end)) = self.under_way.pop_front() {
                self.now = self.now.max(at);
                self.sharing.arrived(self.now, end, &mut self.line);
            }
        }

        /// Sends for so long; returns the most that was on its way in the last half of it, and which part of the time the line was in use.
        fn run(&mut self, time: Duration, shares: bool) -> (usize, f64) {
            let (begin, sent) = (self.now, self.sent);
            let mut most = 0;
            while self.now - begin < time {
                self.sharing.note(self.now, shares);
                self.write(usize::MAX);
                if self.now - begin > time / 2 {
                    most = most.max(self.sharing.bytes);
                }
                self.arrive();
            }
            let micros = (self.now - begin).as_secs_f64() * 1e6;
            (most, (self.sent - sent) as f64 / micros / self.rate as f64)
        }
    }

    #[test]
    fn a_large_value_has_the_line_for_itself_until_something_short_comes() {
        let mut road = Road::new(4000, Duration::ZERO);
        road.run(Duration::from_millis(20), false);
        road.sharing.note(road.now, true);
        assert_eq!(road.write(usize::MAX), (0, 0), "what was sent before comes first");
        road.sharing.note(road.now + limits::SHARING / 2, false);
        assert_eq!(road.write(usize::MAX), (0, 0));
        while road.sharing.is_waiting() {
            road.arrive();
        }
        let (beside, _) = road.write(usize::MAX);
        road.sharing.note(road.now + limits::SHARING, false);
        let (alone, asked) = road.write(usize::MAX);
        assert!(beside <= 128 * KIB && beside + alone >= limits::MAX_UNACKNOWLEDGED, "{beside} {alone}");
        assert!(asked <= 2, "{asked}");
    }

    #[test]
    fn it_never_waits_for_an_acknowledgement_that_need_not_come() {
        // Whatever is on its way already, that the peer need not acknowledge unasked.
        for before in (0..limits::ACKNOWLEDGE_EVERY).step_by(10_000) {
            let mut road = Road::new(1, Duration::ZERO);
            let cut = Cut { most: before, asks: false };
            road.sent += before as u64;
            road.sharing.sent(road.now, cut, road.sent, before);
            road.sharing.note(road.now, true);
            let (written, asked) = road.write(usize::MAX);
            assert!(written > 0 && asked > 0, "{before}");
        }
        // Nor where only some of it has been acknowledged, or the window has become smaller.
        for (rate, shares) in [(4000, true), (1, true), (100, false), (1, false)] {
            let mut road = Road::new(rate, Duration::from_millis(3));
            for round in 0..2000 {
                road.sharing.note(road.now, shares ^ (round % 500 > 400));
                road.write(usize::MAX);
                let is_due = road.sharing.asking > 0 || road.sharing.bytes >= limits::ACKNOWLEDGE_EVERY;
                assert!(is_due, "rate {rate}, round {round}");
                road.arrive();
            }
        }
    }

    #[test]
    fn beside_something_short_little_is_on_its_way_and_the_line_is_in_use() {
        let second = Duration::from_secs(1);
        let (fast, used) = Road::new(4000, Duration::from_micros(20)).run(second, true);
        assert!((128 * KIB..=320 * KIB).contains(&fast) && used > 0.95, "{fast} {used}");
        let (slower, used) = Road::new(600, Duration::ZERO).run(second, true);
        assert!((64 * KIB..=200 * KIB).contains(&slower) && used > 0.95, "{slower} {used}");
        let (slow, used) = Road::new(1, Duration::from_millis(1)).run(20 * second, true);
        assert!(slow <= 3 * SMALLEST_PIECE && used > 0.95, "{slow} {used}");
        let (far, used) = Road::new(100, Duration::from_millis(20)).run(20 * second, true);
        assert!(far <= 4 << 20 && used > 0.9, "{far} {used}");
    }

    #[test]
    fn alone_it_fills_a_fast_line_and_does_not_wait_for_itself_on_a_slow_one() {
        let second = Duration::from_secs(1);
        let (fast, used) = Road::new(1000, Duration::from_micros(50)).run(second, false);
        assert!(fast >= limits::MAX_UNACKNOWLEDGED && used > 0.95, "{fast} {used}");
        let (slow, used) = Road::new(10, Duration::from_micros(300)).run(20 * second, false);
        assert!((256 * KIB..=640 * KIB).contains(&slow) && used > 0.95, "{slow} {used}: 60 ms");
        let (far, used) = Road::new(100, Duration::from_millis(50)).run(20 * second, false);
        assert!(far <= 5 << 20 && used > 0.8, "{far} {used}");
    }

    #[test]
    fn one_pause_costs_one_step_and_a_lost_connection_none() {
        let mut road = Road::new(1000, Duration::from_micros(50));
        road.run(Duration::from_millis(100), false);
        let before = road.sharing.alone.bytes;
        road.now = road.now + Duration::from_secs(1);
        road.busy_until = road.now;
        while road.sharing.is_waiting() {
            road.arrive();
        }
        assert_eq!(road.sharing.alone.bytes, before - before / SHARE);
        road.write(usize::MAX);
        let shrunk = road.sharing.alone.bytes;
        road.now = road.now + Duration::from_secs(30);
        road.sharing.resume(road.now);
        while road.sharing.is_waiting() {
            road.arrive();
        }
        assert_eq!(road.sharing.alone.bytes, shrunk);
    }
}
