//! Types without attributes: kinds, widths, fields, variants, tuples, maps.

use crate::check::{Format, SAME, case, check, check_in};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

#[test]
fn kinds_and_widths_count() {
    check::<u32, u32>(SAME);
    check::<u32, u64>("job: the server has u32, this worker has u64");
    check::<u32, i32>("job: the server has u32, this worker has i32");
    check::<u128, i128>("job: the server has u128, this worker has i128");
    check::<u8, bool>("job: the server has u8, this worker has bool");
    check::<f32, f64>("job: the server has f32, this worker has f64");
    check::<String, char>("job: the server has String, this worker has char");
    check::<usize, u64>(SAME);
    check::<(), Option<()>>("job: the server has (), this worker has Option<()>");
    check::<String, Option<String>>("job: the server has String, this worker has Option<String>");
    check::<Option<u8>, Option<u16>>("job?: the server has u8, this worker has u16");
    check::<Vec<u8>, Vec<u16>>("job[]: the server has u8, this worker has u16");
    check::<Vec<u8>, serde_bytes::ByteBuf>("job: the server has Vec<u8>, this worker has bytes");
    check::<String, serde_bytes::ByteBuf>("job: the server has String, this worker has bytes");
}

#[test]
fn what_holds_a_value_does_not_count() {
    check::<Box<u8>, u8>(SAME);
    check::<Cow<'static, str>, String>(SAME);
    check::<Box<str>, String>(SAME);
    check::<Box<[u8]>, Vec<u8>>(SAME);
    check::<BTreeSet<String>, VecDeque<String>>(SAME);
    check::<std::cell::Cell<u8>, u8>(SAME);
    check::<std::num::Wrapping<u8>, u8>(SAME);
    check::<PhantomData<u8>, ()>(SAME);
    check::<std::path::PathBuf, String>(SAME);
    check::<Box<Box<Option<u8>>>, Option<Box<u8>>>(SAME);
}

#[test]
fn tuples_and_arrays_count_by_length() {
    check::<(u8, u8, u8), [u8; 3]>(SAME);
    check::<[u8; 16], [u8; 32]>("job: the server has [u8; 16], this worker has [u8; 32]");
    check::<[u8; 16], Vec<u8>>("job: the server has [u8; 16], this worker has Vec<u8>");
    check::<(u8, String), (u8, String, bool)>(
        "job: the server has (u8, String), this worker has (u8, String, bool)",
    );
    check::<(u8, String), (u8, char)>("job.1: the server has String, this worker has char");
    check::<(u8,), u8>("job: the server has (u8,), this worker has u8");
    check::<[[u8; 4]; 4], [[u8; 4]; 5]>("job: the server has [[u8; 4]; 4], this worker has [[u8; 4]; 5]");
    check::<[[u8; 4]; 4], [[u8; 5]; 4]>("job.0: the server has [u8; 4], this worker has [u8; 5]");
}

#[test]
fn maps_count_by_key_and_value() {
    check::<BTreeMap<String, u8>, BTreeMap<String, u8>>(SAME);
    check::<BTreeMap<String, u8>, BTreeMap<u32, u8>>("job{key}: the server has String, this worker has u32");
    check::<BTreeMap<String, u8>, BTreeMap<String, bool>>(
        "job{value}: the server has u8, this worker has bool",
    );
    check::<BTreeMap<String, u8>, Vec<(String, u8)>>(
        "job: the server has Map<String, u8>, this worker has Vec<(String, u8)>",
    );
}

#[test]
fn standard_types_have_a_shape() {
    check::<Result<u8, String>, Result<u8, u8>>("job::Err: the server has String, this worker has u8");
    check::<Duration, Duration>(SAME);
    check::<Duration, u64>("job: the server has struct Duration {..}, this worker has u64");
    check::<Duration, SystemTime>("job: the server has a field `secs: u64` that this worker lacks");
    check::<std::ops::Range<u8>, std::ops::RangeInclusive<u8>>(SAME);
    check::<std::ops::Bound<u8>, Option<u8>>(
        "job: the server has enum Bound {..}, this worker has Option<u8>",
    );
    let text = "job: the server has opaque str like \"127.0.0.1\", this worker has String";
    check_in::<IpAddr, String>(Format::Text, text);
    let binary = "job: the server has enum IpAddr {..}, this worker has String";
    check_in::<IpAddr, String>(Format::Binary, binary);
}

