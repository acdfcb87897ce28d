//! What a channel's bodies travel in: compressed, where that was agreed, and then transformed, where the user wants it. Without either a body travels
//! as it is.
//!
//! Behind a body of a compressed channel stands how it travels: a byte 0 where it is plain, or its plain length (four bytes, little endian) and the
//! compression's number.

use bytes::Bytes;

use crate::compression::SharedCompressor;
use crate::error::ProtocolError;
use crate::limits;
use crate::transform::SharedTransform;

/// The plain length and the number.
const TRAILER: usize = 5;

/// How the bodies of one link travel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Envelope {
    compressor: Option<SharedCompressor>,
    transform: Option<SharedTransform>,
}

impl Envelope {
    pub(crate) fn new(compressor: Option<&SharedCompressor>, transform: Option<&SharedTransform>) -> Self {
        Self { compressor: compressor.cloned(), transform: transform.cloned() }
    }

    /// Whether bodies travel as they are.
    pub(crate) const fn is_plain(&self) -> bool {
        self.compressor.is_none() && self.transform.is_none()
    }

    /// What a body grows by that is not compressed.
    pub(crate) fn overhead(&self) -> usize {
        usize::from(self.compressor.is_some())
    }

    /// The body as it travels.
    pub(crate) fn seal(&self, body: Vec<u8>) -> Vec<u8> {
        let mut body = match &self.compressor {
            Some(compressor) => pack(compressor, body),
            None => body,
        };
        match &self.transform {
            Some(transform) => transform.seal(&mut body),
            None => body,
        }
    }

    /// The inverse of [`Envelope::seal`]: never more than `limit` bytes.
    pub(crate) fn open(&self, body: &Bytes, limit: usize) -> Result<Bytes, ProtocolError> {
        let body = match &self.transform {
            Some(transform) => transform.open(body, limit).map_err(ProtocolError::Transform)?.into(),
            None => body.clone(),
        };
        match &self.compressor {
            Some(compressor) => unpack(compressor, body, limit).map_err(ProtocolError::Compression),
            None => Ok(body),
        }
    }
}

/// A body of a compressed channel, as it travels.
pub(crate) fn pack(compressor: &SharedCompressor, mut plain: Vec<u8>) -> Vec<u8> {
    if plain.len() >= limits::SMALLEST_COMPRESSED
        && let Ok(length) = u32::try_from(plain.len())
    {
        let mut packed = Vec::with_capacity(plain.len());
        compressor.0.compress(&plain, &mut packed);
        if packed.len() + TRAILER <= plain.len() {
            packed.extend_from_slice(&length.to_le_bytes());
            packed.push(compressor.0.number());
            return packed;
        }
    }
    plain.push(0);
    plain
}

/// The inverse of [`pack`]: the body, of at most `limit` bytes, or what is wrong with it.
pub(crate) fn unpack(compressor: &SharedCompressor, mut body: Bytes, limit: usize) -> Result<Bytes, String> {
    let Some((number, _)) = body.split_last() else {
        return Err("an empty body".to_owned());
    };
    if *number == 0 {
        body.truncate(body.len() - 1);
        return Ok(body);
    }
    if *number != compressor.0.number() {
        return Err(format!("number {number}, where {} was agreed", compressor.0.number()));
    }
    let Some((packed, [length @ .., _])) = body.split_last_chunk::<TRAILER>() else {
        return Err("too short".to_owned());
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > limit {
        return Err(format!("{length} bytes, where {limit} are allowed"));
    }
    let mut plain = Vec::with_capacity(length);
    compressor.0.decompress(packed, length, &mut plain)?;
    if plain.len() != length {
        return Err(format!("{} bytes, where {length} were said", plain.len()));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compression::Compressor;
    use crate::transform::Transform;

    /// A body of one byte, repeated, is that byte.
    struct Same(u8);

    impl Compressor for Same {
        fn number(&self) -> u8 {
            self.0
        }

        fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
            match plain {
                [first, rest @ ..] if rest.iter().all(|byte| byte == first) => out.push(*first),
                _ => out.extend_from_slice(plain),
            }
        }

        fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
            match packed {
                [b'!'] => out.resize(length - 1, 0),
                [byte] => out.resize(length, *byte),
                _ => return Err("not one byte".to_owned()),
            }
            Ok(())
        }
    }

    struct Reverse;

    impl Transform for Reverse {
        fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
            out.extend(plain.iter().rev());
        }

        fn decode(&self, coded: &[u8], _limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
            self.encode(coded, out);
            Ok(())
        }
    }

    fn same() -> SharedCompressor {
        SharedCompressor(Arc::new(Same(9)))
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let transform = SharedTransform(Arc::new(Reverse));
        for envelope in [
            Envelope::default(),
            Envelope::new(Some(&same()), None),
            Envelope::new(None, Some(&transform)),
            Envelope::new(Some(&same()), Some(&transform)),
        ] {
            for body in [
                vec![],
                vec![1],
                vec![1; 255],
                vec![1; 256],
                vec![1; 100_000],
                (0..=255).cycle().take(5000).collect(),
            ] {
                let sealed = envelope.seal(body.clone());
                assert_eq!(envelope.open(&sealed.into(), 200_000), Ok(Bytes::from(body)));
            }
        }
    }

    #[test]
    fn a_body_is_compressed_where_that_makes_it_shorter() {
        assert_eq!(pack(&same(), vec![1; 256]), [1, 0, 1, 0, 0, 9]);
        assert_eq!(pack(&same(), vec![1; 255]), [vec![1; 255], vec![0]].concat(), "it is short already");
        let mixed = [vec![1; 300], vec![2]].concat();
        assert_eq!(pack(&same(), mixed.clone()), [mixed, vec![0]].concat(), "it does not become shorter");
    }

    #[test]
    fn what_is_not_as_it_says_is_an_error() {
        let check = |body: &[u8], reason: &str| {
            let opened = unpack(&same(), Bytes::copy_from_slice(body), 1000);
            assert_eq!(opened, Err(reason.to_owned()), "{body:?}");
        };
        check(&[], "an empty body");
        check(&[1, 0, 0, 0, 8], "number 8, where 9 was agreed");
        check(&[1, 0, 0, 9], "too short");
        check(&[1, 0xe9, 3, 0, 0, 9], "1001 bytes, where 1000 are allowed");
        check(&[1, 2, 3, 0, 0, 0, 9], "not one byte");
        check(&[b'!', 4, 0, 0, 0, 9], "3 bytes, where 4 were said");
        assert_eq!(
            unpack(&same(), Bytes::from_static(&[1, 0xe8, 3, 0, 0, 9]), 1000),
            Ok(vec![1; 1000].into())
        );
    }
}
