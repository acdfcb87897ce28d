//! Types that contain themselves, and different types that share a name.

use crate::check::{SAME, case};
use distchan_proto::schema::Schema;
use serde::Deserialize;

#[test]
fn a_type_may_contain_itself_in_a_box() {
    case!(
        { #[derive(Deserialize)] enum Job { Leaf(u8), Node(Box<Job>, Box<Job>) } }
        { #[derive(Deserialize)] enum Job { Leaf(u8), Node(Box<Job>, Box<Job>) } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] enum Job { Node(Box<Job>, Box<Job>, u8), Leaf(u8) } }
        { #[derive(Deserialize)] enum Job { Node(Box<Job>, Box<Job>, u16), Leaf(u8) } }
        "job::Node.2: the server has u8, this worker has u16"
    );
    case!(
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>>, x: u8 } }
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>>, x: u8 } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>>, x: u8 } }
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>>, x: i8 } }
        "job.x: the server has u8, this worker has i8"
    );
}

#[test]
fn a_type_may_contain_itself_in_a_sequence_or_map() {
    case!(
        { #[derive(Deserialize)] struct Job { name: String, children: Vec<Job> } }
        { #[derive(Deserialize)] struct Job { name: String, children: Vec<Job> } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job(Vec<Job>); }
        { #[derive(Deserialize)] #[serde(transparent)] struct Job { all: Vec<Job> } }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job(Vec<Job>); }
        { #[derive(Deserialize)] struct Job(Option<Box<Job>>); }
        "job: the server has Vec<Vec<Vec<Vec<Vec<..>>>>>, this worker has Option<Option<Option<Option<Option<..>>>>>"
    );
    case!(
        { #[derive(Deserialize)] struct Job(std::collections::BTreeMap<String, (u8, Job)>); }
        { #[derive(Deserialize)] struct Job(std::collections::BTreeMap<String, (u16, Job)>); }
        "job{value}.0: the server has u8, this worker has u16"
    );
}

#[test]
fn types_may_contain_each_other() {
    case!(
        {
            #[derive(Deserialize)] struct Job { file: Option<Box<File>> }
            #[derive(Deserialize)] struct File { dir: Box<Dir>, x: u8 }
            #[derive(Deserialize)] enum Dir { In(Box<File>), Jobs(Vec<Job>), Root }
        }
        {
            #[derive(Deserialize)] struct Job { file: Option<Box<File>> }
            #[derive(Deserialize)] struct File { dir: Box<Dir>, x: u8 }
            #[derive(Deserialize)] enum Dir { In(Box<File>), Jobs(Vec<Job>), Root(u8) }
        }
        "job.file?.dir::Root: the server has a unit variant, this worker has a variant with (u8)"
    );
    // An enum whose first variants all lead back to one that is being made.
    case!(
        {
            #[derive(Deserialize)] struct Job(A, u8);
            #[derive(Deserialize)] enum A { B(Box<B>), C(Box<C>), End }
            #[derive(Deserialize)] enum B { A(Box<A>), C(Box<C>) }
            #[derive(Deserialize)] enum C { A(Box<A>), B(Box<B>) }
        }
        {
            #[derive(Deserialize)] struct Job(A, u16);
            #[derive(Deserialize)] enum A { B(Box<B>), C(Box<C>), End }
            #[derive(Deserialize)] enum B { A(Box<A>), C(Box<C>) }
            #[derive(Deserialize)] enum C { A(Box<A>), B(Box<B>) }
        }
        "job.1: the server has u8, this worker has u16"
    );
}

#[test]
fn how_far_a_recursion_is_unrolled_does_not_count() {
    case!(
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>> } }
        {
            #[derive(Deserialize)] struct Job { next: Option<Box<Even>> }
            #[derive(Deserialize)] struct Even { next: Option<Box<Odd>> }
            #[derive(Deserialize)] struct Odd { next: Option<Box<Even>> }
        }
        SAME
    );
    case!(
        { #[derive(Deserialize)] struct Job { next: Option<Box<Job>> } }
        {
            #[derive(Deserialize)] struct Job { next: Option<Box<Inner>> }
            #[derive(Deserialize)] struct Inner { next: Vec<Inner> }
        }
        "job.next?.next: the server has Option<Job>, this worker has Vec<Inner>"
    );
}

#[test]
fn a_generic_type_has_a_shape_for_each_argument() {
    case!(
        {
            #[derive(Deserialize)] struct Job { a: Wrapper<u32>, b: Wrapper<String>, c: Wrapper<Wrapper<u8>> }
            #[derive(Deserialize)] struct Wrapper<T> { inner: T }
        }
        {
            #[derive(Deserialize)] struct Job { a: Wrapper<u32>, b: Wrapper<u32>, c: Wrapper<Wrapper<u8>> }
            #[derive(Deserialize)] struct Wrapper<T> { inner: T }
        }
        "job.b.inner: the server has String, this worker has u32"
    );
    case!(
        {
            #[derive(Deserialize)] struct Job { a: Wrapper<u32>, b: Wrapper<Wrapper<u8>> }
            #[derive(Deserialize)] enum Wrapper<T> { None, Some(T) }
        }
        {
            #[derive(Deserialize)] struct Job { a: Wrapper<u32>, b: Wrapper<Wrapper<i8>> }
            #[derive(Deserialize)] enum Wrapper<T> { None, Some(T) }
        }
        "job.b::Some::Some: the server has u8, this worker has i8"
    );
}

#[test]
fn types_of_one_name_in_two_modules_are_two_types() {
    case!(
        {
            #[derive(Deserialize)] struct Job { a: one::Page, b: two::Page }
            mod one { #[derive(serde::Deserialize)] pub(super) struct Page { x: u8 } }
            mod two { #[derive(serde::Deserialize)] pub(super) struct Page { x: String } }
        }
        {
            #[derive(Deserialize)] struct Job { a: one::Page, b: two::Page }
            mod one { #[derive(serde::Deserialize)] pub(super) struct Page { x: u8 } }
            mod two { #[derive(serde::Deserialize)] pub(super) struct Page { x: char } }
        }
        "job.b.x: the server has String, this worker has char"
    );
}

/// Variants whose visitors all have one name for the compiler.
#[test]
fn variants_of_equal_length_are_not_confused() {
    case!(
        { #[derive(Deserialize)] enum Job { A(u8, u8), B(String, String), C { x: u8 }, D { x: bool } } }
        { #[derive(Deserialize)] enum Job { A(u8, u8), B(String, char), C { x: u8 }, D { x: bool } } }
        "job::B.1: the server has String, this worker has char"
    );
    case!(
        { #[derive(Deserialize)] enum Job { A(u8, u8), B(String, String), C { x: u8 }, D { x: bool } } }
        { #[derive(Deserialize)] enum Job { A(u8, u8), B(String, String), C { x: u8 }, D { x: u8 } } }
        "job::D.x: the server has bool, this worker has u8"
    );
}

#[test]
fn a_recursive_type_has_no_blind_spot() {
    #[derive(Deserialize)]
    enum Expression {
        Sum(Vec<Self>),
        Not(Box<Self>),
        If { condition: Box<Self>, then: Box<Self>, otherwise: Option<Box<Self>> },
        Pair(Box<(Self, Self)>),
        Literal(f64),
    }
    assert_eq!(Schema::of::<Expression>(false).blind_spot("job"), None);
    assert_eq!(Schema::of::<(Expression, Expression)>(true).blind_spot("job"), None);
}
