//! How a value becomes bytes and how bytes become a value again.
//!
//! A codec knows one value and one run of bytes: no frame, no length prefix, no limit, no schema. It must never keep
//! state between two calls, and never let bytes from a peer panic.

mod depth;
mod error;
mod json;
mod msgpack;
mod postcard;

pub use distchan_proto::scattered::{Large, ScatteredMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::codec::error::CodecError;
pub use crate::codec::json::Json;
pub use crate::codec::msgpack::MessagePack;
pub use crate::codec::postcard::Postcard;

/// How deep a value may nest that comes from a peer: each level is a call on the stack of whoever takes it.
const MAX_DEPTH: usize = 128;

/// A way of writing values as bytes. Chosen per channel by type (`Postcard`, the default, `Json`, `MessagePack`),
/// never by instance: a codec has no settings, so that both ends mean the same by its name.
pub trait Codec: 'static {
    /// The name by which both ends agree on the codec when a channel opens. It never changes once published.
    const NAME: &'static str;

    /// What serde's `is_human_readable` answers under this codec: types such as `IpAddr` have two forms, and a
    /// schema holds for one of them only.
    const HUMAN_READABLE: bool;

    /// Appends `value` to `out`. What `out` held before stays as it is, whatever happens: after an error, and after a
    /// panic in the value's own `Serialize`, it holds exactly what it held before the call.
    ///
    /// # Errors
    /// When the value's `Serialize` fails, or the format has no form for it.
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The same where bytes may stay where they lie: see [`zero_copy`](crate::zero_copy). Unless a codec knows better, all of them are copied.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    fn encode_scattered<T: Serialize + ?Sized>(value: &T, out: &mut ScatteredMut) -> Result<(), CodecError> {
        Self::encode(value, out.own())
    }

    /// Reads back one value, which must take up all of `bytes`.
    ///
    /// # Errors
    /// When the bytes are no `T`, end too early, or go on after it; the message says how many bytes follow.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;
}

/// Lets `write` append to `out` and takes back what it wrote unless it succeeds. Unwinding counts as failure: `out` is
/// a batch shared by many callers, and half a value in it would spoil the values of the others.
fn append<O: Output, E>(out: &mut O, write: impl FnOnce(&mut O) -> Result<(), E>) -> Result<(), E> {
    let mut unfinished = Unfinished { keep: Some(out.len()), out };
    write(unfinished.out)?;
    unfinished.keep = None;
    Ok(())
}

/// What values are appended to.
trait Output {
    fn len(&self) -> usize;

    /// Takes back what was appended since there were so many bytes.
    fn truncate(&mut self, len: usize);
}

impl Output for Vec<u8> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

impl Output for ScatteredMut {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// The part of a buffer that is taken back, beginning at `keep`, unless it turns out well.
struct Unfinished<'a, O: Output> {
    out: &'a mut O,
    keep: Option<usize>,
}

impl<O: Output> Drop for Unfinished<'_, O> {
    fn drop(&mut self) {
        if let Some(keep) = self.keep {
            self.out.truncate(keep);
        }
    }
}

#[cfg(test)]
mod tests;
