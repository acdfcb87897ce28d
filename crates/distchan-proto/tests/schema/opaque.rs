//! Types that do not take every value of their kind.

use crate::check::{Format, SAME, case, check, check_in};
use chrono::{DateTime, NaiveDate, Utc};
use distchan_proto::schema::Schema;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::num::{NonZeroI8, NonZeroU32};
use url::Url;
use uuid::Uuid;

#[test]
fn what_does_not_take_zero_differs_from_what_does() {
    check::<NonZeroU32, NonZeroU32>(SAME);
    check::<NonZeroU32, u32>("job: the server has opaque u32 like 1, this worker has u32");
    check::<Vec<NonZeroI8>, Vec<i8>>("job[]: the server has opaque i8 like 1, this worker has i8");
}

#[test]
fn text_with_a_form_differs_from_other_text() {
    let text = Format::Text;
    check::<Url, Url>(SAME);
    check::<Url, String>("job: the server has opaque str like \"http://a/\", this worker has String");
    check_in::<Uuid, String>(
        text,
        "job: the server has opaque str like \"00000000-0000-0000-0000-000000000000\", this worker has String",
    );
    check_in::<Uuid, Uuid>(Format::Binary, SAME);
    check_in::<Uuid, [u8; 16]>(
        Format::Binary,
        "job: the server has opaque bytes like 16 bytes, this worker has [u8; 16]",
    );
    check::<DateTime<Utc>, NaiveDate>(
        "job: the server has opaque str like \"1970-01-01T00:00:00Z\", this worker has opaque str like \"1970-01-01\"",
    );
    check::<Option<DateTime<Utc>>, Option<DateTime<Utc>>>(SAME);
}

#[test]
fn what_stands_beside_such_a_type_is_seen() {
    check::<(Uuid, NonZeroU32, Url, u8), (Uuid, NonZeroU32, Url, u16)>(
        "job.3: the server has u8, this worker has u16",
    );
    check::<BTreeMap<Uuid, (Url, u8)>, BTreeMap<Uuid, (Url, u16)>>(
        "job{value}.1: the server has u8, this worker has u16",
    );
    case!(
        { #[derive(Deserialize)] struct Job { id: uuid::Uuid, at: chrono::DateTime<chrono::Utc>, pages: Vec<u8> } }
        { #[derive(Deserialize)] struct Job { id: uuid::Uuid, at: chrono::DateTime<chrono::Utc>, pages: Vec<u16> } }
        "job.pages[]: the server has u8, this worker has u16"
    );
}

/// Takes no sample at all.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match String::deserialize(from)?.as_str() {
            "picky" => Ok(Self),
            _ => Err(serde::de::Error::custom("not picky")),
        }
    }
}

/// Asks for nothing, and fails.
struct Refusing;

impl<'de> Deserialize<'de> for Refusing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("never"))
    }
}

/// Asks for nothing, and is there.
struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

/// Panics on what it does not like.
struct Fragile;

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        assert_eq!(u16::deserialize(from)?, 100, "this panic belongs to the test");
        Ok(Self)
    }
}

#[test]
fn what_takes_nothing_hides_only_the_rest_of_a_tuple() {
    let expected = "job: the server has opaque str (a string), this worker has String";
    check::<Picky, String>(expected);
    check::<Picky, Picky>(SAME);
    check::<BTreeMap<Picky, u8>, BTreeMap<Picky, u16>>("job{value}: the server has u8, this worker has u16");
    check::<Result<Picky, u8>, Result<Picky, u16>>("job::Err: the server has u8, this worker has u16");
    check::<(u8, Picky), (u16, Picky)>("job.0: the server has u8, this worker has u16");

    #[derive(Deserialize)]
    struct Server {
        picky: Picky,
        refusing: Refusing,
        x: u8,
        last: Option<Vec<Picky>>,
    }
    #[derive(Deserialize)]
    struct Worker {
        picky: Picky,
        refusing: Refusing,
        x: u16,
        last: Option<Vec<Picky>>,
    }
    check::<Server, Worker>("job.x: the server has u8, this worker has u16");
    assert_eq!(Schema::of::<Server>(false).blind_spot("job").as_deref(), Some("job.refusing"));

    // The limit: a tuple is read in order, and stops there.
    check::<(Picky, u8), (Picky, u16)>(SAME);
    assert_eq!(Schema::of::<(Picky, u8)>(false).blind_spot("job").as_deref(), Some("job.1"));
    assert_eq!(Schema::of::<(u8, Picky)>(false).blind_spot("job"), None);
}

#[test]
fn odd_implementations_have_a_verdict() {
    check::<Refusing, Refusing>(SAME);
    check::<Refusing, u8>("job: the server has an unknown type, this worker has u8");
    check::<Present, ()>(SAME);
    check::<(Fragile, u8), (Fragile, u16)>("job.1: the server has u8, this worker has u16");
    check::<Fragile, u16>("job: the server has opaque u16 like 100, this worker has u16");
}
