//! Whether the peer is there: each side asks in a rhythm, and a peer that is silent, or lets everything go unanswered, is lost.
//! Both directions count, so a connection on which only one works is found by both ends. Pure arithmetic.

use std::time::Duration;

use crate::error::ProtocolError;
use crate::limits;
use crate::sabotage::Sabotage;
use crate::time::Time;

/// How soon a side asks again: whoever has just greeted has much to do at first, and is slow to answer.
const SECOND_QUESTION: Duration = Duration::from_millis(20);

/// How often a side asks, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    pub(crate) heartbeat: Duration,
    pub(crate) lost_after: Duration,
}

impl Rhythm {
    /// A rhythm that can be kept, whatever was asked for: the server's numbers must not make a worker spin.
    pub(crate) fn new(heartbeat: Duration, lost_after: Duration) -> Self {
        let heartbeat = heartbeat.clamp(limits::SHORTEST_HEARTBEAT, limits::LONGEST_HEARTBEAT);
        Self { heartbeat, lost_after: lost_after.clamp(heartbeat * 2, limits::LONGEST_HEARTBEAT * 3) }
    }
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { heartbeat: limits::HEARTBEAT, lost_after: limits::LOST_AFTER }
    }
}

/// One connection's pulse.
#[derive(Debug)]
pub(crate) struct Pulse {
    rhythm: Rhythm,
    /// When something of the peer arrived last.
    heard: Time,
    /// Since when the peer has answered nothing of what it was asked; `None` where nothing is open.
    unanswered: Option<Time>,
    /// When the next question is due.
    due: Time,
    /// Questions that were asked.
    asked: u64,
    /// The peer's newest question.
    seen: u64,
    /// When the newest question was asked that has no answer.
    asked_at: Option<Time>,
}

