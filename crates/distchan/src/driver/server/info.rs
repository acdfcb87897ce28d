//! What a server's user is told of its workers, and of those that may not come in.

use distchan_proto::ids::SessionId;

/// A worker, as its server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its session: unique for the life of the server.
    pub session: SessionId,
    /// What it calls itself.
    pub name: String,
    /// Where it connects from, as far as the transport knows.
    pub peer: String,
    /// Whether it has a connection now. A worker whose connection broke keeps its jobs for a while, and may come back.
    pub is_connected: bool,
    /// How many channels it has open.
    pub channels: usize,
    /// Jobs it is working on, or that are on their way to it.
    pub in_flight: u64,
    /// Jobs it has completed.
    pub completed: u64,
}

/// A connection or an open that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Who was refused: an address, as far as the transport knows one.
    pub peer: String,
    /// The channel, where it was an open.
    pub channel: Option<String>,
    /// Why, in words.
    pub reason: String,
}
