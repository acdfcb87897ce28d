//! Fingerprints that must not change: another build, platform or compiler has to come to the same.
//!
//! If one changes on purpose, the domain string in `fingerprint.rs` must change with it.

use distchan_proto::schema::{Fingerprint, Schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Job {
    id: u64,
    pages: Vec<Page>,
    kind: Kind,
    extra: BTreeMap<String, Option<bool>>,
}

#[derive(Deserialize)]
struct Page {
    title: String,
    children: Vec<Page>,
    hash: [u8; 32],
}

#[derive(Deserialize)]
enum Kind {
    Plain,
    Sized(u32),
    Pair(f32, f64),
    Named { name: String, at: (i16, char) },
}

#[track_caller]
fn check<T: DeserializeOwned>(expected: &str) {
    assert_eq!(Schema::of::<T>(false).fingerprint().to_string(), expected);
}

#[test]
fn fingerprints_do_not_change() {
    check::<()>("3661ad199e374fcd3d3e3964dda36f06");
    check::<String>("983c6f44348c650caddbf6822ceb7bc3");
    check::<Vec<Option<u32>>>("efacab53cf87fed1939b355d04a643b6");
    check::<Kind>("2cf236c147ec7d41c1888a895c44b5d9");
    check::<Job>("143940503f8e10f806c64439b3f63945");
    check::<(uuid::Uuid, std::num::NonZeroU8, std::time::Duration)>("2b0cd1baffdc97f071b430833bf03e35");
}

#[test]
fn a_fingerprint_is_printed_in_hex() {
    let fingerprint = Fingerprint::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xfe, 0xff]);
    assert_eq!(fingerprint.to_string(), "000102030405060708090a0b0c0dfeff");
    assert_eq!(Fingerprint::from_bytes(fingerprint.to_bytes()), fingerprint);
}
