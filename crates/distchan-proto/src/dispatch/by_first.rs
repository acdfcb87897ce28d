//! Finds lots by the numbers of their jobs. The newest lot stands apart: where jobs come one at a time, each has its outcome before the next, and the
//! tree stays empty. A leaf.

use std::collections::BTreeMap;

/// Lots by their first job.
#[derive(Debug, Default)]
pub(super) struct ByFirst {
    older: BTreeMap<u64, usize>,
    newest: Option<(u64, usize)>,
}

impl ByFirst {
    /// A lot whose jobs come behind all others'.
    pub(super) fn insert(&mut self, first: u64, lot: usize) {
        if let Some((first, lot)) = self.newest.replace((first, lot)) {
            self.older.insert(first, lot);
        }
    }

    pub(super) fn remove(&mut self, first: u64) {
        if self.newest.take_if(|newest| newest.0 == first).is_none() {
            self.older.remove(&first);
        }
    }

    /// The lot that `job` is in, if it is in any.
    pub(super) fn around(&self, job: u64) -> Option<usize> {
        let newest = self.newest.filter(|(first, _)| *first <= job);
        newest.map(|(_, lot)| lot).or_else(|| self.older.range(..=job).next_back().map(|(_, lot)| *lot))
    }

    /// The first job of the first lot that begins with `job` or behind it.
    pub(super) fn first_from(&self, job: u64) -> Option<u64> {
        let newest = || self.newest.map(|(first, _)| first).filter(|first| *first >= job);
        self.older.range(job..).next().map(|(first, _)| *first).or_else(newest)
    }

    /// First jobs and lots, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, usize)> {
        self.older.iter().map(|(first, lot)| (*first, *lot)).chain(self.newest)
    }

    #[cfg(any(debug_assertions, test))]
    pub(super) fn len(&self) -> usize {
        self.older.len() + usize::from(self.newest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_found_whether_they_are_the_newest_or_not() {
        let mut lots = ByFirst::default();
        assert_eq!((lots.around(9), lots.first_from(0)), (None, None));
        for (first, lot) in [(1, 5), (11, 6), (21, 7)] {
            lots.insert(first, lot);
        }
        assert_eq!(
            [0, 1, 10, 11, 25].map(|job| lots.around(job)),
            [None, Some(5), Some(5), Some(6), Some(7)]
        );
        assert_eq!(
            [0, 1, 2, 12, 22].map(|job| lots.first_from(job)),
            [Some(1), Some(1), Some(11), Some(21), None]
        );
        assert_eq!(lots.iter().collect::<Vec<_>>(), [(1, 5), (11, 6), (21, 7)]);
        lots.remove(11);
        lots.remove(21);
        assert_eq!((lots.around(25), lots.first_from(2), lots.len()), (Some(5), None, 1));
        lots.insert(31, 8);
        lots.remove(1);
        assert_eq!((lots.around(30), lots.around(31), lots.len()), (None, Some(8), 1));
    }
}
