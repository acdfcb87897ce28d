//! Who gets the next job: of the workers that have credit those with a free handler first, and among equals whoever has waited longest.
//! A worker without credit is not in the ring at all, so a slow one holds up nobody; and to choose takes about as long with ten
//! thousand workers as with two.

use std::collections::BTreeSet;

use crate::dispatch::lease::MemberId;

/// Which workers are preferred, of those that can take a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Whoever has a handler that is free; else all in turn. The default.
    #[default]
    RoundRobin,
    /// Whoever has the fewest jobs in hand for each of its handlers.
    LeastLoaded,
}

/// A worker's place in the ring: those of a lower rank are asked first, and among equals the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) standing: Standing,
    number: u64,
}

/// What is known of a worker that can take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) rank: u32,
    /// Whether it has a free handler.
    pub(crate) is_idle: bool,
}

/// The rank of a worker that has said nothing for a while: what it is given may wait long.
pub(crate) const QUIET: u32 = u32::MAX - 1;

/// The rank of a worker that has just given a job back: not the next to be asked.
pub(crate) const LAST: u32 = u32::MAX;

impl Distribution {
    /// The rank of a worker with so many jobs in hand, which works on so many at once.
    pub(crate) fn rank(self, in_hand: u32, concurrency: u32) -> u32 {
        /// Steps between no job and one for each handler.
        const STEPS: u32 = 16;
        match self {
            Self::RoundRobin => u32::from(in_hand >= concurrency),
            Self::LeastLoaded => (in_hand.saturating_mul(STEPS) / concurrency.max(1)).min(QUIET - 1),
        }
    }
}

/// The workers that can take a job, in the order of their turns.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    turns: BTreeSet<(Turn, MemberId)>,
    next: u64,
    idle: usize,
}

impl Ring {
    /// A worker has credit: it is the last in turn of its rank.
    pub(crate) fn join(&mut self, member: MemberId, standing: Standing) -> Turn {
        let turn = Turn { standing, number: self.next };
        self.next += 1;
        self.idle += usize::from(standing.is_idle);
        self.turns.insert((turn, member));
        turn
    }

    /// A worker has no credit any more, or is of another rank, or has left.
    pub(crate) fn leave(&mut self, member: MemberId, turn: Turn) {
        let was_here = self.turns.remove(&(turn, member));
        debug_assert!(was_here, "whoever leaves the ring was in it");
        self.idle -= usize::from(turn.standing.is_idle);
    }

    /// The worker whose turn it is.
    pub(crate) fn first(&self) -> Option<MemberId> {
        self.turns.first().map(|(_, member)| *member)
    }

    /// The first in turn of whom this holds.
    pub(crate) fn find(&self, mut holds: impl FnMut(MemberId) -> bool) -> Option<MemberId> {
        self.turns.iter().map(|(_, member)| *member).find(|member| holds(*member))
    }

    /// How many of the workers have a free handler.
    pub(crate) const fn idle(&self) -> usize {
        self.idle
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }
}
