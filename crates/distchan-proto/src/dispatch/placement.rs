//! Who gets the next job: of the workers that have credit those with a free handler first, and among equals whoever has waited longest.
//! A worker without credit is not in the ring at all, so a slow one holds up nobody; and to choose takes about as long with ten
//! thousand workers as with two.

use std::collections::BTreeSet;

use crate::dispatch::lease::MemberId;
use crate::dispatch::standing::{Standing, Turn};

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
