//! The values that a trace offers to types, to see what they take.
//!
//! The position of the first value that a type takes is part of its fingerprint: append to these lists,
//! never reorder them.

use crate::schema::shape::Kind;
use serde::de::value::{Error as NoError, MapDeserializer, SeqDeserializer};
use serde::de::{Error, IntoDeserializer, Visitor};

/// Offered to all integers, as far as they fit.
const INTEGERS: [i128; 38] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 50, 64, 100, 127, 128, 200, 255, 256, 400, 404, 443, 500,
    512, 1000, 1024, 1970, 2000, 2024, 4096, 8080, 10_000, 65_535, -1, 1_000_000,
];

const FLOATS: [f32; 8] = [0.0, 1.0, 0.5, -1.0, 2.0, 10.0, 100.0, 1000.0];

const CHARS: [char; 8] = ['a', '0', 'A', ' ', '1', '-', '/', '\n'];

/// One of each textual form that types in wide use read.
const STRINGS: [&str; 42] = [
    "",
    "a",
    "0",
    "1",
    "A",
    "00000000-0000-0000-0000-000000000000",
    "1970-01-01",
    "00:00:00",
    "1970-01-01T00:00:00",
    "1970-01-01T00:00:00Z",
    "http://a/",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "127.0.0.0/8",
    "::/0",
    "1.0.0",
    "0.0",
    "true",
    "/",
    "/a",
    "a/a",
    "a@a.aa",
    "a.aa",
    "en",
    "en-US",
    "UTC",
    "Mon",
    "January",
    "+00:00",
    "1s",
    "PT1S",
    "00:00:00:00:00:00",
    "#000000",
    "00000000000000000000000000",
    "000000000000000000000000",
    "00000000000000000000000000000000",
    "0000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "AAAA",
    "USD",
];

/// The lengths at which all-zero bytes are offered.
const BYTES: [usize; 16] = [0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 33, 48, 64, 65, 128];
static ZEROS: [u8; 128] = [0; 128];

/// How many forms [`offer`] has for a type that takes whatever comes.
const ANY: usize = 8;

/// Returns how many samples there are of this kind: at least one, at most 64.
pub(super) fn count(kind: Kind) -> usize {
    match kind {
        Kind::Bool => 2,
        Kind::F32 | Kind::F64 => FLOATS.len(),
        Kind::Char => CHARS.len(),
        Kind::Str => STRINGS.len(),
        Kind::Bytes => BYTES.len(),
        // An identifier without a known name must not be one of the type's own by chance.
        Kind::Unit | Kind::Ignored | Kind::Identifier => 1,
        Kind::Any => ANY,
        Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 | Kind::I128 => integers(kind).count(),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::U128 => integers(kind).count(),
    }
}

/// Offers sample number `nth` (modulo their number) to the visitor, as a format would.
pub(super) fn offer<'de, V: Visitor<'de>, E: Error>(
    kind: Kind,
    nth: usize,
    visitor: V,
) -> Result<V::Value, E> {
    let nth = nth % count(kind);
    let integer = integers(kind).nth(nth).unwrap_or(0);
    let float = FLOATS.get(nth).copied().unwrap_or(0.0);
    // The samples were chosen by what fits, so that no conversion falls back.
    match kind {
        Kind::Bool => visitor.visit_bool(nth == 1),
        Kind::I8 => visitor.visit_i8(integer.try_into().unwrap_or(0)),
        Kind::I16 => visitor.visit_i16(integer.try_into().unwrap_or(0)),
        Kind::I32 => visitor.visit_i32(integer.try_into().unwrap_or(0)),
        Kind::I64 => visitor.visit_i64(integer.try_into().unwrap_or(0)),
        Kind::I128 => visitor.visit_i128(integer),
        Kind::U8 => visitor.visit_u8(integer.try_into().unwrap_or(0)),
        Kind::U16 => visitor.visit_u16(integer.try_into().unwrap_or(0)),
        Kind::U32 => visitor.visit_u32(integer.try_into().unwrap_or(0)),
        Kind::U64 => visitor.visit_u64(integer.try_into().unwrap_or(0)),
        Kind::U128 => visitor.visit_u128(integer.try_into().unwrap_or(0)),
        Kind::F32 => visitor.visit_f32(float),
        Kind::F64 => visitor.visit_f64(float.into()),
        Kind::Char => visitor.visit_char(CHARS.get(nth).copied().unwrap_or('a')),
        Kind::Str | Kind::Identifier => visitor.visit_borrowed_str(STRINGS.get(nth).copied().unwrap_or("")),
        Kind::Bytes => visitor.visit_borrowed_bytes(zeros(nth)),
        Kind::Unit | Kind::Ignored => visitor.visit_unit(),
        Kind::Any => offer_any(nth, visitor),
    }
}

