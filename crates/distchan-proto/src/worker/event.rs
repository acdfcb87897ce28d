//! What comes up from the worker machine.

use crate::batch::Batch;
use crate::error::Code;
use crate::ids::{ChannelNo, SessionId};

/// Something the worker's user, or its driver, should know.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The server has let this worker in.
    Connected {
        /// The session it was given.
        session: SessionId,
        /// Which run of the server this is.
        epoch: u64,
    },
    /// A channel is open.
    Opened {
        /// The channel.
        no: ChannelNo,
        /// The largest encoded value that can travel on it, in bytes.
        max_value: usize,
    },
    /// A channel was not opened.
    Refused {
        /// The channel.
        no: ChannelNo,
        /// Why, as a number.
        code: Code,
        /// Why, in words.
        reason: String,
    },
    /// Jobs have come.
    Jobs {
        /// The channel.
        no: ChannelNo,
        /// The jobs, all of one attempt.
        batch: Batch,
    },
    /// Every job of the channel has its outcome; no more will come.
    Finished {
        /// The channel.
        no: ChannelNo,
    },
    /// The connection is over.
    Closed {
        /// Why, as a number; [`Code::Normal`] after [`crate::worker::WorkerMachine::close`].
        code: Code,
        /// Why, in words.
        reason: String,
    },
}
