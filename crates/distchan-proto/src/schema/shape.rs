//! The shape of a type as a graph: what serde's data model can tell two builds apart by, and nothing else.
//!
//! It must never hold anything that differs between two builds of the same source: no addresses, no module
//! paths, no compiler's names.

use std::fmt;

/// The most nodes that a schema on the wire may have. A thousand struct types need about this many.
pub(super) const MAX_NODES: usize = 2048;

/// How many elements of a tuple are told apart; all later ones are taken to be like the last of these.
///
/// serde itself stops at 16 for tuples and 32 for arrays; what is longer in practice is an array.
pub(super) const TUPLE_CHILDREN: usize = 64;

/// The structure of one type, as serde's data model shows it.
///
/// Made from a type with [`Schema::of`], from a peer's bytes with [`Schema::decode`]. Two types with the same
/// [`fingerprint`](Self::fingerprint) read each other's values; for two that differ,
/// [`first_difference`](crate::schema::difference::first_difference) says where.
///
/// `==` also compares the names of structs and enums, which are carried for messages only; compatibility
/// is the equality of fingerprints.
#[derive(Clone, PartialEq, Eq)]
pub struct Schema {
    /// The root is the first. Never empty, and every child is an index into it.
    nodes: Vec<Node>,
}

impl Schema {
    /// Takes nodes whose children are all valid indices; anything else becomes one unknown node.
    pub(super) fn from_nodes(nodes: Vec<Node>) -> Self {
        let valid = |node: &Node| node.children.iter().all(|child| *child < nodes.len());
        if nodes.is_empty() || !nodes.iter().all(valid) {
            return Self { nodes: vec![Node::leaf(Shape::Unknown)] };
        }
        Self { nodes }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn node(&self, id: usize) -> &Node {
        static UNKNOWN: Node = Node { shape: Shape::Unknown, name: None, children: Vec::new() };
        self.nodes.get(id).unwrap_or(&UNKNOWN)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.nodes.iter().enumerate()).finish()
    }
}

/// One type in the graph.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) shape: Shape,
    /// What people call it, for messages only: never part of the fingerprint.
    pub(super) name: Option<String>,
    /// Indices of the types inside, in the order that `shape` prescribes.
    pub(super) children: Vec<usize>,
}

impl Node {
    pub(super) fn leaf(shape: Shape) -> Self {
        Self { shape, name: None, children: Vec::new() }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shape)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        if !self.children.is_empty() {
            write!(f, " {:?}", self.children)?;
        }
        Ok(())
    }
}

/// What kind of type a node is, with everything that matters for compatibility except its children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// A value without parts, that takes the ordinary value of its kind.
    Leaf(Kind),
    /// A value without parts, whose type refuses the ordinary value of its kind (a UUID is not any string).
    Opaque {
        kind: Kind,
        /// The first of [`samples`](crate::schema::sample) that it takes; none if it refuses all.
        sample: Option<u8>,
    },
    /// The trace could not see it.
    Unknown,
    /// It was cut off to keep the schema within the size that may be sent.
    Omitted,
    Option,
    Seq,
    /// Children: key, value.
    Map,
    /// A tuple, tuple struct or array of this length, with at most [`TUPLE_CHILDREN`] children.
    Tuple(u64),
    Struct(Vec<String>),
    /// One child per variant, each a `*Variant`.
    Enum(Vec<String>),
    /// The content of an adjacently tagged enum: one child per value of the tag.
    ByTag(Vec<String>),
    UnitVariant,
    NewtypeVariant,
    TupleVariant(u64),
    StructVariant(Vec<String>),
}

impl Shape {
    /// Returns how many children a node of this shape has.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Leaf(_) | Self::Opaque { .. } | Self::Unknown | Self::Omitted | Self::UnitVariant => 0,
            Self::Option | Self::Seq | Self::NewtypeVariant => 1,
            Self::Map => 2,
            Self::Tuple(len) | Self::TupleVariant(len) => tracked(*len),
            Self::Struct(names) | Self::Enum(names) | Self::ByTag(names) | Self::StructVariant(names) => {
                names.len()
            }
        }
    }
}

/// Returns how many elements of a tuple of this length have a child of their own.
pub(super) fn tracked(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(TUPLE_CHILDREN)
}

macro_rules! kinds {
    ($($kind:ident = $code:literal $text:literal),* $(,)?) => {
        /// What a value without parts asks the format for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            /// Returns its number on the wire, which is below 32.
            pub(super) fn code(self) -> u8 {
                match self { $(Self::$kind => $code),* }
            }

            pub(super) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$kind),)* _ => None }
            }

            /// Returns its name in Rust's words, or in serde's where Rust has none.
            pub(super) fn text(self) -> &'static str {
                match self { $(Self::$kind => $text),* }
            }
        }
    };
}

kinds! {
    Bool = 0 "bool",
    I8 = 1 "i8",
    I16 = 2 "i16",
    I32 = 3 "i32",
    I64 = 4 "i64",
    I128 = 5 "i128",
    U8 = 6 "u8",
    U16 = 7 "u16",
    U32 = 8 "u32",
    U64 = 9 "u64",
    U128 = 10 "u128",
    F32 = 11 "f32",
    F64 = 12 "f64",
    Char = 13 "char",
    Str = 14 "String",
    Bytes = 15 "bytes",
    Unit = 16 "()",
    Any = 17 "any",
    Identifier = 18 "identifier",
    Ignored = 19 "ignored",
}
