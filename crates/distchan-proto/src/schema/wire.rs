//! The bytes of a schema: compact enough to go along when two fingerprints differ.
//!
//! It must never write more than may be sent, nor two forms of one schema.
//!
//! ```text
//! schema = version:u8 count:varint node*count          the first node is the root
//! node   = tag:u8 [sample:varint] [name] [len:varint] [name*len] [children]
//! name   = len:varint utf8                             len + 1 where the name may be missing, 0 = missing
//! child  = varint                                      0 = cut off, otherwise index + 1
//! children of a tuple = (repeat:varint child)*         as many as make up its first 64 elements
//! ```

use crate::schema::shape::{MAX_NODES, Node, Schema, Shape};

/// The most bytes that a schema has on the wire.
pub const MAX_ENCODED: usize = crate::limits::MAX_SCHEMA;

pub(super) const VERSION: u8 = 1;
/// The version and the longest count.
pub(super) const HEADER: usize = 4;

pub(super) const UNKNOWN: u8 = 1;
pub(super) const OPTION: u8 = 2;
pub(super) const SEQ: u8 = 3;
pub(super) const MAP: u8 = 4;
pub(super) const TUPLE: u8 = 5;
pub(super) const STRUCT: u8 = 6;
pub(super) const ENUM: u8 = 7;
pub(super) const BY_TAG: u8 = 8;
pub(super) const UNIT_VARIANT: u8 = 9;
pub(super) const NEWTYPE_VARIANT: u8 = 10;
pub(super) const TUPLE_VARIANT: u8 = 11;
pub(super) const STRUCT_VARIANT: u8 = 12;
pub(super) const OMITTED: u8 = 13;
/// Plus the kind.
pub(super) const LEAF: u8 = 0x20;
/// Plus the kind.
pub(super) const OPAQUE: u8 = 0x40;

impl Schema {
    /// Returns the bytes to send: at most [`MAX_ENCODED`].
    ///
    /// A larger schema keeps as many types as fit, counted breadth-first from the root, and
    /// refers to the others as cut off: no difference is ever found in these.
    pub fn encode(&self) -> Vec<u8> {
        let whole = write_all(self);
        if whole.len() <= MAX_ENCODED && self.nodes().len() <= MAX_NODES {
            return whole;
        }
        let mut size = HEADER;
        let mut kept = 0;
        for node in self.nodes().iter().take(MAX_NODES) {
            let mut bytes = Vec::new();
            // Cutting a reference only makes it shorter, so that this is the most it can take.
            write_node(node, usize::MAX, &mut bytes);
            size += bytes.len();
            if size > MAX_ENCODED {
                break;
            }
            kept += 1;
        }
        if kept == 0 { vec![VERSION, 1, OMITTED] } else { write(self, kept) }
    }
}

/// Writes the whole schema, however long.
pub(super) fn write_all(schema: &Schema) -> Vec<u8> {
    write(schema, schema.nodes().len())
}

fn write(schema: &Schema, kept: usize) -> Vec<u8> {
    let mut out = vec![VERSION];
    write_number(kept, &mut out);
    for node in schema.nodes().iter().take(kept) {
        write_node(node, kept, &mut out);
    }
    out
}

fn write_node(node: &Node, kept: usize, out: &mut Vec<u8>) {
    let child = |child: usize, out: &mut Vec<u8>| write_number(if child < kept { child + 1 } else { 0 }, out);
    out.push(tag(&node.shape));
    match &node.shape {
        Shape::Leaf(_) | Shape::Unknown | Shape::Omitted | Shape::UnitVariant => {}
        Shape::Option | Shape::Seq | Shape::Map | Shape::NewtypeVariant => {
            node.children.iter().for_each(|id| child(*id, out));
        }
        Shape::Opaque { sample, .. } => {
            write_number(sample.map_or(0, |sample| usize::from(sample) + 1), out);
            write_optional(node.name.as_deref(), out);
        }
        Shape::Tuple(len) | Shape::TupleVariant(len) => {
            write_varint(*len, out);
            for run in node.children.chunk_by(|one, other| one == other) {
                write_number(run.len(), out);
                run.iter().take(1).for_each(|id| child(*id, out));
            }
        }
        Shape::Struct(names) | Shape::Enum(names) | Shape::ByTag(names) | Shape::StructVariant(names) => {
            write_optional(node.name.as_deref(), out);
            write_number(names.len(), out);
            for (name, id) in names.iter().zip(&node.children) {
                write_number(name.len(), out);
                out.extend_from_slice(name.as_bytes());
                child(*id, out);
            }
        }
    }
}

fn tag(shape: &Shape) -> u8 {
    match shape {
        Shape::Unknown => UNKNOWN,
        Shape::Omitted => OMITTED,
        Shape::Option => OPTION,
        Shape::Seq => SEQ,
        Shape::Map => MAP,
        Shape::Tuple(_) => TUPLE,
        Shape::Struct(_) => STRUCT,
        Shape::Enum(_) => ENUM,
        Shape::ByTag(_) => BY_TAG,
        Shape::UnitVariant => UNIT_VARIANT,
        Shape::NewtypeVariant => NEWTYPE_VARIANT,
        Shape::TupleVariant(_) => TUPLE_VARIANT,
        Shape::StructVariant(_) => STRUCT_VARIANT,
        Shape::Leaf(kind) => LEAF + kind.code(),
        Shape::Opaque { kind, .. } => OPAQUE + kind.code(),
    }
}

fn write_optional(name: Option<&str>, out: &mut Vec<u8>) {
    write_number(name.map_or(0, |name| name.len() + 1), out);
    out.extend_from_slice(name.unwrap_or_default().as_bytes());
}

fn write_number(number: usize, out: &mut Vec<u8>) {
    write_varint(number.try_into().unwrap_or(u64::MAX), out);
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}
