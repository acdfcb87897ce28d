//! An input as a person would type it in a shell: for what is shown, and never for what is executed.

/// Appends the input, in single quotes where it has anything but plain characters. As GNU parallel does.
pub(super) fn quote(input: &[u8], out: &mut Vec<u8>) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/".contains(byte);
    if !input.is_empty() && input.iter().all(is_plain) {
        out.extend_from_slice(input);
        return;
    }
    out.push(b'\'');
    for (at, piece) in input.split(|byte| *byte == b'\'').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"'\"'\"'");
        }
        out.extend_from_slice(piece);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_shown_can_be_pasted() {
        let check = |input: &str, expected: &str| {
            let mut out = Vec::new();
            super::quote(input.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check("a/b-c_d.e+F1", "a/b-c_d.e+F1");
        check("a b", "'a b'");
        check("it's", "'it'\"'\"'s'");
        check("", "''");
        check("é", "'é'");
    }
}
