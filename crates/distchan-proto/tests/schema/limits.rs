//! Types that are too deep, too wide or too large to be traced or sent whole.

use crate::check::{SAME, check};
use distchan_proto::schema::{MAX_ENCODED, Schema, first_difference};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::sync::LazyLock;

/// `T` in 4 more structs.
#[derive(Deserialize)]
struct Deeper<T> {
    inner: ((Box<[T]>,), Option<T>),
}

type Deep16<T> = Deeper<Deeper<Deeper<Deeper<T>>>>;
type Deep256<T> = Deep16<Deep16<Deep16<Deep16<Deep16<Deep16<Deep16<Deep16<T>>>>>>>>;

#[test]
fn a_deep_type_is_seen_to_a_depth() {
    check::<Deep16<u8>, Deep16<u8>>(SAME);
    let difference =
        first_difference("job", &Schema::of::<Deep16<u8>>(false), &Schema::of::<Deep16<u16>>(false));
    assert!(difference.unwrap().ends_with(": the server has u8, this worker has u16"));
    assert_eq!(Schema::of::<Deep16<u8>>(false).blind_spot("job"), None);
    assert!(Schema::of::<Deep256<u8>>(false).blind_spot("job").is_some());
    check::<Deep256<u8>, Deep256<u16>>(SAME);
}

/// 4 times its content, so that a few of them in each other are too large to be made.
#[derive(Deserialize)]
struct Four<T>(Box<T>, Box<T>, Box<T>, Box<T>);

type Large1024<T> = Four<Four<Four<Four<Four<T>>>>>;

#[test]
fn a_value_that_is_too_large_to_be_made_ends_the_trace_in_time() {
    check::<Large1024<u8>, Large1024<u8>>(SAME);
    check::<Large1024<Large1024<u8>>, Large1024<Large1024<i8>>>(
        "job.0.0.0.0.0.0.0.0.0.0: the server has u8, this worker has i8",
    );
}

/// 32 times its content, without a box.
#[derive(Deserialize)]
struct Inline<T>([T; 32]);

#[test]
fn a_value_that_is_too_large_for_the_stack_is_unknown() {
    check::<Inline<Inline<u8>>, Inline<Inline<i8>>>("job.0.0: the server has u8, this worker has i8");
    type Large = Inline<Inline<Inline<u32>>>;
    assert_eq!(Schema::of::<Large>(false).blind_spot("job").as_deref(), Some("job"));
    assert_eq!(Schema::of::<(u8, Box<Large>)>(false).blind_spot("job").as_deref(), Some("job.1"));
}

/// An array of any length, as the crates for large arrays read it.
struct Long<const N: usize>;

impl<'de, const N: usize> Deserialize<'de> for Long<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Elements<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for Elements<N> {
            type Value = Long<N>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Long<N>, A::Error> {
                for _ in 0..N {
                    from.next_element::<u8>()?;
                }
                Ok(Long)
            }
        }
        from.deserialize_tuple(N, Elements)
    }
}

#[test]
fn a_long_array_counts_by_its_length() {
    check::<Long<4096>, Long<4096>>(SAME);
    check::<Long<4096>, Long<4097>>("job: the server has [u8; 4096], this worker has [u8; 4097]");
    check::<(Long<4096>, u8), (Long<4096>, bool)>("job.1: the server has u8, this worker has bool");
    check::<Long<{ usize::MAX }>, Long<{ usize::MAX }>>(SAME);
    assert_eq!(Schema::of::<(Long<1_000_000>, u8)>(false).blind_spot("job").as_deref(), Some("job.1"));
}

/// A struct with so many and so long names that it cannot be sent.
struct Large;

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..1000).map(|n| &*format!("{n:0100}").leak()).collect());

impl<'de> Deserialize<'de> for Large {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Large;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("very many bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Large, A::Error> {
                while from.next_entry::<String, u8>()?.is_some() {}
                Ok(Large)
            }
        }
        from.deserialize_struct("Large", &NAMES, Fields)
    }
}

#[test]
fn what_is_too_large_to_send_is_cut_but_still_has_its_fingerprint() {
    #[derive(Deserialize)]
    struct Inner {
        large: Vec<Large>,
        x: u8,
    }
    #[derive(Deserialize)]
    struct Other {
        large: Vec<Large>,
        x: bool,
    }
    #[derive(Deserialize)]
    struct Smaller {
        large: Vec<u8>,
        x: u8,
    }
    let schema = Schema::of::<Inner>(false);
    let bytes = schema.encode();
    assert!(bytes.len() <= MAX_ENCODED);
    let sent = Schema::decode(&bytes).unwrap();
    assert_eq!(Schema::decode(&sent.encode()), Ok(sent.clone()));
    assert_ne!(sent, schema);
    assert_ne!(schema.fingerprint(), Schema::of::<Other>(false).fingerprint());
    assert_eq!(
        first_difference("job", &sent, &schema).as_deref(),
        Some("job: the types differ in a part that was too large to send"),
    );
    assert_eq!(
        first_difference("job", &sent, &Schema::of::<Other>(false)).as_deref(),
        Some("job.x: the server has u8, this worker has bool"),
    );
    assert!(first_difference("job", &sent, &Schema::of::<Smaller>(false)).is_some());
    assert!(Schema::of::<Large>(false).encode().len() < 10);
}
