//! Frames and bodies: whatever is read of them is what this side would have written, and it does not matter how the bytes are cut.

use distchan_proto::fuzzing;

use crate::script::Script;
use crate::wire;

/// The first byte says how: as they are, with right checksums, or as one body.
pub fn frames(data: &[u8]) {
    let mut script = Script::new(data);
    let (how, piece) = (script.below(4), script.below(64) + 1);
    let rest = script.rest();
    match how {
        0 => fuzzing::frames(rest, piece),
        3 => fuzzing::body(rest),
        _ => fuzzing::frames(&repaired(rest), piece),
    }
}

/// The same bytes, cut into frames by what they say of their length, as far as they reach; each checksum is right.
fn repaired(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((header, rest)) = bytes.split_first_chunk::<{ wire::HEADER }>() {
        let (body, behind) = rest.split_at(wire::body_length(header).min(rest.len()));
        out.extend(wire::frame(header[8], header[9], u16::from_le_bytes([header[10], header[11]]), body));
        bytes = behind;
    }
    out.extend_from_slice(bytes);
    out
}
