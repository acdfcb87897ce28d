//! Medians and percentiles. They are always values that were measured, never something between two of them, unless that is said.

/// The smallest value that `per_mille` of 1,000 do not exceed. None of none.
pub(crate) fn percentile<T: Copy>(sorted: &[T], per_mille: usize) -> Option<T> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

/// What several runs gave: the middle one, or the mean of the middle two, and the ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None of none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<_> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }
}

/// Rounds to so many digits behind the point.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::{Spread, percentile, round};

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<_> = (1..=2000).collect();
        assert_eq!(percentile(&sorted, 500), Some(1000));
        assert_eq!(percentile(&sorted, 990), Some(1980));
        assert_eq!(percentile(&sorted, 999), Some(1998));
        assert_eq!(percentile(&sorted, 1000), Some(2000));
        assert_eq!(percentile(&sorted[..1], 999), Some(1));
        assert_eq!(percentile::<u8>(&[], 500), None);
    }

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        let of = |values: &[f64]| Spread::of(values.iter().copied()).map(|it| (it.median, it.min, it.max));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 10.0]), Some((3.0, 1.0, 10.0)));
        assert_eq!(of(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn rounding_keeps_the_digits_asked_for() {
        assert!((round(12.3456, 2) - 12.35).abs() < 1e-9);
        assert!((round(12.5, 0) - 13.0).abs() < 1e-9);
    }
}
