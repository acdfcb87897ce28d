//! What comes up from the server machine.

use crate::batch::Batch;
use crate::error::Code;
use crate::ids::{ChannelId, ConnectionId, SessionId, SinkId};

/// Something the server's user, or its driver, should know.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A worker has shown that it is one.
    WorkerConnected {
        /// Its connection.
        connection: ConnectionId,
        /// Its session.
        session: SessionId,
        /// What it calls itself.
        name: String,
    },
    /// A worker has opened a channel, and will be given jobs.
    WorkerJoined {
        /// Its session.
        session: SessionId,
        /// The channel.
        channel: ChannelId,
    },
    /// A worker asks for a channel that does not exist yet, and waits.
    WorkerWaiting {
        /// Its session.
        session: SessionId,
    },
    /// A worker's connection broke; it keeps its jobs, and may come back.
    WorkerAway {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// A worker goes on with its session, over another connection.
    WorkerBack {
        /// Its session.
        session: SessionId,
        /// Its new connection.
        connection: ConnectionId,
    },
    /// A worker's session has ended.
    WorkerGone {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// A connection, or its open of a channel, was refused.
    Refused {
        /// The connection; `None` where it is gone by now.
        connection: Option<ConnectionId>,
        /// The channel, where it was an open.
        channel: Option<String>,
        /// Why, as a number.
        code: Code,
        /// Why, in words.
        reason: String,
    },
    /// Outcomes for a sink, or values from a worker.
    Results {
        /// The channel.
        channel: ChannelId,
        /// Where they go.
        sink: SinkId,
        /// What they are.
        batch: Batch,
    },
    /// The channel is closed and every job has its outcome: no further results will come.
    Finished {
        /// The channel.
        channel: ChannelId,
    },
}
