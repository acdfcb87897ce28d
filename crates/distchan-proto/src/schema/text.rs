//! Types and names in the words of someone who writes Rust.
//!
//! It must never print a character or a length that a peer chose: what came over the wire is escaped and cut.

use crate::schema::sample;
use crate::schema::shape::{Kind, Node, Schema, Shape};

/// The longest name printed, in characters.
const MAX_NAME: usize = 64;
/// How deep a type is printed; what is deeper is `..`.
const MAX_DEPTH: usize = 4;
/// How many names of a list are printed, and how many elements of a tuple; of one inside another half as many, or twelve to the fourth
/// would come out of a dozen bytes.
const MAX_LISTED: usize = 12;
/// From this length on, a tuple of equal elements is printed as an array.
const ARRAY: u64 = 3;

/// Returns what the type is called, the kind of thing included: `struct Page {..}`, `Vec<u8>`.
pub(super) fn describe(schema: &Schema, id: usize) -> String {
    let node = schema.node(id);
    match &node.shape {
        Shape::Struct(_) => format!("struct {} {{..}}", name_or(node, "_")),
        Shape::Enum(_) => format!("enum {} {{..}}", name_or(node, "_")),
        Shape::Opaque { kind, sample: None } => match &node.name {
            Some(expecting) => format!("opaque {} ({})", plain(*kind), escape(expecting)),
            None => brief(schema, id, 0),
        },
        Shape::Opaque { kind, sample: Some(sample) } => {
            format!("opaque {} like {}", plain(*kind), sample::text(*kind, *sample))
        }
        Shape::Leaf(_) | Shape::Unknown | Shape::Omitted | Shape::Option | Shape::Seq | Shape::Map => {
            brief(schema, id, 0)
        }
        Shape::Tuple(_) | Shape::ByTag(_) | Shape::UnitVariant | Shape::NewtypeVariant => {
            brief(schema, id, 0)
        }
        Shape::TupleVariant(_) | Shape::StructVariant(_) => brief(schema, id, 0),
    }
}

/// Returns what the type is called inside another: `Page`.
pub(super) fn brief(schema: &Schema, id: usize, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "..".to_owned();
    }
    let node = schema.node(id);
    let child = |index: usize| match node.children.get(index) {
        Some(child) => brief(schema, *child, depth + 1),
        None => "..".to_owned(),
    };
    match &node.shape {
        Shape::Leaf(kind) => kind.text().to_owned(),
        Shape::Opaque { kind, .. } => format!("opaque {}", plain(*kind)),
        Shape::Unknown => "an unknown type".to_owned(),
        Shape::Omitted => "..".to_owned(),
        Shape::Option => format!("Option<{}>", child(0)),
        Shape::Seq => format!("Vec<{}>", child(0)),
        Shape::Map => format!("Map<{}, {}>", child(0), child(1)),
        Shape::Tuple(len) => tuple(node, *len, depth, &child),
        Shape::Struct(_) => name_or(node, "struct {..}"),
        Shape::Enum(_) => name_or(node, "enum {..}"),
        Shape::ByTag(_) => "tagged content".to_owned(),
        Shape::UnitVariant => "a unit variant".to_owned(),
        Shape::NewtypeVariant => format!("a variant with ({})", child(0)),
        Shape::TupleVariant(len) => format!("a variant with {}", tuple(node, *len, depth, &child)),
        Shape::StructVariant(fields) => format!("a variant with fields {}", list(fields)),
    }
}

/// Returns the names in backticks, separated by commas.
pub(super) fn list(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(MAX_LISTED).map(|name| escape(name)).collect();
    if names.len() > MAX_LISTED {
        shown.push(format!("and {} more", names.len() - MAX_LISTED));
    }
    format!("`{}`", shown.join(", "))
}

/// Returns the name without control characters, and not longer than a line.
pub(super) fn escape(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_NAME).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_NAME).is_some() {
        shown.push('…');
    }
    shown
}

fn tuple(node: &Node, len: u64, depth: usize, child: &dyn Fn(usize) -> String) -> String {
    let most = (MAX_LISTED >> depth).max(1);
    let alike = node.children.windows(2).all(|pair| pair.first() == pair.last());
    if alike && len >= ARRAY {
        return format!("[{}; {len}]", child(0));
    }
    let mut shown: Vec<String> = (0..node.children.len().min(most)).map(child).collect();
    if node.children.len() > most {
        shown.push("..".to_owned());
    }
    let comma = if len == 1 { "," } else { "" };
    format!("({}{comma})", shown.join(", "))
}

fn name_or(node: &Node, otherwise: &str) -> String {
    node.name.as_deref().filter(|name| !name.is_empty()).map_or_else(|| otherwise.to_owned(), escape)
}

/// Returns serde's name for what is in Rust a type of its own.
fn plain(kind: Kind) -> &'static str {
    if kind == Kind::Str { "str" } else { kind.text() }
}
