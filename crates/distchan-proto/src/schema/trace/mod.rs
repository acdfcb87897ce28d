//! From a Rust type to its schema, by watching what its `Deserialize` asks for.
//!
//! It must never panic, overflow the stack or run long, whatever the type does, and gives the same schema for
//! the same type in every build.
//!
//! A `Deserialize` only goes on while it gets values that it takes, and cannot be asked for a part
//! alone. So the trace is made of many short runs, each to one place inside the type (by field name, which needs none of
//! the other fields), and what a run learned (which sample a type takes, which variant of a recursive
//! enum ends) is used by the next.

mod access;
mod ask;
mod assemble;
mod graph;
mod pass;
mod probe;
mod stop;
mod variant;

use crate::schema::shape::Schema;
use crate::schema::trace::pass::Tracer;
use serde::de::DeserializeOwned;

impl Schema {
    /// Finds the structure of `T`.
    ///
    /// `human_readable` must be what the codec says of itself (JSON: true, postcard: false), since
    /// some types have two structures. Takes microseconds for small types and milliseconds for large ones, so that
    /// it should be kept. What the module's [limits](crate::schema#limits) exceed is unknown in it; see
    /// [`blind_spot`](Self::blind_spot).
    ///
    /// A `Deserialize` that panics on a value it does not like is taken to have refused it; the
    /// panic hook will have printed it.
    pub fn of<T: DeserializeOwned>(human_readable: bool) -> Self {
        assemble::schema(&Tracer::run::<T>(human_readable))
    }
}
