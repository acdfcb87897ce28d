//! What each fuzz target does with its bytes. The fuzzer calls these functions (`fuzz/`), and so does the test `corpus`, with every input that
//! the fuzzer has found worth keeping. They must never depend on anything but their bytes: no clock, no randomness, no other thread.

mod codecs;
mod compression;
mod door;
mod frames;
mod handshake;
mod operations;
mod schemas;
mod script;
mod tickets;
mod transform;
mod wire;

pub use crate::codecs::codecs;
pub use crate::compression::compression;
pub use crate::door::door;
pub use crate::frames::frames;
pub use crate::handshake::handshake;
pub use crate::operations::operations;
pub use crate::schemas::schemas;
pub use crate::tickets::tickets;
pub use crate::transform::transform;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", run: frames },
    Target { name: "handshake", run: handshake },
    Target { name: "operations", run: operations },
    Target { name: "codecs", run: codecs },
    Target { name: "schemas", run: schemas },
    Target { name: "tickets", run: tickets },
    Target { name: "door", run: door },
    Target { name: "transform", run: transform },
    Target { name: "compression", run: compression },
];
