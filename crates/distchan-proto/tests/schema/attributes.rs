//! serde's attributes, each with its verdict.

use crate::check::{Format, SAME, case, check_in};
use distchan_proto::schema::Schema;
use serde::Deserialize;

#[test]
fn a_renamed_field_or_variant_counts_under_its_new_name() {
    case!(
        { #[derive(Deserialize)] struct Job { #[serde(rename = "b")] a: u8 } }
        { #[derive(Deserialize)] struct Job { b: u8 } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] #[serde(rename_all = "camelCase")] struct Job { page_count: u8 } }
        { #[derive(Deserialize)] struct Job { page_count: u8 } }
        "job: the server has a field `pageCount: u8` that this worker lacks"
    );
    case!(
        { #[derive(Deserialize)] #[serde(rename_all = "lowercase")] enum Job { Fast } }
        { #[derive(Deserialize)] enum Job { Fast } }
        "job: the server has variant `fast` where this worker has `Fast`"
    );
    case!(
        { #[derive(Deserialize)] #[serde(rename = "Task")] struct Job { a: u8 } }
        { #[derive(Deserialize)] struct Job { a: u8 } }
        SAME
    );
}

#[test]
fn an_alias_counts_as_one_more_field_or_variant() {
    case!(
        { #[derive(Deserialize)] struct Job { a: u8 } }
        { #[derive(Deserialize)] struct Job { #[serde(alias = "old")] a: u8 } }
        "job: this worker has a field `old: u8` that the server lacks"
    );
    case!(
        { #[derive(Deserialize)] struct Job { #[serde(alias = "old")] a: u8, b: u8 } }
        { #[derive(Deserialize)] struct Job { #[serde(alias = "old")] a: u8, b: bool } }
        "job.b: the server has u8, this worker has bool"
    );
    case!(
        { #[derive(Deserialize)] enum Job { #[serde(alias = "old")] A(u8), B } }
        { #[derive(Deserialize)] enum Job { A(u8), B } }
        "job: the server has a variant `old` that this worker lacks"
    );
    // What stands behind a struct with an alias is seen, which takes making one.
    case!(
        { #[derive(Deserialize)] struct Job(One, u8); #[derive(Deserialize)] struct One { #[serde(alias = "old")] a: u8 } }
        { #[derive(Deserialize)] struct Job(One, i8); #[derive(Deserialize)] struct One { #[serde(alias = "old")] a: u8 } }
        "job.1: the server has u8, this worker has i8"
    );
}

#[test]
fn a_skipped_field_or_variant_is_not_there() {
    case!(
        { #[derive(Deserialize)] struct Job { a: u8, #[serde(skip)] cache: Vec<u8>, b: u8 } }
        { #[derive(Deserialize)] struct Job { a: u8, b: u8 } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] enum Job { A, #[serde(skip)] B } }
        { #[derive(Deserialize)] enum Job { A } }
        SAME
    );
}

#[test]
fn defaults_and_strictness_cannot_be_seen() {
    case!(
        { #[derive(Deserialize)] struct Job { #[serde(default)] a: u8 } }
        { #[derive(Deserialize)] #[serde(deny_unknown_fields)] struct Job { a: u8 } }
        SAME
    );
    case!(
        { #[derive(Deserialize, Default)] #[serde(default)] struct Job { a: u8, b: String } }
        { #[derive(Deserialize)] struct Job { a: u8, b: String } }
        SAME
    );
}

#[test]
fn a_function_counts_by_what_it_asks_for() {
    case!(
        {
            #[derive(Deserialize)] struct Job { #[serde(deserialize_with = "as_text")] a: u8, b: bool }
            fn as_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
        { #[derive(Deserialize)] struct Job { a: u8, b: bool } }
        "job.a: the server has opaque str like \"0\", this worker has u8"
    );
    case!(
        {
            #[derive(Deserialize)] struct Job {
                #[serde(with = "one")] a: Vec<u8>,
                #[serde(with = "two")] b: Vec<u8>,
            }
            mod one {
                pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
                    <(u8, u8) as serde::Deserialize>::deserialize(from).map(|(a, b)| vec![a, b])
                }
            }
            mod two {
                pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
                    <u16 as serde::Deserialize>::deserialize(from).map(|both| both.to_be_bytes().to_vec())
                }
            }
        }
        { #[derive(Deserialize)] struct Job { a: (u8, u8), b: u16 } }
        SAME
    );
    case!(
        {
            #[derive(Deserialize)] struct Job { #[serde(with = "Local")] a: std::time::Duration }
            #[derive(Deserialize)] #[serde(remote = "std::time::Duration")] struct Local {
                #[serde(getter = "std::time::Duration::as_secs")] secs: u64,
                #[serde(getter = "std::time::Duration::subsec_nanos")] nanos: u32,
            }
            impl From<Local> for std::time::Duration {
                fn from(local: Local) -> Self { Self::new(local.secs, local.nanos) }
            }
        }
        { #[derive(Deserialize)] struct Job { a: std::time::Duration } }
        SAME
    );
}

#[test]
fn a_conversion_counts_as_what_it_converts_from() {
    case!(
        {
            #[derive(Deserialize)] #[serde(from = "(u8, String)")] struct Job { a: u8, b: String }
            impl From<(u8, String)> for Job { fn from((a, b): (u8, String)) -> Self { Self { a, b } } }
        }
        { type Job = (u8, String); #[derive(Deserialize)] struct Unused; }
        SAME
    );
    // One that refuses the small values is seen through nevertheless.
    case!(
        {
            #[derive(Deserialize)] #[serde(try_from = "Raw")] struct Job { a: u8 }
            #[derive(Deserialize)] struct Raw { a: u8, all: Vec<u8> }
            impl TryFrom<Raw> for Job {
                type Error = String;
                fn try_from(raw: Raw) -> Result<Self, String> { if raw.a > 200 { Ok(Self { a: 1 }) } else { Err(String::new()) } }
            }
        }
        { #[derive(Deserialize)] struct Job { a: u8, all: Vec<bool> } }
        "job.all[]: the server has u8, this worker has bool"
    );
    case!(
        { #[derive(Deserialize)] #[serde(transparent)] struct Job { only: Vec<u8> } }
        { #[derive(Deserialize)] struct Job(Vec<u8>); }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { a: std::borrow::Cow<'static, str> } }
        { #[derive(Deserialize)] struct Job { a: String } }
        SAME
    );
}

#[test]
fn the_variant_for_all_others_is_a_unit_variant() {
    case!(
        { #[derive(Deserialize)] enum Job { A, #[serde(other)] Rest } }
        { #[derive(Deserialize)] enum Job { A, Rest } }
        SAME
    );
}

#[test]
fn an_adjacently_tagged_enum_counts_by_tag_and_content() {
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A, B(u8), C(u8, u8), D(String, bool) } }
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A, B(u8), C(u8, u8), D(String, bool) } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(u8), B(u8), C(u8, u8) } }
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(u8), B(bool), C(u8, u8) } }
        "job.c::B: the server has u8, this worker has bool"
    );
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(Vec<u8>), B(u8) } }
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(Vec<bool>), B(u8) } }
        "job.c::A[]: the server has u8, this worker has bool"
    );
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(u8), B(u8) } }
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(u8), C(u8) } }
        "job.t: the server has variant `B` where this worker has `C`"
    );
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(Box<Job>), B(u8) } }
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(Box<Job>), B(i8) } }
        "job.c::B: the server has u8, this worker has i8"
    );
    case!(
        { #[derive(Deserialize)] #[serde(tag = "t", content = "c")] enum Job { A(u8) } }
        { #[derive(Deserialize)] enum Job { A(u8) } }
        "job: the server has struct Job {..}, this worker has enum Job {..}"
    );
}

/// What is inside can only be asked for by whoever knows the tag: a text format finds a difference itself, and no
/// binary one reads such types at all.
#[test]
fn what_can_only_be_read_as_anything_is_opaque() {
    #[derive(Deserialize)]
    #[serde(tag = "t")]
    enum Internal {
        A,
        B { x: u8 },
    }
    #[derive(Deserialize)]
    #[serde(tag = "t")]
    enum Other {
        A { y: bool },
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Text(String),
    }
    #[derive(Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        other: Other,
    }
    check_in::<Internal, Other>(Format::Text, SAME);
    check_in::<Internal, u8>(
        Format::Text,
        "job: the server has opaque any (internally tagged enum Internal), this worker has u8",
    );
    check_in::<Untagged, u8>(
        Format::Text,
        "job: the server has opaque any like an integer, this worker has u8",
    );
    check_in::<serde_json::Value, String>(Format::Text, "job: the server has any, this worker has String");
    check_in::<Untagged, serde_json::Value>(
        Format::Text,
        "job: the server has opaque any like an integer, this worker has any",
    );
    check_in::<Flat, u8>(Format::Text, "job: the server has Map<identifier, any>, this worker has u8");
    assert_eq!(Schema::of::<Vec<Internal>>(true).blind_spot("job").as_deref(), Some("job[]"));
    assert_eq!(Schema::of::<(u8, Flat)>(true).blind_spot("job").as_deref(), Some("job.1{key}"));
    assert_eq!(Schema::of::<serde_json::Value>(true).blind_spot("job"), None);
}
