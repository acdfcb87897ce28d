//! What a transform is given of a peer's bytes: whatever it makes of them, what comes out is what was sealed, and no longer than it may be.

use std::sync::Arc;

use distchan_proto::fuzzing;
use distchan_proto::transform::{SharedTransform, Transform};

use crate::script::Script;

/// The first bytes say which limit there is, and what is changed of what was sealed.
pub fn transform(data: &[u8]) {
    let mut script = Script::new(data);
    let (how, limit) = (script.byte(), usize::from(script.byte()) * 4);
    let transform = SharedTransform(Arc::new(Runs));
    if how & 1 == 0 {
        open(&transform, script.rest(), limit);
        return;
    }
    let (at, change, plain) = (script.byte(), script.byte(), script.rest());
    let mut sealed = fuzzing::seal(&transform, plain);
    let opened = fuzzing::open(&transform, &sealed, limit);
    assert_eq!(opened.as_deref().ok(), (plain.len() + 4 <= limit).then_some(plain));
    if let Some(byte) = sealed.get_mut(usize::from(at)) {
        *byte ^= change;
    }
    open(&transform, &sealed, limit);
}

fn open(transform: &SharedTransform, coded: &[u8], limit: usize) {
    if let Ok(plain) = fuzzing::open(transform, coded, limit) {
        assert!(plain.len() + 4 <= limit);
        let again = fuzzing::seal(transform, &plain);
        assert_eq!(fuzzing::open(transform, &again, limit), Ok(plain));
    }
}

/// Run lengths: a byte, and how often it comes. Like any compression, it makes much of little.
struct Runs;

impl Transform for Runs {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        for run in plain.chunk_by(|one, other| one == other) {
            for part in run.chunks(255) {
                out.extend([part[0], u8::try_from(part.len()).expect("at most 255")]);
            }
        }
    }

    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        for pair in coded.chunks(2) {
            let [byte, count] = *pair else { return Err("half a run".to_owned()) };
            if out.len() + usize::from(count) > limit {
                return Err("too long".to_owned());
            }
            out.resize(out.len() + usize::from(count), byte);
        }
        Ok(())
    }
}
