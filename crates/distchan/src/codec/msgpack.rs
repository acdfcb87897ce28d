//! MessagePack: binary, yet describing itself, for types that Postcard cannot carry and for peers in other languages.
//! It must never drop the field names: see [`MessagePack`].

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, CodecError, Large, MAX_DEPTH, ScatteredMut, append};
use crate::zero_copy;

/// [MessagePack](https://msgpack.org), structs as maps with their field names.
///
/// The names cost bytes, and are what this codec is for. Without them two variants of a `#[serde(untagged)]` enum with the
/// same number of fields are the same bytes, and a field left out by `#[serde(skip_serializing_if)]` moves the next one
/// into its place: both would be decoded, and wrongly. Where size is what matters, [`Postcard`](crate::codec::Postcard)
/// is smaller than either form.
///
/// `Some(())` and `Some(None)` are read back as `None`: the format has one nil. Values nest at most 128 deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePack;

impl Codec for MessagePack {
    const NAME: &'static str = "messagepack";
    const HUMAN_READABLE: bool = false;

    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        append(out, |out| rmp_serde::encode::write_named(out, value))
            .map_err(|error| CodecError::encoding::<T>(Self::NAME, error, None))
    }

    fn encode_scattered<T: Serialize + ?Sized>(value: &T, out: &mut ScatteredMut) -> Result<(), CodecError> {
        let write = |out: &mut ScatteredMut| {
            let (own, large) = out.split();
            rmp_serde::encode::write_named(&mut Scattering { own, large }, value)
        };
        append(out, write).map_err(|error| CodecError::encoding::<T>(Self::NAME, error, None))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
        reader.set_max_depth(MAX_DEPTH);
        let value = T::deserialize(&mut reader)
            .map_err(|error| CodecError::decoding::<T>(Self::NAME, error, None))?;
        if !is_at_end(&mut reader) {
            return Err(CodecError::trailing::<T>(Self::NAME, count_trailing(bytes)));
        }
        Ok(value)
    }
}

/// Appends, where large bytes may stay where they lie.
struct Scattering<'a> {
    own: &'a mut Vec<u8>,
    large: &'a mut Large,
}

impl io::Write for Scattering<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        zero_copy::append(bytes, self.own, self.large);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether nothing is left. The reader does not say; but to read one more value fails for want of its first byte then,
/// and only then.
fn is_at_end<'de>(reader: &mut rmp_serde::Deserializer<impl rmp_serde::decode::ReadSlice<'de>>) -> bool {
    use rmp_serde::decode::Error;
    let next: Result<(), Error> = serde::Deserialize::deserialize(reader);
    matches!(next, Err(Error::InvalidMarkerRead(error)) if error.kind() == io::ErrorKind::UnexpectedEof)
}

/// How many bytes follow the first value. Only for the error's text: it reads the value a second time, with a reader
/// that counts but copies every string.
#[cold]
fn count_trailing(bytes: &[u8]) -> usize {
    let mut reader = rmp_serde::Deserializer::new(io::Cursor::new(bytes));
    let first: Result<serde::de::IgnoredAny, _> = serde::Deserialize::deserialize(&mut reader);
    let read = if first.is_ok() { reader.position() } else { 0 };
    usize::try_from(read).map_or(bytes.len(), |read| bytes.len().saturating_sub(read))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn round<T: Serialize + DeserializeOwned>(value: &T) -> T {
        let mut out = Vec::new();
        MessagePack::encode(value, &mut out).unwrap();
        MessagePack::decode(&out).unwrap()
    }

    #[test]
    fn untagged_variants_of_one_shape_are_told_apart() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Length {
            Metres { metres: u32 },
            Feet { feet: u32 },
        }
        assert_eq!(round(&Length::Feet { feet: 3 }), Length::Feet { feet: 3 });
        assert_eq!(round(&Length::Metres { metres: 3 }), Length::Metres { metres: 3 });
    }

    #[test]
    fn a_skipped_field_does_not_move_the_next() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Range {
            #[serde(skip_serializing_if = "Option::is_none")]
            low: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            high: Option<u32>,
        }
        let range = Range { low: None, high: Some(7) };
        assert_eq!(round(&range), range);
    }

    #[test]
    fn trailing_bytes_are_counted() {
        let mut out = Vec::new();
        MessagePack::encode("text", &mut out).unwrap();
        // Nil, a string's head without its text, a byte that the format reserves.
        for tail in [&[0xc0][..], &[0xd9, 9], &[0xc1, 0, 0]] {
            let bytes = [&out, tail].concat();
            let error = MessagePack::decode::<String>(&bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("{} byte", tail.len())), "{error}");
        }
    }
}
