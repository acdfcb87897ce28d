//! What the fuzz targets reach of this crate besides what is public.

use distchan_proto::compression::SharedCompressor;

pub use crate::security::fuzzing::{base64, book, door};

/// All compressions that were compiled in.
#[must_use]
pub fn compressors() -> Vec<SharedCompressor> {
    crate::compression::known()
}
