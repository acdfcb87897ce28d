//! The fingerprint of a type's structure: equal on two machines exactly if the types are.
//!
//! It must never depend on the build: compilers, platforms, paths and the names of structs leave no trace.

use crate::schema::canon;
use crate::schema::shape::Schema;
use crate::schema::wire;
use sha2::{Digest, Sha256};
use std::fmt;

/// Goes into every fingerprint, so that no other use of SHA-256 gives the same, and so that a change of
/// the canonical bytes can be told by changing it.
const DOMAIN: &[u8] = b"distchan schema 1\0";

/// 128 bits that stand for the structure of a type.
///
/// The head of a SHA-256, so that nobody can make two types with the same one. Printed in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Takes the bytes that came over the wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to send.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Schema {
    /// Returns the fingerprint of the structure, in which the names of fields and variants count and the
    /// names of structs and enums do not.
    ///
    /// It covers the whole type, also where [`encode`](Self::encode) has to cut. Costs a pass over
    /// the graph; keep it rather than asking twice.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(wire::write_all(&canon::nameless(self)));
        let mut head = [0; 16];
        for (to, from) in head.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Fingerprint(head)
    }
}
