//! How a worker and a server show each other that they have a ticket's secret, once TLS stands between them and before the preamble. Pure
//! bytes: it must never do I/O, and the secret must never be among the bytes.
//!
//! What is authenticated is this TLS session, by its exporter: a proof that was recorded, or that passes through somebody between, fits
//! no other.

mod messages;
mod secret;

pub use crate::proof::messages::{Malformed, Refusal, ServerAnswer, WorkerProof};
pub use crate::proof::secret::{KeyHash, Secret, TicketId};

/// What TLS is asked to export for a proof: RFC 9266's name, with no context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What TLS has exported: differs from session to session, is the same on both ends, and known to nobody else.
pub type Exporter = [u8; 32];
