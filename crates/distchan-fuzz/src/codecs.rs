//! Values from bytes that anyone may have sent, in every codec: one that is read is written and read again as the same, in its own codec and,
//! where both can carry it, in the others. Nothing that nests deep overflows the stack.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use distchan::codec::{Codec, Json, MessagePack, Postcard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::script::Script;

/// The first byte says which codec, and which type.
pub fn codecs(data: &[u8]) {
    let mut script = Script::new(data);
    let choice = script.byte();
    let bytes = script.rest();
    match choice % 3 {
        0 => of_type::<Postcard>(choice / 3, bytes),
        1 => of_type::<Json>(choice / 3, bytes),
        _ => of_type::<MessagePack>(choice / 3, bytes),
    }
}

fn of_type<C: Codec>(choice: u8, bytes: &[u8]) {
    match choice % 12 {
        0 => check::<C, Everything>(bytes),
        1 => check::<C, Tree>(bytes),
        2 => check::<C, Nested>(bytes),
        3 => check::<C, Vec<Shape>>(bytes),
        4 => check::<C, Untagged>(bytes),
        5 => check::<C, Tagged>(bytes),
        6 => check::<C, serde_json::Value>(bytes),
        7 => check::<C, BTreeMap<String, Vec<Option<i64>>>>(bytes),
        8 => check::<C, (u128, i128, char, bool, f32)>(bytes),
        9 => check::<C, Vec<()>>(&bytes[..bytes.len().min(64)]),
        10 => check::<C, Flat>(bytes),
        _ => check::<C, String>(bytes),
    }
}

fn check<C: Codec, T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = C::decode::<T>(bytes) else { return };
    same::<C, T>(&value, true);
    same::<Postcard, T>(&value, false);
    same::<Json, T>(&value, false);
    same::<MessagePack, T>(&value, false);
}

/// Compares by the bytes, since a NaN equals nothing. In another codec there may be no form for it, or it may be read with another meaning that is
/// documented (`Some(None)`, and an infinity in JSON): but what has been read once stays what it is.
fn same<C: Codec, T: Serialize + DeserializeOwned>(value: &T, is_own: bool) {
    let mut written = b"before".to_vec();
    if C::encode(value, &mut written).is_err() {
        assert_eq!(written, b"before", "what was there is kept");
        return;
    }
    let written = written.strip_prefix(b"before").expect("what was there is kept");
    let Ok(read) = C::decode::<T>(written) else {
        assert!(!is_own, "{} does not read what it has written", C::NAME);
        return;
    };
    let mut again = Vec::new();
    C::encode(&read, &mut again).expect("it could be written before");
    if is_own {
        assert_eq!(again, written, "{} has read another value than it has written", C::NAME);
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Everything {
    name: String,
    size: (u32, u16),
    shapes: Vec<Shape>,
    tags: BTreeMap<String, i64>,
    note: Option<String>,
    ratio: f64,
    seed: u128,
    letter: char,
    address: IpAddr,
    lasts: Duration,
    raw: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Empty,
    Square(u64),
    Line(i8, i16),
    Text { text: String, bold: bool },
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Self>);

#[derive(Debug, Serialize, Deserialize)]
enum Nested {
    Leaf,
    Next(Option<Box<Self>>),
    Field { inner: Box<Self>, other: BTreeMap<u8, Self> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Metres { metres: i32 },
    Many(Vec<Self>),
    Text(String),
    Number(f64),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of")]
enum Tagged {
    One(u8),
    Two(Box<Self>, Vec<Self>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<u32>,
    #[serde(default)]
    high: Option<i8>,
    #[serde(flatten)]
    others: BTreeMap<String, bool>,
}