impl Pulse {
    /// A connection on which the handshake has just been done, and the first question is asked: how long the line is should be known before much
    /// depends on it, and is best seen while nothing waits on it.
    pub(crate) fn new(now: Time, rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            heard: now,
            unanswered: Some(now),
            due: now + rhythm.heartbeat.min(SECOND_QUESTION),
            asked: 1,
            seen: 0,
            asked_at: Some(now),
        }
    }

    /// Bytes have arrived.
    pub(crate) const fn hear(&mut self, now: Time) {
        self.heard = now;
    }

    /// The peer gets on with its session: on a slow line the answer may stand behind all that it had written before. Where it really
    /// hears nothing, it finds that out itself, and stops.
    pub(crate) fn get_on(&mut self, now: Time) {
        self.unanswered = self.unanswered.map(|_| now);
    }

    /// The peer asks.
    pub(crate) fn asked_by_peer(&mut self, number: u64) {
        self.seen = self.seen.max(number);
    }

    /// The newest question that was asked.
    pub(crate) const fn asked(&self) -> u64 {
        self.asked
    }

    /// The peer's newest question.
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The peer has answered, or shown by an acknowledgement that what is sent arrives. Returns how long the newest question's answer took, if
    /// it is that.
    pub(crate) fn answered(&mut self, now: Time, ping: u64) -> Result<Option<Duration>, ProtocolError> {
        if ping > self.asked {
            return Err(ProtocolError::Malformed("ACK: of a PING that was not sent"));
        }
        let asked_at = if ping == self.asked { self.asked_at.take() } else { None };
        self.unanswered = (ping < self.asked).then_some(now);
        Ok(asked_at.map(|asked_at| now - asked_at))
    }

    /// When [`Pulse::check`] has something to do.
    pub(crate) fn next(&self) -> Time {
        let answer = self.unanswered.map(|since| since + self.rhythm.lost_after);
        let silence = self.heard + self.rhythm.lost_after;
        self.due.min(silence).min(answer.unwrap_or(silence))
    }

    /// Time has passed: says whether the next question is to be asked now; an error where the peer is lost.
    pub(crate) fn check(&mut self, now: Time) -> Result<bool, ProtocolError> {
        if now - self.next() > self.rhythm.heartbeat || Sabotage::WaitForEver.is_on() {
            // This side itself was asleep: it cannot know what it would have heard.
            self.heard = now;
            self.unanswered = self.unanswered.map(|_| now);
        }
        let since = self.unanswered.map_or(self.heard, |since| since.min(self.heard));
        if now - since >= self.rhythm.lost_after {
            return Err(ProtocolError::Silent(self.rhythm.lost_after));
        }
        if now < self.due {
            return Ok(false);
        }
        self.due = now + self.rhythm.heartbeat;
        self.asked += 1;
        self.asked_at = Some(now);
        self.unanswered.get_or_insert(now);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_peer_that_answers_is_never_lost_and_a_silent_one_after_fifteen_seconds() {
        let mut pulse = Pulse::new(at(0), Rhythm::default());
        let mut due = at(0) + SECOND_QUESTION;
        for question in 2..100 {
            assert_eq!(pulse.next(), due);
            assert_eq!(pulse.check(due), Ok(true));
            pulse.hear(due);
            pulse.answered(due, question).unwrap();
            due = due + limits::HEARTBEAT;
        }
        let lost = due + 2 * limits::HEARTBEAT;
        for later in [due, due + limits::HEARTBEAT] {
            assert_eq!(pulse.check(later), Ok(true));
        }
        assert_eq!(pulse.next(), lost);
        assert!(pulse.check(lost).is_err());
    }

    #[test]
    fn a_peer_that_is_heard_and_answers_nothing_is_lost_too() {
        let mut pulse = Pulse::new(at(0), Rhythm::default());
        for time in 0..15 {
            pulse.hear(at(time));
            if pulse.next() <= at(time) {
                assert!(pulse.check(at(time)).is_ok());
            }
        }
        pulse.hear(at(15));
        assert!(pulse.check(at(15)).is_err(), "the question of second 0 is open for 15 s");
    }

    #[test]
    fn a_slow_line_that_gets_on_is_not_lost() {
        let mut pulse = Pulse::new(at(0), Rhythm::default());
        for time in 1..200 {
            pulse.hear(at(time));
            // Acknowledgements of what was sent long ago: the questions still wait behind it.
            pulse.answered(at(time), 0).unwrap();
            assert!(pulse.check(at(time)).is_ok(), "at {time}");
        }
    }

    #[test]
    fn an_answer_may_stand_behind_what_the_peer_sends() {
        let mut pulse = Pulse::new(at(0), Rhythm::default());
        for time in 1..200 {
            pulse.hear(at(time));
            pulse.get_on(at(time));
            assert!(pulse.check(at(time)).is_ok(), "at {time}");
        }
        for time in 200..214 {
            pulse.hear(at(time));
            assert!(pulse.check(at(time)).is_ok(), "at {time}");
        }
        assert!(pulse.check(at(214)).is_err(), "nothing stands before it any more");
    }

    #[test]
    fn whoever_slept_gives_the_other_a_fresh_start() {
        let mut pulse = Pulse::new(at(0), Rhythm::default());
        assert_eq!(pulse.check(at(4)), Ok(true));
        assert_eq!(pulse.check(at(60)), Ok(true), "this side was stopped");
        assert_eq!(pulse.check(at(65)), Ok(true));
        assert_eq!(pulse.check(at(70)), Ok(true));
        assert!(pulse.check(at(75)).is_err());
    }

    #[test]
    fn it_asks_at_once_and_the_answer_to_the_newest_question_says_how_long_the_line_is() {
        let mut pulse = Pulse::new(at(3), Rhythm::default());
        assert_eq!((pulse.asked(), pulse.next()), (1, at(3) + SECOND_QUESTION));
        assert_eq!(pulse.answered(at(4), 1), Ok(Some(Duration::from_secs(1))));
        // Acknowledgements that answer no further question say nothing of it.
        assert_eq!(pulse.answered(at(5), 1), Ok(None));
        assert_eq!(pulse.check(at(6)), Ok(true));
        assert_eq!(pulse.check(at(11)), Ok(true));
        assert_eq!(pulse.answered(at(12), 2), Ok(None), "nor of an older question");
        assert_eq!(pulse.answered(at(13), 3), Ok(Some(Duration::from_secs(2))));
    }

    #[test]
    fn a_rhythm_that_cannot_be_kept_is_bent() {
        let rhythm = Rhythm::new(Duration::ZERO, Duration::ZERO);
        assert_eq!(rhythm.heartbeat, limits::SHORTEST_HEARTBEAT);
        assert_eq!(rhythm.lost_after, limits::SHORTEST_HEARTBEAT * 2);
    }
}
