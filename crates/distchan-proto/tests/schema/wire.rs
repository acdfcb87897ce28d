//! The wire form: what does not fit, and what a peer may send.

use distchan_proto::schema::{MAX_ENCODED, Schema, SchemaError, first_difference};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Job {
    id: uuid::Uuid,
    pages: Vec<Page>,
    tree: Tree,
    sizes: [u16; 32],
}

#[derive(Deserialize)]
struct Page {
    title: String,
    links: BTreeMap<String, Option<url::Url>>,
}

#[derive(Deserialize)]
enum Tree {
    Node(Box<Tree>, Box<Tree>),
    Leaf { value: f64 },
    Empty,
}

/// A deterministic stream of numbers (xorshift64*), the same on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Does everything that is done with a peer's schema.
fn use_schema(bytes: &[u8], own: &Schema) -> bool {
    let Ok(schema) = Schema::decode(bytes) else {
        return false;
    };
    let message = first_difference("job", own, &schema).or_else(|| first_difference("job", &schema, own));
    if let Some(message) = message {
        assert!(message.len() < 4096, "a message of {} bytes", message.len());
        assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
    }
    let _ = schema.blind_spot("job");
    let again = schema.encode();
    assert!(again.len() <= MAX_ENCODED);
    assert_eq!(Schema::decode(&again), Ok(schema));
    true
}

#[test]
fn mutated_bytes_never_panic() {
    let own = Schema::of::<Job>(false);
    let valid = own.encode();
    assert!(valid.len() < 300, "{} bytes", valid.len());
    let mut random = Random(0x5eed);
    let mut decoded = 0;
    for _ in 0..150_000 {
        let mut bytes = valid.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = random.byte(),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.insert(at, random.byte()),
                3 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes[at] = bytes[at].wrapping_add(1),
            }
        }
        decoded += u32::from(use_schema(&bytes, &own));
    }
    assert!(decoded > 1000, "only {decoded} were valid: the mutations are too wild to test anything");
}

#[test]
fn random_bytes_never_panic() {
    let own = Schema::of::<Job>(false);
    let mut random = Random(0xdead);
    for _ in 0..50_000 {
        let mut bytes = vec![1, u8::try_from(random.below(20)).unwrap()];
        bytes.extend((0..random.below(60)).map(|_| random.byte() % 0x60));
        use_schema(&bytes, &own);
    }
}

#[test]
fn every_shorter_and_longer_form_is_refused() {
    let valid = Schema::of::<Job>(false).encode();
    for len in 0..valid.len() {
        Schema::decode(&valid[..len]).unwrap_err();
    }
    let mut longer = valid;
    longer.push(0);
    assert_eq!(Schema::decode(&longer), Err(SchemaError::WrongLength));
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_eq!(Schema::decode(&[]), Err(SchemaError::WrongLength));
    assert_eq!(Schema::decode(&[2, 1, 1]), Err(SchemaError::Version(2)));
    assert_eq!(Schema::decode(&[1, 0]), Err(SchemaError::Count));
    assert_eq!(Schema::decode(&[1, 0xff, 0xff, 0x7f]), Err(SchemaError::Count));
    assert_eq!(Schema::decode(&[1, 1, 0]), Err(SchemaError::Malformed));
    assert_eq!(Schema::decode(&[1, 1, 2, 2]), Err(SchemaError::DanglingReference));
    // A tuple of more elements than its length, and of none.
    assert_eq!(Schema::decode(&[1, 1, 5, 2, 3, 1]), Err(SchemaError::Malformed));
    assert_eq!(Schema::decode(&[1, 1, 5, 2, 0, 1]), Err(SchemaError::Malformed));
    // A name that is longer than what follows, and one that is no text.
    assert_eq!(Schema::decode(&[1, 1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(SchemaError::WrongLength));
    assert_eq!(Schema::decode(&[1, 1, 6, 2, 0xff, 0]), Err(SchemaError::Malformed));
    assert_eq!(Schema::decode(&vec![1; MAX_ENCODED + 1]), Err(SchemaError::TooLong));
}

/// Writes a schema by hand: a chain of `len` options around a bool, or around the first of them.
fn chain(len: usize, around: &[u8]) -> Vec<u8> {
    let varint =
        |number: usize| [u8::try_from(number % 128).unwrap() | 0x80, u8::try_from(number / 128).unwrap()];
    let mut bytes = vec![1];
    bytes.extend(varint(len + 1));
    for next in 2..len + 2 {
        bytes.push(2);
        bytes.extend(varint(next));
    }
    bytes.extend(around);
    bytes
}

#[test]
fn the_worst_graphs_are_compared_in_time() {
    let to_bool = Schema::decode(&chain(2000, &[0x20])).unwrap();
    let to_unit = Schema::decode(&chain(2000, &[0x30])).unwrap();
    let difference = first_difference("job", &to_bool, &to_unit).unwrap();
    assert!(difference.ends_with(": the server has bool, this worker has ()"), "{difference}");
    assert!(difference.chars().count() < 300, "{difference}");
    assert_ne!(to_bool.fingerprint(), to_unit.fingerprint());

    // Circles of lengths without a common divisor: as many pairs as their product.
    let one = Schema::decode(&chain(1998, &[2, 1])).unwrap();
    let other = Schema::decode(&chain(2001, &[2, 1])).unwrap();
    let difference = first_difference("job", &one, &other);
    assert_eq!(difference.as_deref(), Some("job: the types differ, and are too large to say where"));
    assert_eq!(one.fingerprint(), other.fingerprint());
}

#[test]
fn a_few_bytes_are_not_described_at_length() {
    // Tuples of tuples, which are all of one type: two kinds of elements, since equal ones are printed as an array.
    let tuples = Schema::decode(&[1, 1, 5, 0xd0, 0xd0, 0xd0, 0xd0, 0x67, 1, 0, 0x3f, 1]).unwrap();
    let own = Schema::of::<Job>(false);
    for difference in [first_difference("job", &tuples, &own), first_difference("job", &own, &tuples)] {
        let length = difference.unwrap().len();
        assert!(length < 4096, "{length} bytes");
    }
}

#[test]
fn names_are_escaped_and_cut() {
    let schema = |name: &str| {
        let mut bytes = vec![1, 2, 6, 0, 1, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend([2, 0x20]);
        Schema::decode(&bytes).unwrap()
    };
    let difference = first_difference("job", &schema("a"), &schema("a\u{1b}[2J\n\u{202e}")).unwrap();
    assert_eq!(difference, "job: the server has a field `a: bool` that this worker lacks");
    let difference = first_difference("job", &schema("a\u{1b}[2J\n\u{202e}"), &schema("a")).unwrap();
    assert_eq!(
        difference,
        "job: the server has a field `a\\u{1b}[2J\\n\\u{202e}: bool` that this worker lacks"
    );
    let difference = first_difference("job", &schema(&"x".repeat(100)), &schema("a")).unwrap();
    let name = "x".repeat(64);
    assert_eq!(difference, format!("job: the server has a field `{name}…: bool` that this worker lacks"));
}
