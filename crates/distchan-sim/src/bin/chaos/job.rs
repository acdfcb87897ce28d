//! Jobs, what a worker makes of them, and how each may end.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::proxy::dice::Dice;

/// The channel whose jobs may fail, panic, and kill.
pub(crate) const MIXED: &str = "mixed";
/// The channel whose results come in order, several a job.
pub(crate) const ORDERED: &str = "ordered";
/// The channel whose results go to whoever sent the job, and whose jobs may be cancelled.
pub(crate) const CALLS: &str = "calls";

/// A job: its number on its channel, from 0, and what its worker is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// So many results.
    Results(u32),
    /// One result, after so many milliseconds in which no core is busy.
    Wait(u32),
    /// One result, after so many milliseconds without an await.
    Burn(u32),
    /// One result, made of all these bytes.
    Large(Vec<u8>),
    /// Fails, and says so.
    Fail,
    /// Panics.
    Panic,
    /// Ends its worker's process.
    Poison,
}

/// One of a job's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    /// From 0 ...
    pub(crate) index: u32,
    /// ... to the last but one of these.
    pub(crate) of: u32,
    pub(crate) check: u64,
}

/// How a job ends on a worker that stays alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Results(u32),
    Failure(&'static str),
    Death,
}

/// What the reasons of jobs that fail contain.
const FAILS: &str = "this job always fails";
const PANICS: &str = "this job always panics";

impl Kind {
    /// A kind for the channel [`MIXED`], except the poison, which is given out one by one.
    pub(crate) fn mixed(dice: &mut Dice) -> Self {
        match dice.below(2_000) {
            0 => Self::Burn(small(dice, 600)),
            1..60 => Self::Wait(small(dice, 60)),
            60..70 => {
                Self::Large((0..dice.below(200_000)).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect())
            }
            70..90 => Self::Fail,
            90..110 => Self::Panic,
            _ => Self::Results(1),
        }
    }

    /// A kind for the channel [`ORDERED`].
    pub(crate) fn ordered(dice: &mut Dice) -> Self {
        if dice.below(50) == 0 { Self::Wait(small(dice, 30)) } else { Self::Results(1 + small(dice, 3)) }
    }

    /// A kind for the channel [`CALLS`].
    pub(crate) fn call(dice: &mut Dice) -> Self {
        match dice.below(20) {
            0 => Self::Fail,
            1 => Self::Burn(small(dice, 20)),
            _ => Self::Results(1),
        }
    }

    pub(crate) const fn expected(&self) -> Expected {
        match self {
            Self::Results(of) => Expected::Results(*of),
            Self::Wait(_) | Self::Burn(_) | Self::Large(_) => Expected::Results(1),
            Self::Fail => Expected::Failure(FAILS),
            Self::Panic => Expected::Failure(PANICS),
            Self::Poison => Expected::Death,
        }
    }
}

fn small(dice: &mut Dice, end: usize) -> u32 {
    u32::try_from(dice.below(end)).unwrap_or(0)
}

impl Job {
    /// Does it; `Err` is the reason of a failure.
    pub(crate) async fn work(&self) -> Result<(), &'static str> {
        match &self.kind {
            Kind::Wait(ms) => tokio::time::sleep(Duration::from_millis(u64::from(*ms))).await,
            _ => self.work_blocking()?,
        }
        Ok(())
    }

    /// The same for handlers that are not async.
    pub(crate) fn work_blocking(&self) -> Result<(), &'static str> {
        match &self.kind {
            Kind::Results(_) | Kind::Large(_) => {}
            Kind::Wait(ms) => std::thread::sleep(Duration::from_millis(u64::from(*ms))),
            Kind::Burn(ms) => burn(Duration::from_millis(u64::from(*ms))),
            Kind::Fail => return Err(FAILS),
            Kind::Panic => panic!("{PANICS}"),
            Kind::Poison => std::process::abort(),
        }
        Ok(())
    }

    /// Its right result with this index.
    pub(crate) fn answer(&self, index: u32) -> Answer {
        let of = if let Expected::Results(of) = self.kind.expected() { of } else { 0 };
        let bytes: u64 = if let Kind::Large(bytes) = &self.kind {
            bytes.iter().map(|byte| u64::from(*byte)).sum()
        } else {
            0
        };
        let mut mixed = Dice::new(self.number ^ (u64::from(index) << 48) ^ bytes.rotate_left(20));
        Answer { number: self.number, index, of, check: mixed.next() }
    }
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
