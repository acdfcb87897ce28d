//! Base64 for URLs, without padding (RFC 4648, section 5): for what is pasted, and for what is kept in text.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or_default()));
        for digit in 0..=group.len() {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// Text as bytes; `None` where it is not what [`encode`] writes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | value(*digit)?;
        }
        bits <<= 6 * (4 - group.len());
        let [_, first, second, third] = bits.to_be_bytes();
        let (whole, rest) = match group.len() {
            4 => (3, 0),
            3 => (2, bits & 0xff),
            2 => (1, bits & 0xffff),
            _ => return None,
        };
        // One text for one value: a bit that means nothing is not set.
        if rest != 0 {
            return None;
        }
        bytes.extend([first, second, third].into_iter().take(whole));
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let index = ALPHABET.iter().position(|known| *known == digit)?;
    u32::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_vectors_of_rfc_4648_come_out_both_ways() {
        let vectors =
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")];
        for (plain, text) in vectors {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn whatever_else_is_refused() {
        for text in ["Z", "Zg==", "Zh", "Zm9", "+/8", "Zm 9", "Zm9v\n", "Zm9vä"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
