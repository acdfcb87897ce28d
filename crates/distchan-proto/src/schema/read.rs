//! A schema from bytes that anyone may have sent.
//!
//! It must never panic, recurse, or allocate more than a small multiple of the bytes given.

use crate::schema::shape::{Kind, MAX_NODES, Node, Schema, Shape, tracked};
use crate::schema::wire::{
    BY_TAG, ENUM, LEAF, MAP, MAX_ENCODED, NEWTYPE_VARIANT, OMITTED, OPAQUE, OPTION, SEQ, STRUCT,
    STRUCT_VARIANT, TUPLE, TUPLE_VARIANT, UNIT_VARIANT, UNKNOWN, VERSION,
};
use std::fmt;

/// Why bytes are no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// They are more than [`MAX_ENCODED`].
    TooLong,
    /// They end in the middle, or go on after the end.
    WrongLength,
    /// They are of a version that this build does not know.
    Version(u8),
    /// They have more types than a schema may have, or none.
    Count,
    /// A type is of a kind that this build does not know, or a number in it makes no sense.
    Malformed,
    /// A type refers to one that is not there.
    DanglingReference,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the schema is longer than {MAX_ENCODED} bytes"),
            Self::WrongLength => f.write_str("the schema ends too early or too late"),
            Self::Version(version) => write!(f, "the schema is of the unknown version {version}"),
            Self::Count => write!(f, "the schema has no types or more than {MAX_NODES}"),
            Self::Malformed => f.write_str("the schema has a malformed type"),
            Self::DanglingReference => f.write_str("the schema refers to a type that it does not have"),
        }
    }
}

impl std::error::Error for SchemaError {}

impl Schema {
    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// The peer is to blame for every [`SchemaError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        if bytes.len() > MAX_ENCODED {
            return Err(SchemaError::TooLong);
        }
        let mut reader = Reader { rest: bytes, omitted: false, count: 0 };
        let version = reader.byte()?;
        if version != VERSION {
            return Err(SchemaError::Version(version));
        }
        reader.count = reader.number()?;
        if reader.count == 0 || reader.count > MAX_NODES {
            return Err(SchemaError::Count);
        }
        let mut nodes = Vec::new();
        for _ in 0..reader.count {
            nodes.push(reader.node()?);
        }
        if !reader.rest.is_empty() {
            return Err(SchemaError::WrongLength);
        }
        if reader.omitted {
            nodes.push(Node::leaf(Shape::Omitted));
        }
        Ok(Self::from_nodes(nodes))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    count: usize,
    /// Whether some reference was cut off, and needs a node to refer to.
    omitted: bool,
}

impl<'a> Reader<'a> {
    fn node(&mut self) -> Result<Node, SchemaError> {
        let mut node = Node::leaf(Shape::Unknown);
        let tag = self.byte()?;
        node.shape = match tag {
            UNKNOWN => Shape::Unknown,
            OMITTED => Shape::Omitted,
            OPTION => Shape::Option,
            SEQ => Shape::Seq,
            MAP => Shape::Map,
            UNIT_VARIANT => Shape::UnitVariant,
            NEWTYPE_VARIANT => Shape::NewtypeVariant,
            TUPLE => Shape::Tuple(self.varint()?),
            TUPLE_VARIANT => Shape::TupleVariant(self.varint()?),
            STRUCT => Shape::Struct(self.named(&mut node)?),
            ENUM => Shape::Enum(self.named(&mut node)?),
            BY_TAG => Shape::ByTag(self.named(&mut node)?),
            STRUCT_VARIANT => Shape::StructVariant(self.named(&mut node)?),
            LEAF..OPAQUE => Shape::Leaf(kind(tag - LEAF)?),
            OPAQUE.. => {
                let kind = kind(tag - OPAQUE)?;
                let sample = self.number()?;
                node.name = self.optional()?;
                let sample = sample.checked_sub(1).map(u8::try_from).transpose();
                Shape::Opaque { kind, sample: sample.map_err(|_| SchemaError::Malformed)? }
            }
            _ => return Err(SchemaError::Malformed),
        };
        if let Shape::Tuple(len) | Shape::TupleVariant(len) = node.shape {
            self.runs(tracked(len), &mut node)?;
        }
        while node.children.len() < node.shape.arity() {
            node.children.push(self.child()?);
        }
        Ok(node)
    }

    /// Reads the name of a node, its fields or variants, and the child of each.
    fn named(&mut self, node: &mut Node) -> Result<Vec<String>, SchemaError> {
        node.name = self.optional()?;
        let len = self.number()?;
        let mut names = Vec::new();
        for _ in 0..len {
            let len = self.number()?;
            names.push(self.text(len)?);
            node.children.push(self.child()?);
        }
        Ok(names)
    }

    fn runs(&mut self, len: usize, node: &mut Node) -> Result<(), SchemaError> {
        while node.children.len() < len {
            let repeat = self.number()?;
            if repeat == 0 || repeat > len - node.children.len() {
                return Err(SchemaError::Malformed);
            }
            let child = self.child()?;
            node.children.extend(std::iter::repeat_n(child, repeat));
        }
        Ok(())
    }

    fn child(&mut self) -> Result<usize, SchemaError> {
        let reference = self.number()?;
        if reference > self.count {
            return Err(SchemaError::DanglingReference);
        }
        self.omitted |= reference == 0;
        // What was cut off becomes one more node, behind all others.
        Ok(reference.checked_sub(1).unwrap_or(self.count))
    }

    fn optional(&mut self) -> Result<Option<String>, SchemaError> {
        let len = self.number()?;
        len.checked_sub(1).map(|len| self.text(len)).transpose()
    }

    fn text(&mut self, len: usize) -> Result<String, SchemaError> {
        let (text, rest) = self.rest.split_at_checked(len).ok_or(SchemaError::WrongLength)?;
        self.rest = rest;
        Ok(std::str::from_utf8(text).map_err(|_| SchemaError::Malformed)?.to_owned())
    }

    fn number(&mut self) -> Result<usize, SchemaError> {
        usize::try_from(self.varint()?).map_err(|_| SchemaError::Malformed)
    }

    fn varint(&mut self) -> Result<u64, SchemaError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(SchemaError::Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(SchemaError::Malformed)
    }

    fn byte(&mut self) -> Result<u8, SchemaError> {
        let (byte, rest) = self.rest.split_first().ok_or(SchemaError::WrongLength)?;
        self.rest = rest;
        Ok(*byte)
    }
}

fn kind(code: u8) -> Result<Kind, SchemaError> {
    Kind::from_code(code).ok_or(SchemaError::Malformed)
}
