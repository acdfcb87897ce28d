//! A small struct, as most jobs are. It must not be cheaper to encode than what people send.

use serde::{Deserialize, Serialize};

use super::Payload;

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
    id: u64,
    kind: u32,
    key: [u8; 16],
    text: String,
}

impl Payload for Item {
    type Mould = ();

    fn mould(_size: usize) {}

    fn job(id: u64, (): &()) -> Self {
        Self { id, kind: kind_of(id), key: key_of(id), text: text_of(id).to_owned() }
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn worked(mut self) -> Self {
        self.kind |= WORKED;
        self
    }

    fn is_job(&self) -> bool {
        self.kind == kind_of(self.id) && self.has_own_fields()
    }

    fn is_result(&self) -> bool {
        self.kind == kind_of(self.id) | WORKED && self.has_own_fields()
    }
}

impl Item {
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

/// The bytes that jobs `0..n` take when encoded.
pub(super) fn encoded_bytes(n: u64) -> u64 {
    // A postcard integer takes a byte for every seven bits: one more for each of these bounds that an id reaches.
    let id_bytes: u64 = (1..10).map(|bytes| n.saturating_sub(1 << (7 * bytes))).sum();
    n * (ENCODED_WITHOUT_ID + 1) + id_bytes
}

#[cfg(test)]
mod tests {
    use super::{Item, MAX_ENCODED, Payload, encoded_bytes};

    #[test]
    fn an_encoded_item_takes_64_to_80_bytes() {
        for id in [0, 127, 128, 20_000_000, u64::MAX] {
            let mut buffer = [0; 2 * MAX_ENCODED];
            let len = postcard::to_slice(&Item::job(id, &()).worked(), &mut buffer).unwrap().len();
            assert!((64..=MAX_ENCODED).contains(&len), "id {id} takes {len} bytes");
        }
    }

    #[test]
    fn the_bytes_of_a_run_are_those_of_its_items() {
        let n = 20_000;
        let encoded =
            |id| postcard::to_slice(&Item::job(id, &()), &mut [0; MAX_ENCODED]).unwrap().len() as u64;
        assert_eq!(encoded_bytes(n), (0..n).map(encoded).sum::<u64>());
    }
}
