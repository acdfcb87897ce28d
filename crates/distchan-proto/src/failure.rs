//! What is told of a job that was not completed: how it ended, its value, and the history of its attempts. It travels from dispatch to the
//! server's user as the payload of an entry of [`crate::batch::Kind::Failed`], and never on the wire. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::ids::{Attempt, SessionId};
use crate::time::Time;
use crate::varint;

/// Everything that is known of a job that was not completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How it ended.
    pub ending: Ending,
    /// Whether it was cancelled because its deadline passed, not because its sender wanted so.
    pub is_overdue: bool,
    /// The job itself, encoded.
    pub value: Bytes,
    /// Its attempts, oldest first; the newest [`crate::limits::MAX_HISTORY`] of them. None where it never was with a worker.
    pub attempts: Vec<AttemptRecord>,
}

/// The outcomes besides completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// Its handler said that it failed, as often as the channel's policy allows.
    Failed = 0,
    /// It crashed its workers, or took too long, as often as the channel's policy allows.
    Dead = 1,
    /// Its sender no longer wants it, or its deadline has passed.
    Cancelled = 2,
}

/// One attempt that did not complete its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Which delivery it was.
    pub attempt: Attempt,
    /// The worker's session.
    pub session: SessionId,
    /// What the worker calls itself.
    pub worker: Arc<str>,
    /// When the worker said that it had begun; where it said nothing, when the job was handed to its connection, to the millisecond.
    pub started: Time,
    /// When the attempt ended.
    pub ended: Time,
    /// How.
    pub end: AttemptEnd,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// The handler failed, for this reason: a peer's text. Also where its results were more than is kept.
    Failed(String),
    /// The worker was lost.
    Crashed {
        /// Whether the worker had said that it had begun. Where it had not, the job may have been begun, and is not counted as crashed.
        started: bool,
    },
    /// It took longer than the channel's job timeout.
    TimedOut,
    /// The worker gave the job back unstarted, or left.
    Returned,
    /// The job was cancelled while the worker had it.
    Cancelled,
}

impl Failure {
    /// Appends this failure as it stands in a payload; [`Failure::decode`] reads it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.value.len() + 64 * (self.attempts.len() + 1));
        out.push(self.ending as u8);
        out.push(u8::from(self.is_overdue));
        varint::put(out, self.attempts.len() as u64);
        for record in &self.attempts {
            record.encode(out);
        }
        // The value stands last and needs no length, so that it can be shared.
        out.extend_from_slice(&self.value);
    }

    /// Reads a payload; the value shares its memory. `None` where it is none of [`Failure::encode`].
    #[must_use]
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let mut rest: &[u8] = payload;
        let ending = match take_byte(&mut rest)? {
            0 => Ending::Failed,
            1 => Ending::Dead,
            2 => Ending::Cancelled,
            _ => return None,
        };
        let is_overdue = take_bool(&mut rest)?;
        let count = varint::take(&mut rest)?;
        let attempts = (0..count).map(|_| AttemptRecord::decode(&mut rest)).collect::<Option<_>>()?;
        let value = payload.slice(payload.len() - rest.len()..);
        Some(Self { ending, is_overdue, value, attempts })
    }
}

impl AttemptRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, u64::from(self.attempt.0));
        varint::put(out, self.session.0);
        put_text(out, &self.worker);
        put_time(out, self.started);
        put_time(out, self.ended);
        match &self.end {
            AttemptEnd::Failed(reason) => {
                out.push(0);
                put_text(out, reason);
            }
            AttemptEnd::Crashed { started: false } => out.push(1),
            AttemptEnd::Crashed { started: true } => out.push(2),
            AttemptEnd::TimedOut => out.push(3),
            AttemptEnd::Returned => out.push(4),
            AttemptEnd::Cancelled => out.push(5),
        }
    }

    fn decode(rest: &mut &[u8]) -> Option<Self> {
        Some(Self {
            attempt: Attempt(u32::try_from(varint::take(rest)?).ok()?),
            session: SessionId(varint::take(rest)?),
            worker: take_text(rest)?.into(),
            started: take_time(rest)?,
            ended: take_time(rest)?,
            end: match take_byte(rest)? {
                0 => AttemptEnd::Failed(take_text(rest)?.to_owned()),
                1 => AttemptEnd::Crashed { started: false },
                2 => AttemptEnd::Crashed { started: true },
                3 => AttemptEnd::TimedOut,
                4 => AttemptEnd::Returned,
                5 => AttemptEnd::Cancelled,
                _ => return None,
            },
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(varint::take(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    str::from_utf8(text).ok()
}

fn put_time(out: &mut Vec<u8>, time: Time) {
    let elapsed = time.since_origin();
    varint::put(out, elapsed.as_secs());
    varint::put(out, u64::from(elapsed.subsec_nanos()));
}

fn take_time(rest: &mut &[u8]) -> Option<Time> {
    let seconds = varint::take(rest)?;
    let nanos = u32::try_from(varint::take(rest)?).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Time::from_origin(Duration::new(seconds, nanos)))
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}

fn take_bool(rest: &mut &[u8]) -> Option<bool> {
    match take_byte(rest)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(attempt: u32, end: AttemptEnd) -> AttemptRecord {
        AttemptRecord {
            attempt: Attempt(attempt),
            session: SessionId(1 << 40),
            worker: "host:7 ä".into(),
            started: Time::from_origin(Duration::new(5, 999_999_999)),
            ended: Time::from_origin(Duration::MAX),
            end,
        }
    }

    fn failure(ending: Ending, value: &'static [u8]) -> Failure {
        let attempts = vec![
            record(1, AttemptEnd::Crashed { started: false }),
            record(2, AttemptEnd::Crashed { started: true }),
            record(3, AttemptEnd::TimedOut),
            record(4, AttemptEnd::Returned),
            record(5, AttemptEnd::Failed("why\nnot".to_owned())),
            record(u32::MAX, AttemptEnd::Cancelled),
        ];
        Failure {
            ending,
            is_overdue: ending == Ending::Cancelled,
            value: Bytes::from_static(value),
            attempts,
        }
    }

    #[test]
    fn a_failure_reads_as_it_was_written() {
        for ending in [Ending::Failed, Ending::Dead, Ending::Cancelled] {
            for value in [&b""[..], b"the value", &[0; 300]] {
                let failure = failure(ending, value);
                let mut out = Vec::new();
                failure.encode(&mut out);
                assert_eq!(Failure::decode(&Bytes::from(out)), Some(failure));
            }
        }
        let never_out = Failure { attempts: Vec::new(), ..failure(Ending::Cancelled, b"x") };
        let mut out = Vec::new();
        never_out.encode(&mut out);
        assert_eq!(Failure::decode(&Bytes::from(out)), Some(never_out));
    }

    #[test]
    fn what_is_cut_short_or_of_another_form_is_none() {
        let mut out = Vec::new();
        failure(Ending::Dead, b"").encode(&mut out);
        for end in 0..out.len() {
            assert_eq!(Failure::decode(&Bytes::copy_from_slice(&out[..end])), None, "cut at {end}");
        }
        assert_eq!(Failure::decode(&Bytes::from_static(b"\x03\0\0")), None);
        assert_eq!(Failure::decode(&Bytes::from_static(b"\0\x02\0")), None);
        assert_eq!(Failure::decode(&Bytes::from_static(b"no such host")), None);
        let endless = [&[0, 0][..], &[0xff; 9], &[1]].concat();
        assert_eq!(Failure::decode(&Bytes::from(endless)), None, "a count that nothing stands behind");
    }
}
