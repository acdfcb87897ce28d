//! What comes up from the worker machine.

use std::time::Duration;

use crate::batch::Batch;
use crate::error::Code;
use crate::ids::{Attempt, ChannelNo, JobId, SessionId};

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
        /// Whether the session of before goes on.
        resumed: bool,
        /// A peer that is silent for so long is lost.
        lost_after: Duration,
    },
    /// The connection is gone. Another one is awaited.
    Disconnected {
        /// Why, in words.
        reason: String,
    },
    /// The session was lost: every job of this channel that came is with other workers, and nothing that is said of it counts. The channel
    /// is asked for again, unless this worker was leaving it.
    Reset {
        /// The channel.
        no: ChannelNo,
    },
    /// The session was lost, and values that were sent unasked may not have arrived. The channel is closed.
    ValuesLost {
        /// The channel.
        no: ChannelNo,
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
    /// Nobody wants these jobs any more: stop them. Whatever answers them frees their places, and has no effect otherwise; they must be
    /// answered all the same. A job that is answered already may be named too.
    Cancelled {
        /// The channel.
        no: ChannelNo,
        /// The first job.
        job: JobId,
        /// How many further consecutive jobs.
        further: u32,
        /// Which delivery of each.
        attempt: Attempt,
    },
    /// Others are idle: so many of the newest jobs that nobody has begun are to be answered with [`Kind::Unbegun`](crate::batch::Kind), as far
    /// as there are any.
    Recalled {
        /// The channel.
        no: ChannelNo,
        /// How many jobs, at most.
        count: u32,
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
