//! The first twelve bytes of each direction: a magic that tells a peer from a stray connection, and the versions a side speaks.
//! This form never changes, whatever the version.

use bytes::{Buf, BytesMut};

use crate::error::{ProtocolError, printable};

/// The versions that this build speaks, lowest and highest.
pub(crate) const VERSIONS: (u16, u16) = (1, 1);

pub(crate) const MAGIC: [u8; 8] = *b"distchan";

/// How a TLS client begins: a record with a handshake, of a version that has been the same for long.
const TLS: [u8; 2] = [22, 3];

/// Magic, lowest version, highest version.
pub(crate) const LENGTH: usize = 12;

pub(crate) fn put(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSIONS.0.to_le_bytes());
    out.extend_from_slice(&VERSIONS.1.to_le_bytes());
}

/// Takes the peer's preamble off the front and returns its versions, once it is there whole. A wrong magic is noticed at
/// its first wrong byte, so that a stray connection that sends little and waits is turned away at once.
pub(crate) fn take(input: &mut BytesMut) -> Result<Option<(u16, u16)>, ProtocolError> {
    let present = input.len().min(MAGIC.len());
    if input.starts_with(&TLS) {
        return Err(ProtocolError::Encrypted);
    }
    // One byte of TLS is not yet one too many.
    if input[..] == TLS[..1] {
        return Ok(None);
    }
    if input.get(..present) != MAGIC.get(..present) {
        return Err(ProtocolError::NotDistchan { began: printable(input, 32) });
    }
    if input.len() < LENGTH {
        return Ok(None);
    }
    input.advance(MAGIC.len());
    Ok(Some((input.get_u16_le(), input.get_u16_le())))
}

/// The highest version that both sides speak.
pub(crate) fn agree(theirs: (u16, u16)) -> Result<u16, ProtocolError> {
    let highest = VERSIONS.1.min(theirs.1);
    if highest >= VERSIONS.0.max(theirs.0) {
        Ok(highest)
    } else {
        Err(ProtocolError::Version { ours: VERSIONS, theirs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_byte_is_noticed_at_once_and_a_short_preamble_waits() {
        assert!(matches!(
            take(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..])),
            Err(ProtocolError::NotDistchan { began }) if began == "GET / HTTP/1.1\\r\\n"
        ));
        assert!(take(&mut BytesMut::from(&b"x"[..])).is_err());
        assert_eq!(take(&mut BytesMut::from(&b"\x16"[..])), Ok(None));
        assert_eq!(take(&mut BytesMut::from(&b"\x16\x03\x01"[..])), Err(ProtocolError::Encrypted));
        assert_eq!(take(&mut BytesMut::from(&b"distchan\x01"[..])), Ok(None));
        let mut whole = Vec::new();
        put(&mut whole);
        assert_eq!(take(&mut BytesMut::from(whole.as_slice())), Ok(Some(VERSIONS)));
    }

    #[test]
    fn the_highest_common_version_is_taken() {
        assert_eq!(agree((1, 7)), Ok(1));
        assert_eq!(agree((2, 7)), Err(ProtocolError::Version { ours: VERSIONS, theirs: (2, 7) }));
        assert!(agree((0, 0)).is_err());
    }
}
