//! Who gets the next job: round robin among the workers that have credit. A worker without credit is not in the ring at all,
//! so a slow one holds up nobody and choosing costs the same with two workers and with ten thousand.

use std::collections::VecDeque;

use crate::dispatch::lease::MemberId;

/// The workers that can take a job, in the order of their turns.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    turns: VecDeque<MemberId>,
}

impl Ring {
    /// A worker has credit again (or has just come): it is the last in turn.
    pub(crate) fn join(&mut self, member: MemberId) {
        self.turns.push_back(member);
    }

    /// The worker whose turn it is, taken out; [`Ring::join`] puts it back while it has credit.
    pub(crate) fn next(&mut self) -> Option<MemberId> {
        self.turns.pop_front()
    }

    /// The first in turn of whom this holds; it stays where it is.
    pub(crate) fn find(&self, holds: impl FnMut(&&MemberId) -> bool) -> Option<MemberId> {
        self.turns.iter().find(holds).copied()
    }

    /// If it is this worker's turn, the next one's comes first.
    pub(crate) fn pass(&mut self, member: MemberId) {
        if self.turns.front() == Some(&member) {
            self.turns.rotate_left(1);
        }
    }

    /// A worker has left the channel.
    pub(crate) fn leave(&mut self, member: MemberId) {
        self.turns.retain(|other| *other != member);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }
}
