//! The default codec: the smallest and fastest form, without names and without type marks. Both ends must hold the
//! same type, which the schema sees to when a channel opens; this file must never try to check it again.

use postcard::Error;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::depth::{Bounds, Broken, Guarded};
use crate::codec::{Codec, CodecError, Large, MAX_DEPTH, ScatteredMut, append};
use crate::zero_copy;

/// [Postcard](https://postcard.jamesmunns.com/wire-format): varints, no field names. The default.
///
/// Types that ask the format what comes next (`#[serde(untagged)]`, `#[serde(flatten)]`, `serde_json::Value`) cannot be
/// read from it: use [`Json`](crate::codec::Json) or [`MessagePack`](crate::codec::MessagePack) for those. A `Vec<u8>` goes byte by
/// byte through serde; `serde_bytes` or `bytes::Bytes` go in one copy, with [`zero_copy`] in none. Values nest at most 128 deep, with options 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postcard;

impl Codec for Postcard {
    const NAME: &'static str = "postcard";
    const HUMAN_READABLE: bool = false;

    #[inline]
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        append(out, |own| postcard::serialize_with_flavor(value, Appended { own, long: Copied }))
            .map_err(|error| CodecError::encoding::<T>(Self::NAME, error.clone(), hint(&error)))
    }

    #[inline]
    fn encode_scattered<T: Serialize + ?Sized>(value: &T, out: &mut ScatteredMut) -> Result<(), CodecError> {
        let write = |out: &mut ScatteredMut| {
            let (own, large) = out.split();
            postcard::serialize_with_flavor(value, Appended { own, long: large })
        };
        append(out, write).map_err(|error| CodecError::encoding::<T>(Self::NAME, error.clone(), hint(&error)))
    }

    #[inline]
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let bounds = Bounds::new(bytes.len(), MAX_EMPTY);
        match take(bytes, &bounds) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(CodecError::trailing::<T>(Self::NAME, rest.len())),
            Err(error) => {
                let hint = match bounds.broken() {
                    Some(Broken::Depth) => Some(TOO_DEEP),
                    Some(Broken::Elements) => Some(TOO_MANY),
                    None => hint(&error),
                };
                Err(CodecError::decoding::<T>(Self::NAME, error, hint))
            }
        }
    }
}

/// An `Option` and what stands in it are two levels here, and one in other formats.
const MAX_LEVELS: usize = 2 * MAX_DEPTH;

/// An element that has nothing in it, as of a `Vec<()>`, takes no byte: nine bytes could ask for 2^63 of them.
const MAX_EMPTY: usize = 65_536;

const TOO_DEEP: &str = "it nests deeper than 128 values, or 256 with the options between them";
const TOO_MANY: &str = "it has more than 65536 elements that take no bytes";

#[inline(always)]
fn take<'a, T: DeserializeOwned>(bytes: &'a [u8], bounds: &Bounds) -> postcard::Result<(T, &'a [u8])> {
    let mut reader = postcard::Deserializer::from_bytes(bytes);
    let value = T::deserialize(Guarded::new(&mut reader, MAX_LEVELS, bounds))?;
    Ok((value, reader.finalize()?))
}

/// Writes straight to the end of a buffer. postcard's own growing output takes a `Vec` by value, which would lose the
/// batch if a `Serialize` panicked, and is slower.
struct Appended<'a, L> {
    own: &'a mut Vec<u8>,
    long: L,
}

/// A `u64` in bytes of seven bits.
const LONGEST_VARINT: usize = 10;

