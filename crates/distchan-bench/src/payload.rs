//! The value that every system carries, and the count of what arrived. It must cost the same for every system,
//! and little beside carrying it: nothing here is formatted, hashed or looked up.

use serde::{Deserialize, Serialize};

/// The most bytes an encoded [`Item`] takes, whatever its id.
pub(crate) const MAX_ENCODED: usize = 80;

/// The bytes of an encoded [`Item`] without its id: kind 5, key 16, length of the text 1, text 44.
const ENCODED_WITHOUT_ID: u64 = 66;

/// Set in the kind of every item, so that its encoding has the same length for all.
const KIND_BASE: u32 = 1 << 28;

/// Set in the kind of a result, so that a job that came back unworked is seen.
const WORKED: u32 = 1 << 29;

/// Spreads ids over the key's bytes (an odd constant, so that no two ids share a key).
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

const TEXTS: [&str; 4] = [
    "frames/scene-04/shot-0117/layer-beauty.0.exr",
    "https://example.org/catalogue/page?q=lantern",
    "sensor=roof-east;unit=celsius;quality=good;;",
    "The quick brown fox jumps over the lazy dog.",
];

/// A job or a result of middling size: a number, an enum-like field, a digest-like field and a short text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    kind: u32,
    key: [u8; 16],
    text: String,
}

impl Item {
    /// Makes the job with this id.
    pub(crate) fn job(id: u64) -> Self {
        Self { id, kind: kind_of(id), key: key_of(id), text: text_of(id).to_owned() }
    }

    /// Does the work: the same item with one field changed.
    #[must_use]
    pub(crate) fn worked(mut self) -> Self {
        self.kind |= WORKED;
        self
    }

    fn is_job(&self) -> bool {
        self.kind == kind_of(self.id) && self.has_own_fields()
    }

    fn is_result(&self) -> bool {
        self.kind == kind_of(self.id) | WORKED && self.has_own_fields()
    }

    fn has_own_fields(&self) -> bool {
        self.key == key_of(self.id) && self.text == text_of(self.id)
    }
}

fn kind_of(id: u64) -> u32 {
    KIND_BASE | u32::from(id.to_le_bytes()[0])
}

fn key_of(id: u64) -> [u8; 16] {
    u128::from(id).wrapping_mul(SPREAD).to_le_bytes()
}

fn text_of(id: u64) -> &'static str {
    let [first, second, third, fourth] = TEXTS;
    match id % 4 {
        0 => first,
        1 => second,
        2 => third,
        _ => fourth,
    }
}

/// The bytes that jobs `0..n` take when encoded, without any system's framing.
pub(crate) fn encoded_bytes(n: u64) -> u64 {
    // A postcard integer takes a byte for every seven bits: one more for each of these bounds that an id reaches.
    let id_bytes: u64 = (1..10).map(|bytes| n.saturating_sub(1 << (7 * bytes))).sum();
    n * (ENCODED_WITHOUT_ID + 1) + id_bytes
}

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
    pub(crate) fn add_job(&mut self, item: &Item) {
        self.add(item.id, item.is_job());
    }

    /// Checks and counts a result that arrived at the server.
    pub(crate) fn add_result(&mut self, item: &Item) {
        self.add(item.id, item.is_result());
    }

    fn add(&mut self, id: u64, intact: bool) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(id);
        self.xor ^= id;
        self.damaged += u64::from(!intact);
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
    use super::{Item, MAX_ENCODED, Tally, encoded_bytes};

    #[test]
    fn an_encoded_item_takes_64_to_80_bytes() {
        for id in [0, 127, 128, 20_000_000, u64::MAX] {
            let mut buffer = [0; 2 * MAX_ENCODED];
            let len = postcard::to_slice(&Item::job(id).worked(), &mut buffer).unwrap().len();
            assert!((64..=MAX_ENCODED).contains(&len), "id {id} takes {len} bytes");
        }
    }

    #[test]
    fn the_bytes_of_a_run_are_those_of_its_items() {
        let n = 20_000;
        let encoded = |id| postcard::to_slice(&Item::job(id), &mut [0; MAX_ENCODED]).unwrap().len() as u64;
        assert_eq!(encoded_bytes(n), (0..n).map(encoded).sum::<u64>());
    }

    #[test]
    fn a_tally_tells_lost_duplicated_and_damaged() {
        let check = |ids: &[u64], lost, duplicated| {
            let mut tally = Tally::default();
            ids.iter().for_each(|&id| tally.add_job(&Item::job(id)));
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
    fn a_job_that_comes_back_unworked_is_damaged() {
        let mut tally = Tally::default();
        tally.add_result(&Item::job(7));
        tally.add_result(&Item::job(8).worked());
        assert_eq!((tally.count(), tally.damaged()), (2, 1));
    }
}
