//! Counters of one channel. They only count; nothing is decided by them.

/// What has happened on a channel since it was opened, and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Jobs (or, on a channel from the workers, values) that were submitted.
    pub submitted: u64,
    /// Jobs that wait for a worker.
    pub queued: u64,
    /// Jobs that are with a worker.
    pub in_flight: u64,
    /// Jobs that were completed.
    pub completed: u64,
    /// Jobs that failed as often as the channel's policy allows.
    pub failed: u64,
    /// Jobs that were given up: they crashed their workers, or took too long, too often.
    pub dead: u64,
    /// Jobs that were cancelled, or whose deadline passed.
    pub cancelled: u64,
    /// Attempts whose worker was lost after it had begun.
    pub crashes: u64,
    /// Attempts whose handler failed, also where the job was tried again.
    pub failures: u64,
    /// Attempts that took longer than the channel's job timeout.
    pub timeouts: u64,
    /// Jobs, among those queued, that wait some time for their next attempt.
    pub backing_off: u64,
    /// Deliveries that nobody wants any more and that their worker has not answered yet: each takes a place of its window.
    pub revoked: u64,
    /// Deliveries beyond a job's first: its worker was lost, or gave it back.
    pub redelivered: u64,
    /// Deliveries that were taken back from workers that had not begun them, for others that were idle.
    pub recalled: u64,
    /// Deliveries of jobs that another worker had for long, to one that was idle.
    pub speculated: u64,
    /// Answers that were refused, because the job was no longer with the worker that sent them.
    pub refused_answers: u64,
    /// Bytes of jobs that are kept until they have their outcome, with their neighbours in the same batch.
    pub kept_bytes: u64,
    /// Bytes of results that wait for the receiver.
    pub unread_bytes: u64,
    /// Bytes of results that wait for their job's completion, or for an older job on an ordered channel.
    pub held_bytes: u64,
    /// Workers that have the channel open.
    pub workers: u64,
}