impl<L: Long> Flavor for Appended<'_, L> {
    type Output = ();

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.own.push(byte);
        Ok(())
    }

    // Every varint comes through here, in one to ten bytes. A copy whose length is known when compiling is one store, any other is a call of
    // memcpy, which costs more than all the rest of a small integer.
    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let mut rest = bytes;
        if bytes.len() <= LONGEST_VARINT {
            while let Some((four, behind)) = rest.split_first_chunk::<4>() {
                self.own.extend_from_slice(four);
                rest = behind;
            }
            match *rest {
                [a] => self.own.extend_from_slice(&[a]),
                [a, b] => self.own.extend_from_slice(&[a, b]),
                [a, b, c] => self.own.extend_from_slice(&[a, b, c]),
                _ => {}
            }
        } else {
            self.long.append(rest, self.own);
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What becomes of more bytes than an integer has.
trait Long {
    fn append(&mut self, bytes: &[u8], own: &mut Vec<u8>);
}

/// They are copied.
struct Copied;

impl Long for Copied {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8], own: &mut Vec<u8>) {
        own.extend_from_slice(bytes);
    }
}

/// They may stay where they lie.
impl Long for &mut Large {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8], own: &mut Vec<u8>) {
        zero_copy::append(bytes, own, self);
    }
}

/// What the user can do about `error`, where postcard's text leaves that open.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::WontImplement => {
            Some("the type needs a format that describes itself: use Json or MessagePack")
        }
        Error::SerializeSeqLengthUnknown => {
            Some("it has a part of unknown length (`#[serde(flatten)]`?): use Json or MessagePack")
        }
        Error::SerdeSerCustom | Error::SerdeDeCustom => {
            Some("the type's own serde code refused it, and postcard does not keep the reason")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn integers_of_every_length_are_written_as_postcard_writes_them() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                Postcard::encode(&(value, value as i64, "text"), &mut out).unwrap();
                assert_eq!(out, postcard::to_stdvec(&(value, value as i64, "text")).unwrap());
                assert_eq!(Postcard::decode::<(u64, i64, String)>(&out).unwrap().0, value);
            }
        }
    }

    #[test]
    fn a_type_that_needs_a_self_describing_format_is_told_where_to_go() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Any {
            Number(u8),
        }
        let mut out = Vec::new();
        Postcard::encode(&Any::Number(1), &mut out).unwrap();
        let error = Postcard::decode::<Any>(&out).unwrap_err().to_string();
        assert!(error.contains("Any` as postcard") && error.contains("use Json or MessagePack"), "{error}");
    }

    #[test]
    fn a_length_that_the_bytes_do_not_hold_allocates_nothing_like_it() {
        let mut huge = Vec::new();
        Postcard::encode(&u64::MAX, &mut huge).unwrap();
        assert!(Postcard::decode::<Vec<u64>>(&huge).is_err());
        assert!(Postcard::decode::<String>(&huge).is_err());
    }

    #[test]
    fn a_few_bytes_cannot_ask_for_more_elements_than_a_peer_could_send() {
        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        struct Nothing;
        let many = |count: u64, times: u64| {
            let mut out = Vec::new();
            Postcard::encode(&times, &mut out).unwrap();
            (0..times).for_each(|_| Postcard::encode(&count, &mut out).unwrap());
            out
        };
        let told = |error: CodecError| assert!(error.to_string().contains("65536 elements"), "{error}");
        for count in [65_537, 1 << 40, u64::MAX] {
            let bytes = &many(count, 1)[1..];
            told(Postcard::decode::<Vec<()>>(bytes).unwrap_err());
            told(Postcard::decode::<Vec<(Nothing, [(); 3])>>(bytes).unwrap_err());
            told(Postcard::decode::<std::collections::BTreeMap<Nothing, ()>>(bytes).unwrap_err());
            told(Postcard::decode::<(u8, Option<Vec<()>>)>(&[&[0, 1], bytes].concat()).unwrap_err());
            told(Postcard::decode::<Vec<Vec<()>>>(&many(count / 3, 4)).unwrap_err());
        }
        for count in [0, 1, 300, 65_536] {
            let list: Vec<()> = Postcard::decode(&many(count, 1)[1..]).unwrap();
            assert_eq!(list.len() as u64, count);
        }
        let lists: Vec<Vec<()>> = Postcard::decode(&many(16_384, 4)).unwrap();
        assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), 65_536);
    }
}