/// Returns a sample as a person would write it, for messages about types that take it.
pub(super) fn text(kind: Kind, nth: u8) -> String {
    let nth = usize::from(nth);
    match kind {
        Kind::Bool => (nth == 1).to_string(),
        Kind::F32 | Kind::F64 => format!("{:?}", FLOATS.get(nth).copied().unwrap_or(0.0)),
        Kind::Char => format!("{:?}", CHARS.get(nth).copied().unwrap_or('a')),
        Kind::Str | Kind::Identifier => format!("{:?}", STRINGS.get(nth).copied().unwrap_or("")),
        Kind::Bytes => format!("{} bytes", zeros(nth).len()),
        Kind::Unit | Kind::Ignored => "()".to_owned(),
        Kind::Any => [
            "null",
            "a bool",
            "an integer",
            "a negative integer",
            "a float",
            "a string",
            "a map",
            "a sequence",
        ]
        .get(nth)
        .copied()
        .unwrap_or("null")
        .to_owned(),
        Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 | Kind::I128 => integer_text(kind, nth),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::U128 => integer_text(kind, nth),
    }
}

fn offer_any<'de, V: Visitor<'de>, E: Error>(nth: usize, visitor: V) -> Result<V::Value, E> {
    let nothing = std::iter::empty::<(&str, u8)>();
    match nth {
        0 => visitor.visit_unit(),
        1 => visitor.visit_bool(false),
        2 => visitor.visit_u64(0),
        3 => visitor.visit_i64(-1),
        4 => visitor.visit_f64(0.0),
        5 => visitor.visit_borrowed_str(""),
        6 => visitor.visit_map(MapDeserializer::<_, NoError>::new(nothing)).map_err(E::custom),
        _ => {
            let empty: SeqDeserializer<_, NoError> = Vec::<u8>::new().into_deserializer();
            visitor.visit_seq(empty).map_err(E::custom)
        }
    }
}

fn integer_text(kind: Kind, nth: usize) -> String {
    integers(kind).nth(nth).unwrap_or(0).to_string()
}

fn integers(kind: Kind) -> impl Iterator<Item = i128> {
    let (least, most): (i128, i128) = match kind {
        Kind::I8 => (i8::MIN.into(), i8::MAX.into()),
        Kind::I16 => (i16::MIN.into(), i16::MAX.into()),
        Kind::U8 => (0, u8::MAX.into()),
        Kind::U16 => (0, u16::MAX.into()),
        Kind::U32 | Kind::U64 | Kind::U128 => (0, i128::MAX),
        Kind::I32 | Kind::I64 | Kind::I128 => (i128::MIN, i128::MAX),
        Kind::Bool | Kind::F32 | Kind::F64 | Kind::Char | Kind::Str | Kind::Bytes => (0, 0),
        Kind::Unit | Kind::Any | Kind::Identifier | Kind::Ignored => (0, 0),
    };
    INTEGERS.into_iter().filter(move |integer| (least..=most).contains(integer))
}

fn zeros(nth: usize) -> &'static [u8] {
    let len = BYTES.get(nth).copied().unwrap_or(0);
    ZEROS.get(..len).unwrap_or(&[])
}
