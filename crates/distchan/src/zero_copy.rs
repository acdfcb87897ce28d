//! Large bytes that are carried without a copy: `#[serde(with = "distchan::zero_copy")]` on a field that is [`Bytes`].
//!
//! ```
//! use bytes::Bytes;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Tile {
//!     column: u32,
//!     row: u32,
//!     #[serde(with = "distchan::zero_copy")]
//!     pixels: Bytes,
//! }
//! ```
//!
//! Without it serde sees a slice of bytes, which has to be copied where a value is sent, and once more where it is received. With it,
//! - bytes from 4 KiB on are sent from where they lie. The channel shares them with you until the other side has them, and a job's until it has its
//!   outcome: they count as what a channel holds, as all others do.
//! - of a received value of more than 64 KiB, bytes that are at least half of it are a view of the memory into which it was read. That memory may be
//!   larger than the view, up to 4 MiB where smaller values come in between: copy what you keep for long.
//!
//! All other bytes are copied, as they are without it. What travels is the same in both cases, so it may stand at one end alone. It works with
//! [`Postcard`](crate::codec::Postcard) and [`MessagePack`](crate::codec::MessagePack); other codecs copy, and
//! [`Json`](crate::codec::Json) writes bytes as numbers.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use distchan_proto::limits;
use distchan_proto::scattered::{Large, SMALLEST_SHARED};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::Serializer;

// serde hands slices on, not who owns them. Both are set for as long as one call of serde's takes.
thread_local! {
    /// The bytes that are being serialized.
    static OFFERED: Cell<Option<Bytes>> = const { Cell::new(None) };
    /// The value that is being read.
    static SOURCE: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// For serde's `with`: writes bytes as `serde_bytes` does.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let _offer = (bytes.len() >= SMALLEST_SHARED).then(|| Offer::make(bytes));
    serializer.serialize_bytes(bytes)
}

/// For serde's `with`: reads bytes as `serde_bytes` does.
///
/// # Errors
/// The deserializer's; what comes is neither bytes nor a text nor a sequence of bytes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    deserializer.deserialize_bytes(AnyBytes)
}

/// Withdrawn when it is dropped, also by a panic.
struct Offer;

impl Offer {
    fn make(bytes: &Bytes) -> Self {
        let _ = OFFERED.try_with(|offered| offered.set(Some(bytes.clone())));
        Self
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let _ = OFFERED.try_with(Cell::take);
    }
}

/// Appends what a codec writes: without a copy, where these very bytes were offered.
#[inline(always)]
pub(crate) fn append(bytes: &[u8], own: &mut Vec<u8>, large: &mut Large) {
    if bytes.len() < SMALLEST_SHARED {
        own.extend_from_slice(bytes);
    } else {
        append_large(bytes, own, large);
    }
}

#[cold]
fn append_large(bytes: &[u8], own: &mut Vec<u8>, large: &mut Large) {
    let offered = OFFERED.try_with(Cell::take).ok().flatten();
    match offered.filter(|offered| std::ptr::eq(&raw const **offered, bytes)) {
        Some(offered) => large.put(own, &offered, 0..offered.len()),
        None => own.extend_from_slice(bytes),
    }
}

/// Reads a value that came in a batch.
pub(crate) fn read<T>(payload: &Bytes, range: Range<usize>, decode: impl FnOnce(&[u8]) -> T) -> T {
    if is_large(range.len()) {
        read_large(&payload.slice(range), decode)
    } else {
        decode(payload.get(range).unwrap_or_default())
    }
}

/// Whether a value came in memory of its own: what is smaller was read together with others.
#[inline]
pub(crate) const fn is_large(bytes: usize) -> bool {
    bytes > limits::MAX_FRAME_BODY
}

/// Reads a value that came in memory of its own: bytes in it may stay there.
pub(crate) fn read_large<T>(value: &Bytes, decode: impl FnOnce(&[u8]) -> T) -> T {
    let _source = Source::begin(value.clone());
    decode(value)
}

/// The value that is being read; the one before, in whose `Deserialize` this is, comes back when it is dropped.
struct Source(Option<Bytes>);

impl Source {
    fn begin(value: Bytes) -> Self {
        Self(SOURCE.try_with(|source| source.replace(Some(value))).ok().flatten())
    }

    /// A part of the value that is being read, as a view of it, where that is worth its memory.
    fn view(part: &[u8]) -> Option<Bytes> {
        SOURCE
            .try_with(|cell| {
                let source = cell.take()?;
                let (whole, inner) = (source.as_ptr_range(), part.as_ptr_range());
                let is_inside = whole.start <= inner.start && inner.end <= whole.end;
                let view = (is_inside && part.len() >= source.len() / 2).then(|| source.slice_ref(part));
                cell.set(Some(source));
                view
            })
            .ok()
            .flatten()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = SOURCE.try_with(|source| source.set(self.0.take()));
    }
}

struct AnyBytes;