#[test]
fn fields_count_by_name_type_and_order() {
    case!(
        { #[derive(Deserialize)] struct Job { a: u8, b: String } }
        { #[derive(Deserialize)] struct Job { a: u8, b: String } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { pages: Vec<Page> } #[derive(Deserialize)] struct Page { title: String } }
        { #[derive(Deserialize)] struct Job { pages: Vec<Page> } #[derive(Deserialize)] struct Page { title: Option<String> } }
        "job.pages[].title: the server has String, this worker has Option<String>"
    );
    case!(
        { #[derive(Deserialize)] struct Job { pages: Vec<Page> } #[derive(Deserialize)] struct Page { title: String, x: u32 } }
        { #[derive(Deserialize)] struct Job { pages: Vec<Page> } #[derive(Deserialize)] struct Page { title: String } }
        "job.pages[]: the server has a field `x: u32` that this worker lacks"
    );
    case!(
        { #[derive(Deserialize)] struct Job { a: u8 } }
        { #[derive(Deserialize)] struct Job { a: u8, page: Option<Page> } #[derive(Deserialize)] struct Page { x: u8 } }
        "job: this worker has a field `page: Option<Page>` that the server lacks"
    );
    case!(
        { #[derive(Deserialize)] struct Job { a: u8, b: u8 } }
        { #[derive(Deserialize)] struct Job { b: u8, a: u8 } }
        "job: the server's fields are `a, b`, this worker's are `b, a`"
    );
    case!(
        { #[derive(Deserialize)] struct Job { map: Map } type Map = std::collections::BTreeMap<String, Vec<u8>>; }
        { #[derive(Deserialize)] struct Job { map: Map } type Map = std::collections::BTreeMap<String, Vec<i8>>; }
        "job.map{value}[]: the server has u8, this worker has i8"
    );
}

#[test]
fn names_of_types_do_not_count() {
    case!(
        { type Job = Old; #[derive(Deserialize)] struct Old { a: u8 } }
        { type Job = New; #[derive(Deserialize)] struct New { a: u8 } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { id: Id } #[derive(Deserialize)] struct Id(u64); }
        { #[derive(Deserialize)] struct Job { id: u64 } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job(u8, String); }
        { type Job = (u8, String); }
        SAME
    );
    case!({ #[derive(Deserialize)] struct Job; } { type Job = (); } SAME);
    case!(
        { #[derive(Deserialize)] struct Job { a: u8 } }
        { #[derive(Deserialize)] struct Job(u8); }
        "job: the server has struct Job {..}, this worker has u8"
    );
    case!(
        { #[derive(Deserialize)] struct Job {} }
        { #[derive(Deserialize)] struct Job; }
        "job: the server has struct Job {..}, this worker has ()"
    );
}

#[test]
fn variants_count_by_name_order_and_content() {
    case!(
        { #[derive(Deserialize)] enum Job { A, B(u8), C(u8, bool), D { x: u8 } } }
        { #[derive(Deserialize)] enum Job { A, B(u8), C(u8, bool), D { x: u8 } } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { kind: Kind } #[derive(Deserialize)] enum Kind { Slow, Fast } }
        { #[derive(Deserialize)] struct Job { kind: Kind } #[derive(Deserialize)] enum Kind { Slow, Quick } }
        "job.kind: the server has variant `Fast` where this worker has `Quick`"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A, B } }
        { #[derive(Deserialize)] enum Job { B, A } }
        "job: the server's variants are `A, B`, this worker's are `B, A`"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A, B } }
        { #[derive(Deserialize)] enum Job { A } }
        "job: the server has a variant `B` that this worker lacks"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A } }
        { #[derive(Deserialize)] enum Job { A, B } }
        "job: this worker has a variant `B` that the server lacks"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A(u8) } }
        { #[derive(Deserialize)] enum Job { A(i8) } }
        "job::A: the server has u8, this worker has i8"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A, B(u8, u16) } }
        { #[derive(Deserialize)] enum Job { A, B(u8, u32) } }
        "job::B.1: the server has u16, this worker has u32"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A, B { x: u8, y: bool } } }
        { #[derive(Deserialize)] enum Job { A, B { x: u8, y: u8 } } }
        "job::B.y: the server has bool, this worker has u8"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A } }
        { #[derive(Deserialize)] enum Job { A(u8) } }
        "job::A: the server has a unit variant, this worker has a variant with (u8)"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A(u8, bool) } }
        { #[derive(Deserialize)] enum Job { A { x: u8, y: bool } } }
        "job::A: the server has a variant with (u8, bool), this worker has a variant with fields `x, y`"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A { x: u8 } } }
        { #[derive(Deserialize)] enum Job { A { y: u8 } } }
        "job::A: the server has a field `x: u8` that this worker lacks"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A } }
        { #[derive(Deserialize)] struct Job { a: u8 } }
        "job: the server has enum Job {..}, this worker has struct Job {..}"
    );
    case!({ #[derive(Deserialize)] enum Job {} } { #[derive(Deserialize)] enum Job {} } SAME);
}
