//! What a worker may ask of its server that costs the worker next to nothing: so much at once, and so much more each second. What is already
//! bounded by something else (credit, channel numbers, what it was given) has no bucket here. Pure arithmetic.

use crate::error::ProtocolError;
use crate::limits::{self, Rate};
use crate::time::Time;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A frame that asks for something, or for nothing: opens, leaves, frames of later versions, acknowledgements of nothing new.
    Ask,
    /// A `PING`.
    Ping,
    /// A job that is said to be begun.
    Begin,
    /// A job that is given back.
    GiveBack,
    /// A session that goes on over another connection.
    Resume,
}

impl Action {
    const ALL: usize = 5;

    const fn rate(self) -> Rate {
        match self {
            Self::Ask => limits::REQUESTS,
            Self::Ping => limits::PINGS,
            Self::Begin => limits::BEGUN,
            Self::GiveBack => limits::GIVEN_BACK,
            Self::Resume => limits::RESUMED,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ask => "requests",
            Self::Ping => "PINGs",
            Self::Begin => "STARTED",
            Self::GiveBack => "jobs given back",
            Self::Resume => "reconnects",
        }
    }
}

/// What one session has used.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    used: [Bucket; Action::ALL],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used: u64,
    /// Up to here, what was used has been given back.
    since: Time,
}

impl Budget {
    /// Counts so many actions; an error where that is too many.
    pub(crate) fn charge(&mut self, now: Time, action: Action, count: u64) -> Result<(), ProtocolError> {
        let rate = action.rate();
        let Some(bucket) = self.used.get_mut(action as usize) else { return Ok(()) };
        bucket.used = bucket.used.saturating_add(count);
        // Looked at only where it would matter: then a quiet worker costs one addition.
        if bucket.used <= rate.at_once {
            return Ok(());
        }
        let elapsed = u64::try_from((now - bucket.since).as_millis()).unwrap_or(u64::MAX);
        bucket.used = bucket.used.saturating_sub(elapsed.saturating_mul(rate.per_second) / 1000);
        bucket.since = now;
        if bucket.used > rate.at_once { Err(ProtocolError::TooMuch(action.name())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_is_empty_after_its_burst_and_fills_with_time() {
        let mut budget = Budget::default();
        let at = |millis| Time::from_origin(Duration::from_millis(millis));
        let Rate { at_once, per_second } = limits::PINGS;
        for _ in 0..at_once {
            budget.charge(at(1), Action::Ping, 1).unwrap();
        }
        budget.charge(at(1), Action::Ask, 1).unwrap();
        assert_eq!(budget.charge(at(1), Action::Ping, 1), Err(ProtocolError::TooMuch("PINGs")));
        let mut budget = Budget::default();
        for second in 0..100 {
            budget.charge(at(1000 * second), Action::Ping, per_second).unwrap();
        }
        assert_eq!(budget.charge(at(100_000), Action::Ping, u64::MAX), Err(ProtocolError::TooMuch("PINGs")));
    }
}
