//! A place for the user's own bytes-to-bytes step on whole batches: encryption, compression. Knows nothing of what it transforms.

use std::fmt;
use std::sync::Arc;

/// Changes bytes on their way, and back. Both sides of a channel need the same one, with the same key.
///
/// It sees whole batches (many values at once), or one large value. It runs on the connection's task, so it should not block.
pub trait Transform: Send + Sync {
    /// Appends to `out` what travels instead of `plain`.
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>);

    /// Appends to `out` what `coded` was before: never more than `limit` bytes, or a peer could make it grow without bound.
    ///
    /// # Errors
    /// A text that says why `coded` cannot have come from [`Transform::encode`], or that it is too long. A transform need not notice that: the
    /// core keeps a checksum of the plain bytes and refuses what does not match.
    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String>;
}

/// A transform as a channel holds it.
#[derive(Clone)]
pub struct SharedTransform(pub Arc<dyn Transform>);

impl fmt::Debug for SharedTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform")
    }
}

impl SharedTransform {
    /// `plain` with its checksum, transformed.
    pub(crate) fn seal(&self, plain: &mut Vec<u8>) -> Vec<u8> {
        let checksum = crc32fast::hash(plain);
        plain.extend_from_slice(&checksum.to_le_bytes());
        let mut coded = Vec::with_capacity(plain.len() + 64);
        self.0.encode(plain, &mut coded);
        coded
    }

    /// The inverse of [`SharedTransform::seal`].
    pub(crate) fn open(&self, coded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let mut plain = Vec::with_capacity(coded.len().min(limit));
        self.0.decode(coded, limit, &mut plain)?;
        if plain.len() > limit {
            return Err(format!("more than {limit} bytes"));
        }
        let body = plain.len().checked_sub(4).ok_or("too short")?;
        let checksum = crc32fast::hash(plain.get(..body).unwrap_or_default());
        if plain.get(body..) != Some(checksum.to_le_bytes().as_slice()) {
            return Err("the checksum of the plain bytes does not match".to_owned());
        }
        plain.truncate(body);
        Ok(plain)
    }
}
