//! Schemas from bytes that anyone may have sent: one that is read is read as it would be written, and can be compared with any other.

use std::collections::BTreeMap;

use distchan_proto::schema::{MAX_ENCODED, Parties, Schema, first_difference, first_difference_between};
use serde::Deserialize;

use crate::script::Script;

/// The first byte says whether there are two schemas, and what one is compared with.
pub fn schemas(data: &[u8]) {
    let mut script = Script::new(data);
    let choice = script.byte();
    let (first, second) = if choice & 1 == 0 {
        (script.rest(), [].as_slice())
    } else {
        let first = script.bytes();
        (first, script.rest())
    };
    let Some(first) = read(first) else { return };
    let second = match choice >> 1 & 3 {
        0 => read(second).unwrap_or_else(|| first.clone()),
        1 => Schema::of::<Order>(false),
        2 => Schema::of::<Order>(true),
        _ => Schema::of::<String>(false),
    };
    compare(&first, &second);
    compare(&second, &first);
    // What was cut off may differ.
    let own = first_difference("job", &first, &first);
    assert!(own.is_none_or(|said| said.contains("too large")), "a schema differs from itself");
}

fn read(bytes: &[u8]) -> Option<Schema> {
    let schema = Schema::decode(bytes).ok()?;
    let _ = (format!("{schema:?}"), schema.blind_spot("job"));
    let written = schema.encode();
    assert!(written.len() <= MAX_ENCODED);
    let again = Schema::decode(&written).expect("this side has written it");
    assert_eq!(again.encode(), written);
    assert_eq!(again.fingerprint(), schema.fingerprint());
    Some(schema)
}

fn compare(one: &Schema, other: &Schema) {
    for parties in [Parties::AT_SERVER, Parties::AT_WORKER] {
        let said = first_difference_between(parties, "job", one, other);
        if let Some(said) = said {
            let begin = said.chars().take(300).collect::<String>();
            assert!(
                said.len() < 64 * 1024 && !said.contains(char::is_control),
                "{} bytes: {begin:?}",
                said.len()
            );
        }
    }
}

/// A type of every shape.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape is looked at")]
struct Order {
    number: u64,
    customer: Option<String>,
    lines: Vec<Line>,
    total: (f64, [u8; 3]),
    notes: BTreeMap<String, Note>,
    when: std::time::Duration,
    parent: Option<Box<Self>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape is looked at")]
struct Line(u32, std::num::NonZeroU16, char);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape is looked at")]
enum Note {
    None,
    Text(String),
    Pair(i8, i128),
    Full { author: String, seen: bool },
}
