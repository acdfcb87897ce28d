//! What a handler can ask of its job beside its value. It ends nothing: a job is ended by what its handler returns.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use distchan_proto::ids::{Attempt, JobId};

use crate::channel::Job;
use crate::channel::delivery::Delivery;
use crate::channel::outgoing::Outgoing;

thread_local! {
    /// The job whose handler runs on this thread.
    static CURRENT: RefCell<Option<JobContext>> = const { RefCell::new(None) };
}

/// The job that a handler of [`Worker::serve`](crate::Worker::serve) and its kin works on. Can be sent to other threads and tasks; clones are the
/// same.
///
/// An async handler whose job is cancelled is dropped at its next await. One that computes has to look:
///
/// ```no_run
/// # async fn example(worker: distchan::Worker) -> Result<(), distchan::ServeError> {
/// use distchan::JobContext;
///
/// worker
///     .serve_blocking("search", |range: std::ops::Range<u64>| {
///         let job = JobContext::current().expect("a handler has a job");
///         let mut found = Vec::new();
///         for number in range {
///             if number % 10_000 == 0 && job.is_cancelled() {
///                 break; // nobody takes what is returned
///             }
///             if is_interesting(number) {
///                 found.push(number);
///             }
///         }
///         found
///     })
///     .await?;
/// # Ok(()) }
/// # fn is_interesting(number: u64) -> bool { number == 7 }
/// ```
#[derive(Clone)]
pub struct JobContext {
    delivery: Delivery,
    deadline: Option<Instant>,
    outgoing: Arc<Outgoing>,
}

impl JobContext {
    /// The job of the handler that runs here. `None` outside of handlers, and in threads and tasks that a handler has started: hand it to them.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(crate) fn of<J, R>(job: &Job<J, R>) -> Self {
        Self { delivery: job.delivery(), deadline: job.deadline(), outgoing: Arc::clone(job.outgoing()) }
    }

    /// The job's number, from 1 in the order in which the server sent: the same at every attempt.
    pub const fn id(&self) -> JobId {
        self.delivery.job
    }

    /// Which delivery this is, from 1.
    pub const fn attempt(&self) -> Attempt {
        self.delivery.attempt
    }

    /// By when the job must be done, where its sender has said so; it is cancelled then.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether there is no use in working on the job any more: it was cancelled, its time is up, it is with another worker, or it has been answered.
    ///
    /// The answer costs a lock: a loop may ask now and then, and need not ask each time around.
    pub fn is_cancelled(&self) -> bool {
        self.outgoing.is_pointless(self.delivery)
    }

    /// Waits until [`JobContext::is_cancelled`].
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn cancelled(&self) {
        self.outgoing.signal(self.delivery).fired().await;
    }

    /// Runs a piece of the job's handler, which finds this by [`JobContext::current`].
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _restored = Restored(CURRENT.replace(Some(self.clone())));
        work()
    }
}

/// The context before, put back also where the handler panics.
struct Restored(Option<JobContext>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
