//! What the conductor is told, one after the other.

use distchan::JobFailed;
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::wire::{Ended, News};
use crate::worker::ServeFailed;

/// How many notices may wait. Whoever has more waits: a reader of our output that is slow slows the workers.
const WAITING: usize = 256;

/// Something that the conductor has to know.
#[derive(Debug)]
pub(super) enum Notice {
    /// A job's process has ended.
    Ended(Box<Ended>),
    /// The library has given a job up: its workers were lost.
    GivenUp(JobFailed),
    /// A worker tells something.
    News(News),
    /// All inputs have been sent, or none can be read any more.
    InputOver(Result<(), Failure>),
    /// The workers of this process have ended.
    LocalOver(Result<(), ServeFailed>),
    /// Somebody wants the run to end.
    Signal(i32),
    /// Somebody wants to know what runs.
    Asked,
    /// Time has passed.
    Tick,
}

pub(super) type Notify = mpsc::Sender<Notice>;
pub(super) type Notices = mpsc::Receiver<Notice>;

pub(super) fn channel() -> (Notify, Notices) {
    mpsc::channel(WAITING)
}
