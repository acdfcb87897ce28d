//! What a compression is given of a peer's bytes: whatever it makes of them, what comes out is no longer than it may be, and what was compressed
//! comes back.

use distchan_proto::compression::SharedCompressor;
use distchan_proto::fuzzing;

use crate::script::Script;

/// The first bytes say which compression, which limit there is, and what is changed of what was compressed.
pub fn compression(data: &[u8]) {
    let mut script = Script::new(data);
    let (how, limit) = (script.byte(), usize::from(script.byte()) * 64);
    let compressors = distchan::fuzzing::compressors();
    let compressor = &compressors[usize::from(how >> 1) % compressors.len()];
    if how & 1 == 0 {
        // A body that says of itself that it is compressed, with the number that was agreed.
        let body = [script.rest(), &[compressor.0.number()]].concat();
        return open(compressor, &body, limit);
    }
    let (at, change, times) = (script.byte(), script.byte(), usize::from(script.byte()));
    let plain = script.rest().repeat(times);
    let mut packed = fuzzing::pack(compressor, &plain);
    assert!(packed.len() <= plain.len() + 1);
    let opened = fuzzing::unpack(compressor, &packed, plain.len());
    assert_eq!(opened.as_deref(), Ok(plain.as_slice()));
    if let Some(byte) = packed.get_mut(usize::from(at)) {
        *byte ^= change;
    }
    open(compressor, &packed, limit);
}

fn open(compressor: &SharedCompressor, body: &[u8], limit: usize) {
    if let Ok(plain) = fuzzing::unpack(compressor, body, limit) {
        // What is not compressed has come whole, and is bounded where it came.
        assert!(plain.len() <= limit.max(body.len()));
        let again = fuzzing::pack(compressor, &plain);
        assert_eq!(fuzzing::unpack(compressor, &again, plain.len()), Ok(plain));
    }
}