impl<'de> Visitor<'de> for AnyBytes {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Bytes, E> {
        Ok(Source::view(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Bytes, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Bytes, A::Error> {
        Vec::<u8>::deserialize(SeqAccessDeserializer::new(elements)).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::codec::{Codec, Json, MessagePack, Postcard, ScatteredMut};

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Tile {
        row: u32,
        #[serde(with = "crate::zero_copy")]
        pixels: Bytes,
        note: String,
    }

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Plain {
        row: u32,
        pixels: serde_bytes::ByteBuf,
        note: String,
    }

    fn tile(bytes: usize) -> Tile {
        let pixels: Vec<u8> = (0..bytes).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        Tile { row: 7, pixels: pixels.into(), note: "behind".to_owned() }
    }

    fn sent<C: Codec>(tile: &Tile) -> (ScatteredMut, Bytes) {
        let mut out = ScatteredMut::default();
        C::encode_scattered(tile, &mut out).unwrap();
        let mut flat = Vec::new();
        C::encode(tile, &mut flat).unwrap();
        (out, flat.into())
    }

    fn check_written_alike<C: Codec>(shared_from: usize) {
        for bytes in [0, 1, SMALLEST_SHARED - 1, SMALLEST_SHARED, 100_000] {
            let tile = tile(bytes);
            let (out, flat) = sent::<C>(&tile);
            let plain = Plain {
                row: tile.row,
                pixels: serde_bytes::ByteBuf::from(tile.pixels.to_vec()),
                note: tile.note.clone(),
            };
            let mut of_plain = Vec::new();
            C::encode(&plain, &mut of_plain).unwrap();
            assert_eq!(flat, of_plain, "what travels is the same");
            let mut batch = distchan_proto::batch::OpenBatch::default();
            batch.payload = out;
            let payload = batch.take().payload;
            let is_shared = payload.chunks().any(|chunk| std::ptr::eq(chunk, &raw const *tile.pixels));
            assert_eq!(is_shared, bytes >= shared_from.max(1), "{bytes} bytes in {}", C::NAME);
            assert_eq!(payload.into_bytes(), flat);
        }
    }

    #[test]
    fn large_bytes_are_sent_from_where_they_lie() {
        check_written_alike::<Postcard>(SMALLEST_SHARED);
        check_written_alike::<MessagePack>(SMALLEST_SHARED);
        check_written_alike::<Json>(usize::MAX);
    }

    fn check_read_alike<C: Codec>(is_view: bool) {
        for bytes in [0, 1, limits::MAX_FRAME_BODY, 2 * limits::MAX_FRAME_BODY] {
            let (_, flat) = sent::<C>(&tile(bytes));
            let read = read(&flat, 0..flat.len(), C::decode::<Tile>).unwrap();
            assert_eq!(read, tile(bytes));
            let inside = flat.as_ptr_range().contains(&read.pixels.as_ptr());
            assert_eq!(inside, is_view && is_large(flat.len()), "{bytes} bytes in {}", C::NAME);
            assert_eq!(C::decode::<Tile>(&flat).unwrap(), tile(bytes), "also without knowing the owner");
        }
    }

    #[test]
    fn large_bytes_are_received_as_a_view_of_what_came() {
        check_read_alike::<Postcard>(true);
        check_read_alike::<MessagePack>(true);
        check_read_alike::<Json>(false);
    }

    #[test]
    fn a_small_part_of_a_large_value_does_not_keep_all_of_it() {
        let tile = Tile { note: "x".repeat(200_000), ..tile(100_000) };
        let (_, flat) = sent::<Postcard>(&tile);
        let read = read(&flat, 0..flat.len(), Postcard::decode::<Tile>).unwrap();
        assert_eq!(read, tile);
        assert!(flat.is_unique(), "the rest is given back");
    }

    /// Serializes other bytes than it offered, and goes wrong while it does.
    struct Odd {
        bytes: Bytes,
        panics: bool,
    }

    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let _offer = Offer::make(&self.bytes);
            assert!(!self.panics, "odd");
            serializer.serialize_bytes(&self.bytes[1..])
        }
    }

    #[test]
    fn only_the_very_bytes_that_were_offered_are_shared() {
        let bytes = Bytes::from(vec![7; 10_000]);
        let mut out = ScatteredMut::default();
        Postcard::encode_scattered(&Odd { bytes: bytes.clone(), panics: false }, &mut out).unwrap();
        assert_eq!(out.own().len(), 2 + 9_999);
        let before = out.len();
        let odd = Odd { bytes: bytes.clone(), panics: true };
        catch_unwind(AssertUnwindSafe(|| Postcard::encode_scattered(&odd, &mut out))).unwrap_err();
        assert_eq!(out.len(), before);
        drop(odd);
        assert!(bytes.is_unique(), "an offer ends with its call");
    }

    #[test]
    fn what_fails_behind_shared_bytes_leaves_nothing() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        #[derive(Serialize)]
        struct Value {
            #[serde(with = "crate::zero_copy")]
            bytes: Bytes,
            refuses: Refuses,
        }
        let value = Value { bytes: Bytes::from(vec![7; 10_000]), refuses: Refuses };
        let mut out = ScatteredMut::new(b"kept".to_vec());
        Postcard::encode_scattered(&value, &mut out).unwrap_err();
        MessagePack::encode_scattered(&value, &mut out).unwrap_err();
        assert_eq!((out.len(), &out.own()[..]), (4, &b"kept"[..]));
        assert!(value.bytes.is_unique());
    }

    #[test]
    fn a_value_that_is_read_within_another_has_its_own_memory() {
        let (_, inner) = sent::<Postcard>(&tile(100_000));
        let (_, outer) = sent::<Postcard>(&tile(200_000));
        let both = read_large(&outer, |bytes| {
            let inner = read_large(&inner, |bytes| Postcard::decode::<Tile>(bytes).unwrap());
            (Postcard::decode::<Tile>(bytes).unwrap(), inner)
        });
        assert!(outer.as_ptr_range().contains(&both.0.pixels.as_ptr()));
        assert!(inner.as_ptr_range().contains(&both.1.pixels.as_ptr()));
    }
}
