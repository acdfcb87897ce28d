//! Failed jobs that a receiver has set aside, until whoever asked for that takes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::channel::failed::JobFailed;
use crate::channel::port::Port;

/// The jobs of a channel that did not complete: [`Receiver::failed`](crate::Receiver::failed). Clones are the same.
///
/// ```no_run
/// # async fn example(jobs: distchan::JobSender<String, u64>, mut results: distchan::Receiver<u64>) -> Result<(), Box<dyn std::error::Error>> {
/// let failed = results.failed();
/// for _ in 0..1000 {
///     tokio::select! {
///         size = results.recv() => println!("{size:?}"),
///         job = failed.next() => println!("{job}"),
///     }
/// }
/// let again = jobs.retry(failed.take()).await?; // all that are left, in one call
/// println!("{again} jobs are tried again");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FailedJobs {
    aside: Arc<Aside>,
}

/// Where a receiver puts them. What is here counts as unread: it is bounded as the results are.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Each with its cost.
    jobs: Mutex<VecDeque<(JobFailed, u64)>>,
    port: Arc<dyn Port>,
    pushed: Notify,
}

impl FailedJobs {
    pub(crate) const fn new(aside: Arc<Aside>) -> Self {
        Self { aside }
    }

    /// All that are here, in the order in which they ended. Room is made for as many more.
    pub fn take(&self) -> Vec<JobFailed> {
        let waiting = std::mem::take(&mut *self.aside.jobs.lock());
        self.aside.consumed(waiting.iter().map(|(_, cost)| cost).sum());
        waiting.into_iter().map(|(failed, _)| failed).collect()
    }

    /// The next one; waits until there is one. They come as the channel's receiver is asked for its next result, and not else.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> JobFailed {
        loop {
            let mut pushed = std::pin::pin!(self.aside.pushed.notified());
            pushed.as_mut().enable();
            let next = self.aside.jobs.lock().pop_front();
            if let Some((failed, cost)) = next {
                self.aside.consumed(cost);
                return failed;
            }
            pushed.await;
        }
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        self.aside.jobs.lock().len()
    }

    /// Whether none is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Aside {
    pub(crate) fn new(port: Arc<dyn Port>) -> Arc<Self> {
        Arc::new(Self { jobs: Mutex::default(), port, pushed: Notify::new() })
    }

    /// Keeps a job, at its cost.
    pub(crate) fn push(&self, failed: JobFailed, cost: u64) {
        self.jobs.lock().push_back((failed, cost));
        self.pushed.notify_waiters();
    }

    fn consumed(&self, cost: u64) {
        if cost > 0 {
            self.port.consumed(cost);
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What nobody has taken must not count as unread for ever.
        let cost = self.jobs.get_mut().iter().map(|(_, cost)| cost).sum();
        self.consumed(cost);
    }
}

impl fmt::Debug for FailedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedJobs").field("len", &self.len()).finish_non_exhaustive()
    }
}
