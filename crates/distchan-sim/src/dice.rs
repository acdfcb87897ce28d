//! Numbers that do not depend on when they are asked for.

/// A number that follows from the seed and these words, and from nothing else: what a thing is does not depend on when it is asked for.
pub(crate) fn draw(seed: u64, words: &[u64]) -> u64 {
    let mut x = seed.wrapping_add(0x1234_5678_9abc_def1);
    for word in words {
        x = (x ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}
