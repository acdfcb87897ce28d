//! Which delivery of which job an answer is for. A leaf: it decides nothing.

use distchan_proto::ids::{Attempt, JobId};

/// One delivery of a job to this worker. Answers for a delivery that is no longer this worker's are dropped here, and never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) job: JobId,
    pub(crate) attempt: Attempt,
    /// How often the channel had been reset when it came: with every session that is lost for good, what came in it is with other
    /// workers, and its numbers may come again.
    pub(crate) generation: u32,
}

impl Delivery {
    /// Of a value that stands for itself.
    pub(crate) const NONE: Self = Self { job: JobId(0), attempt: Attempt::FIRST, generation: 0 };

    /// The number and the attempt, as the machine knows a delivery.
    pub(crate) const fn key(&self) -> (JobId, Attempt) {
        (self.job, self.attempt)
    }

    /// Whether the server must know that it has begun before anybody begins: a job that takes its worker with it is counted then.
    pub(crate) fn is_risky(&self) -> bool {
        self.attempt > Attempt::FIRST
    }
}
