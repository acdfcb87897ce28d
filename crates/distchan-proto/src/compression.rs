//! A place for compression that both sides know by its number. Knows nothing of what it compresses, nor when: that is `session::envelope`.

use std::fmt;
use std::sync::Arc;

/// Makes bytes shorter on their way, and what they were at the other end. Which one a channel has is agreed when it is opened: the server names those
/// that it would like, the worker those that it knows.
///
/// It sees whole batches (many values at once), or one large value. It runs on the connection's task, so it should not block.
pub trait Compressor: Send + Sync {
    /// Under which number both sides know it, from 1 to 63.
    fn number(&self) -> u8;

    /// Appends to `out` what `plain` becomes. If that is not shorter it is not used.
    fn compress(&self, plain: &[u8], out: &mut Vec<u8>);

    /// Appends to `out` what `packed` was: `length` bytes, and never more, whatever `packed` says of itself.
    ///
    /// # Errors
    /// A text that says why `packed` cannot have come from [`Compressor::compress`].
    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String>;
}

/// A compression as a channel holds it.
#[derive(Clone)]
pub struct SharedCompressor(pub Arc<dyn Compressor>);

impl fmt::Debug for SharedCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressor({})", self.0.number())
    }
}

/// The numbers of these, as bits.
pub(crate) fn offered(compressors: &[SharedCompressor]) -> u64 {
    compressors.iter().map(|compressor| bit(compressor.0.number())).fold(0, |all, bit| all | bit)
}

/// The first of these that the other side has, too.
pub(crate) fn agreed(compressors: &[SharedCompressor], theirs: u64) -> Option<&SharedCompressor> {
    compressors.iter().find(|compressor| bit(compressor.0.number()) & theirs != 0)
}

/// Number 0 stands for none.
pub(crate) fn bit(number: u8) -> u64 {
    if number == 0 { 0 } else { 1_u64.checked_shl(number.into()).unwrap_or(0) }
}
