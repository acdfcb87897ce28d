//! What types ask for during a trace, and how those that ask for the same are told apart.
//!
//! It must never leave the trace: some of it differs between builds.

use crate::schema::shape::{Kind, TUPLE_CHILDREN};

/// The index of a type in the graph of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TypeId(pub(super) usize);

/// A place inside a type: a field, an element, a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId {
    pub(super) owner: TypeId,
    pub(super) index: usize,
}

/// The place that holds the traced type itself.
pub(super) const ROOT: SlotId = SlotId { owner: TypeId(0), index: 0 };

/// What a type asked the format for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Leaf(Kind),
    Option,
    Newtype,
    Seq,
    Map,
    Tuple(usize),
    Struct(&'static str, &'static [&'static str]),
    Enum(&'static str, &'static [&'static str]),
    UnitVariant,
    NewtypeVariant,
    TupleVariant(usize),
    StructVariant(&'static [&'static str]),
}

impl Ask {
    /// Returns how many places the type has.
    pub(super) fn slots(&self) -> usize {
        match self {
            Self::Leaf(_) | Self::UnitVariant => 0,
            Self::Option | Self::Newtype | Self::Seq | Self::NewtypeVariant => 1,
            Self::Map => 2,
            Self::Tuple(len) | Self::TupleVariant(len) => (*len).min(TUPLE_CHILDREN),
            Self::Struct(_, names) | Self::StructVariant(names) | Self::Enum(_, names) => names.len(),
        }
    }
}

/// Tells types apart within one trace.
///
/// serde's names do not: modules share them, and generic types do. The compiler's names do, but may differ
/// between builds, so that they must not leave the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) ask: Ask,
    pub(super) identity: Identity,
}

/// Which of the types that ask for the same it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// Leaves are all alike.
    Anonymous,
    /// The compiler's names of the visitor and of what it makes, and the size of the latter.
    Visitor(&'static str, &'static str, usize),
    /// Visitors of tuples and of variants have ambiguous names, but each stands at a place of its own.
    At(SlotId),
}
