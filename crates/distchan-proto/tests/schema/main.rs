//! The verdicts on pairs of types, the wire form of schemas, and that neither depends on the build.
//!
//! One table of pairs per kind of type; each pair is also sent over the wire and compared the other way round.
#![expect(dead_code, reason = "the fields of the types in the tables are only there to be traced")]
#![expect(clippy::use_self, reason = "the types in the tables are written as their users write them")]
#![expect(clippy::unwrap_used, reason = "a table's helper fails like the test that called it")]

mod attributes;
mod check;
mod graphs;
mod limits;
mod opaque;
mod plain;
mod stable;
mod wire;
