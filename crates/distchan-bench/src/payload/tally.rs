//! The count of what arrived. It must stay a few words, however much that is.

use serde::{Deserialize, Serialize};

use super::Payload;

/// What arrived, against the ids `0..n` that were sent.
///
/// A count, a sum and an xor instead of a set of ids: a set would be the largest part of a lean system's memory.
/// The price is that [`lost`](Self::lost) and [`duplicated`](Self::duplicated) are lower bounds where both happened in one run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    count: u64,
    sum: u64,
    xor: u64,
    damaged: u64,
}

impl Tally {
    /// The tally of a run in which every id of `0..n` arrives once.
    fn expected(n: u64) -> Self {
        let mut tally = Self::default();
        (0..n).for_each(|id| tally.add(id, true));
        tally
    }

    /// Checks and counts a job that arrived at the worker.
    pub(crate) fn add_job(&mut self, job: &impl Payload) {
        self.add(job.id(), job.is_job());
    }

    /// Checks and counts a result that arrived at the server.
    pub(crate) fn add_result(&mut self, result: &impl Payload) {
        self.add(result.id(), result.is_result());
    }

    fn add(&mut self, id: u64, intact: bool) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(id);
        self.xor ^= id;
        self.damaged += u64::from(!intact);
    }

    /// Takes in what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.xor ^= other.xor;
        self.damaged += other.damaged;
    }

    /// How many have arrived.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How many arrived with a wrong field.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How many of `0..n` never arrived, at least.
    pub(crate) fn lost(&self, n: u64) -> u64 {
        n.saturating_sub(self.count).max(u64::from(self.was_exchanged(n)))
    }

    /// How many arrived beside the first of their id, at least.
    pub(crate) fn duplicated(&self, n: u64) -> u64 {
        self.count.saturating_sub(n).max(u64::from(self.was_exchanged(n)))
    }

    /// As many as were sent, but not the same ones: something is missing and something came twice.
    fn was_exchanged(&self, n: u64) -> bool {
        let expected = Self::expected(n);
        self.count == n && (self.sum, self.xor) != (expected.sum, expected.xor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, Tally};
    use crate::payload::Item;

    #[test]
    fn a_tally_tells_lost_duplicated_and_damaged() {
        let check = |ids: &[u64], lost, duplicated| {
            let mut tally = Tally::default();
            ids.iter().for_each(|&id| tally.add_job(&Item::job(id, &())));
            assert_eq!(
                (tally.lost(4), tally.duplicated(4), tally.damaged()),
                (lost, duplicated, 0),
                "{ids:?}"
            );
        };
        check(&[3, 1, 0, 2], 0, 0);
        check(&[0, 1], 2, 0);
        check(&[0, 1, 2, 3, 3], 0, 1);
        check(&[0, 1, 2, 2], 1, 1);
        check(&[], 4, 0);
    }

    #[test]
    fn merged_tallies_are_one() {
        let mut tallies = [Tally::default(), Tally::default()];
        for id in 0..5_u64 {
            tallies[usize::from(id > 2)].add_job(&Item::job(id, &()));
        }
        let [mut all, other] = tallies;
        all.merge(other);
        assert_eq!((all.count(), all.lost(5), all.duplicated(5)), (5, 0, 0));
    }

    #[test]
    fn a_job_that_comes_back_unworked_is_damaged() {
        let mut tally = Tally::default();
        tally.add_result(&Item::job(7, &()));
        tally.add_result(&Item::job(8, &()).worked());
        assert_eq!((tally.count(), tally.damaged()), (2, 1));
    }
}
