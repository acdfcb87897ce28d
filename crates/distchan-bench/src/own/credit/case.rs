//! How long jobs take. It must be the same in every run: nothing is drawn.

use std::fmt;

use clap::ValueEnum;

use super::WORKERS;

/// A worker of distchan holds no more, whatever is set.
const MOST_IN_HAND: u64 = 65_536;

/// One list of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Case {
    /// Jobs of which nothing is asked, about 1 µs with all that is around them.
    #[value(name = "1us")]
    Micro,
    #[value(name = "100us")]
    Micros100,
    #[value(name = "10ms")]
    Millis10,
    #[value(name = "1s")]
    Second,
    /// Jobs of 1 ms, one in a hundred of which takes 1 s, nobody knows which.
    Mix,
}

impl Case {
    /// How many jobs: one to ten seconds for eight workers.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of jobs, far from any bound"
    )]
    pub(super) fn n(self, scale: f64) -> u64 {
        let usual = match self {
            Self::Micro => 10_000_000.0,
            Self::Micros100 => 64_000.0,
            Self::Millis10 => 1_600.0,
            Self::Second => 32.0,
            Self::Mix => 8_000.0,
        };
        ((usual * scale) as u64).max(u64::from(WORKERS))
    }

    /// How long a job takes, in microseconds; 0 where nothing is asked of it.
    pub(super) fn micros(self, id: u64) -> u64 {
        match self {
            Self::Micro => 0,
            Self::Micros100 => 100,
            Self::Millis10 => 10_000,
            Self::Second => 1_000_000,
            Self::Mix if id % 100 == scatter(id / 100) % 100 => 1_000_000,
            Self::Mix => 1_000,
        }
    }

    /// Each fixed prefetch that is tried. The last one is the whole list, dealt at once, as the Go package deals it.
    pub(super) fn credits(self, n: u64) -> impl Iterator<Item = u32> {
        let dealt = n.div_ceil(u64::from(WORKERS)).min(MOST_IN_HAND);
        let candidates: &[u32] = match self {
            // With fewer, nobody would wait for these.
            Self::Micro => &[64, 256, 1024, 4096, 16_384],
            Self::Micros100 => &[1, 2, 4, 16, 64, 256, 1024],
            Self::Millis10 | Self::Second | Self::Mix => &[1, 2, 4, 16, 64],
        };
        let fewer = candidates.iter().copied().filter(move |&credit| u64::from(credit) < dealt);
        fewer.chain(u32::try_from(dealt))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// The finalizer of SplitMix64: neighbours have nothing in common.
fn scatter(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn one_job_of_a_hundred_is_long_in_the_mix() {
        let is_long = |id: &u64| Case::Mix.micros(*id) == 1_000_000;
        for block in 0..80 {
            assert_eq!((block * 100..(block + 1) * 100).filter(is_long).count(), 1, "block {block}");
        }
        assert!((0..8000).filter(is_long).map(|id| id % 100).max() > Some(80));
    }

    #[test]
    fn the_last_prefetch_is_an_eighth_of_the_list() {
        let check = |case: Case, n, expected: &[u32]| {
            assert_eq!(case.credits(n).collect::<Vec<_>>(), expected, "{case} {n}");
        };
        check(Case::Second, 32, &[1, 2, 4]);
        check(Case::Mix, 8_000, &[1, 2, 4, 16, 64, 1000]);
        check(Case::Micro, 10_000_000, &[64, 256, 1024, 4096, 16_384, 65_536]);
        check(Case::Millis10, 8, &[1]);
    }
}
