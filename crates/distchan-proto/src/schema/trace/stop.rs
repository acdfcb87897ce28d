//! How a pass goes through a type, and how it stops.
//!
//! It must never carry a reason through the type's own code, which may swap one error for another: the reason stands
//! in the pass.

use std::fmt;

/// How a place is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A value is to be made, as small as possible.
    Make,
    /// It is this step of the way to the target of the pass.
    Follow(usize),
    /// This variant of the enum here is to be made.
    Variant(usize),
}

/// What a type at a place is to do with what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Descent {
    /// Make a value of it.
    Make,
    /// Go on to this slot, in this mode; what comes after it does not matter.
    Into(usize, Mode),
}

/// Why a pass was stopped by the trace itself. Errors of the types leave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The target was seen.
    Done,
    /// Something was learned: the next pass goes another way.
    Retry,
    /// No value can be made this way.
    DeadEnd,
}

/// The error that the tracing deserializer raises. What it means stands in the pass.
#[derive(Debug)]
pub(super) struct Stop {
    /// The type refused a field because it had it already.
    pub(super) duplicate: bool,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the trace stops here")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { duplicate: false }
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self { duplicate: true }
    }
}
