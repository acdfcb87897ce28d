//! What every codec owes its callers, whatever its format.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Picture {
    name: String,
    size: (u32, u16),
    parts: Vec<Part>,
    tags: BTreeMap<String, i64>,
    note: Option<String>,
    ratio: f64,
    seed: u128,
    offset: i128,
    letter: char,
    raw: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Part {
    Empty,
    Square(u64),
    Line(i8, i16),
    Text { text: String, bold: bool },
}

fn picture() -> Picture {
    Picture {
        name: "é \" \\ \n \u{1F600}".into(),
        size: (u32::MAX, 0),
        parts: vec![
            Part::Empty,
            Part::Square(u64::MAX),
            Part::Line(i8::MIN, i16::MAX),
            Part::Text { text: String::new(), bold: true },
        ],
        tags: BTreeMap::from([("a".into(), i64::MIN), (String::new(), 0)]),
        note: None,
        ratio: 0.1,
        seed: u128::MAX,
        offset: i128::MIN,
        letter: '\u{10FFFF}',
        raw: (0..=255).collect(),
    }
}

/// Writes two elements of a sequence, then ends as it is told.
enum Halfway {
    Fails,
    Panics,
}

impl Serialize for Halfway {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(3))?;
        sequence.serialize_element("some text that is written")?;
        match self {
            Self::Fails => Err(S::Error::custom("halfway")),
            Self::Panics => panic!("halfway"),
        }
    }
}

fn round_trips<C: Codec>() {
    fn check<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let mut out = b"before".to_vec();
        C::encode(value, &mut out).unwrap();
        let bytes = out.strip_prefix(b"before").expect("what was there is kept");
        assert_eq!(&C::decode::<T>(bytes).unwrap(), value, "{}", C::NAME);
    }
    check::<C, _>(&picture());
    check::<C, _>(&());
    check::<C, _>(&String::new());
    check::<C, _>(&Some(vec![Some(1u8), None]));
    check::<C, _>(&(u64::MAX, i64::MIN, f32::MIN_POSITIVE, f64::MAX, true));
    check::<C, _>(&std::net::Ipv6Addr::LOCALHOST);
    let mut unsized_value = Vec::new();
    C::encode("text", &mut unsized_value).unwrap();
    assert_eq!(C::decode::<String>(&unsized_value).unwrap(), "text");
}

fn keeps_the_buffer_when_it_fails<C: Codec>() {
    let mut out = b"before".to_vec();
    let error = C::encode(&Halfway::Fails, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    assert!(error.to_string().contains("Halfway"), "{error}");
    assert!(error.source().is_some());

    let panicked = catch_unwind(AssertUnwindSafe(|| C::encode(&Halfway::Panics, &mut out)));
    assert!(panicked.is_err());
    assert_eq!(out, b"before");
}

fn refuses_trailing_bytes<C: Codec>() {
    let mut out = Vec::new();
    C::encode(&picture(), &mut out).unwrap();
    out.extend_from_slice(&[1, 2, 3]);
    let error = C::decode::<Picture>(&out).unwrap_err();
    assert!(error.to_string().ends_with("3 bytes follow the value"), "{error}");
}

fn survives_garbage<C: Codec>() {
    let mut good = Vec::new();
    C::encode(&picture(), &mut good).unwrap();
    for length in 0..good.len() {
        assert!(C::decode::<Picture>(&good[..length]).is_err(), "{} cut to {length}", C::NAME);
    }
    // Every single byte replaced: an error or another picture, never a panic.
    for position in 0..good.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xc1, 0xdd, 0xdf, 0xff] {
            let mut bad = good.clone();
            bad[position] = byte;
            let _ = C::decode::<Picture>(&bad);
        }
    }
    let mut noise = 1u64;
    for length in 0..2000 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(length % 70)
        .collect();
        let _ = C::decode::<Picture>(&bytes);
        let _ = C::decode::<Vec<Vec<String>>>(&bytes);
    }
}

/// Types that can nest without end, each in another way.
#[derive(Debug, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Self>>,
    number: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Self>);

#[derive(Debug, Serialize, Deserialize)]
enum Term {
    Zero,
    Next(Box<Self>),
    Pair { left: Box<Self>, right: u8 },
    Both(u8, Box<Self>),
}

fn chain(depth: usize) -> Chain {
    (0..depth)
        .fold(Chain { next: None, number: 0 }, |inner, _| Chain { next: Some(Box::new(inner)), number: 1 })
}

fn tree(depth: usize) -> Tree {
    (0..depth).fold(Tree(Vec::new()), |inner, _| Tree(vec![inner]))
}

fn term(depth: usize) -> Term {
    (0..depth).fold(Term::Zero, |inner, step| match step % 3 {
        0 => Term::Next(Box::new(inner)),
        1 => Term::Pair { left: Box::new(inner), right: 1 },
        _ => Term::Both(1, Box::new(inner)),
    })
}

/// On a thread whose stack has room to write, and to drop, what must not be read with less.
fn bounds_depth<C: Codec>() {
    fn check<C: Codec, T: Serialize + DeserializeOwned + Debug + 'static>(make: fn(usize) -> T, kept: usize) {
        let encode = move |depth: usize| {
            let big = std::thread::Builder::new().stack_size(512 << 20);
            let encode = move || {
                let (mut out, value) = (Vec::new(), make(depth));
                C::encode(&value, &mut out).unwrap();
                out
            };
            big.spawn(encode).unwrap().join().unwrap()
        };
        C::decode::<T>(&encode(kept)).unwrap();
        for depth in [300, 10_000, 100_000] {
            let bytes = encode(depth);
            // The stack of one of tokio's threads.
            let small = std::thread::Builder::new().stack_size(2 << 20);
            let error =
                small.spawn(move || C::decode::<T>(&bytes).unwrap_err().to_string()).unwrap().join().unwrap();
            assert!(
                error.contains("deep") || error.contains("depth") || error.contains("recursion"),
                "{error}"
            );
        }
    }
    check::<C, Chain>(chain, 60);
    check::<C, Tree>(tree, 60);
    check::<C, Term>(term, 60);
}

macro_rules! every_codec {
    ($($codec:ident as $module:ident),*) => {$(
        mod $module {
            #[test]
            fn values_come_back() {
                super::round_trips::<super::$codec>();
            }

            #[test]
            fn the_buffer_is_as_before_when_encoding_fails() {
                super::keeps_the_buffer_when_it_fails::<super::$codec>();
            }

            #[test]
            fn bytes_behind_the_value_are_refused_and_counted() {
                super::refuses_trailing_bytes::<super::$codec>();
            }

            #[test]
            fn what_nests_too_deep_is_an_error_and_no_overflow() {
                super::bounds_depth::<super::$codec>();
            }

            #[test]
            fn garbage_is_an_error_and_never_a_panic() {
                super::survives_garbage::<super::$codec>();
            }
        }
    )*};
}

every_codec!(Postcard as on_postcard, Json as on_json, MessagePack as on_messagepack);

#[test]
fn an_error_is_one_pointer_wide() {
    assert_eq!(size_of::<Result<(), CodecError>>(), size_of::<usize>());
}
