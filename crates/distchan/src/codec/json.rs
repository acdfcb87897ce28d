//! JSON: for channels that people or other languages read along. It must never emit more than the value itself (no
//! line end), so that it can stand inside any frame.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, CodecError, append};

/// [JSON](https://www.rfc-editor.org/rfc/rfc8259), compact. White space around a value is part of the format and accepted.
///
/// JSON has one `null` and no infinities. `f64::NAN` and infinities are written as `null`, so they are refused on
/// reading unless the field is an `Option`, which becomes `None`; so do `Some(())` and `Some(None)`. Maps need keys that are
/// strings or numbers. Values nest at most 128 deep, which is serde_json's own bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json;

impl Codec for Json {
    const NAME: &'static str = "json";
    const HUMAN_READABLE: bool = true;

    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        append(out, |out| serde_json::to_writer(out, value))
            .map_err(|error| CodecError::encoding::<T>(Self::NAME, error, None))
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = T::deserialize(&mut reader)
            .map_err(|error| CodecError::decoding::<T>(Self::NAME, error, None))?;
        match reader.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(CodecError::trailing::<T>(Self::NAME, count_from(bytes, &error))),
        }
    }
}

/// How many bytes there are from the place that `error` points at. serde_json counts lines and columns from one.
#[cold]
fn count_from(bytes: &[u8], error: &serde_json::Error) -> usize {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    bytes.len().saturating_sub(before + error.column().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_comes_back_to_the_last_bit() {
        // The first is misread, as one double in ten is, by serde_json without its feature `float_roundtrip`.
        for value in [13.024_685_415_559_635_f64, 0.1, f64::MIN_POSITIVE, 1e23, -0.0, f64::MAX, 5e-324] {
            let mut out = Vec::new();
            Json::encode(&value, &mut out).unwrap();
            assert_eq!(Json::decode::<f64>(&out).unwrap().to_bits(), value.to_bits(), "{value:e}");
        }
    }

    #[test]
    fn white_space_is_part_of_the_format_and_anything_else_is_counted() {
        assert_eq!(Json::decode::<u8>(b" 1\n").unwrap(), 1);
        for (bytes, count) in
            [(&b"1 22"[..], "2 bytes follow"), (b"1x", "1 byte follows"), (b"1\n\n xyz\n", "4 bytes follow")]
        {
            let error = Json::decode::<u8>(bytes).unwrap_err().to_string();
            assert_eq!(error, format!("cannot decode `u8` as json: {count} the value"));
        }
    }

    #[test]
    fn nothing_at_all_is_an_error() {
        assert!(Json::decode::<()>(b"").is_err());
        assert!(Json::decode::<()>(b"  ").is_err());
    }
}
