//! The wire, as `PROTOCOL.md` describes it: a preamble, then frames. Incremental and bounded; knows nothing of what a frame brings about.

pub(crate) mod batch;
pub(crate) mod control;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod header;
pub(crate) mod preamble;
pub(crate) mod runs;
