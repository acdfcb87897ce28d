//! Doing a channel's jobs with a function, on all cores or as many at once as is asked for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::num::NonZero;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, Postcard};
use crate::worker::Worker;
use crate::worker::error::ServeError;
use crate::worker::handler::Handler;
use crate::worker::open::OpenJobs;

type Serving = Pin<Box<dyn Future<Output = Result<(), ServeError>> + Send>>;

/// Serves a channel: [`Worker::serve`], [`Worker::serve_blocking`] and their `try_` forms. To be awaited.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve<J, R, H, C = Postcard> {
    open: OpenJobs<J, R, C>,
    concurrency: usize,
    handler: H,
}

impl<J, R, H, C> fmt::Debug for Serve<J, R, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("concurrency", &self.concurrency).finish_non_exhaustive()
    }
}

impl<J, R, H> Serve<J, R, H> {
    pub(crate) fn new(worker: &Worker, name: String, handler: H) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { open: OpenJobs::new(worker, name), concurrency: cores, handler }
    }
}

impl<J, R, H, C: Codec> Serve<J, R, H, C> {
    /// How many jobs are worked on at once; at least 1. The number of cores unless set.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// See [`OpenJobs::codec`].
    pub fn codec<D: Codec>(self, codec: D) -> Serve<J, R, H, D> {
        Serve { open: self.open.codec(codec), concurrency: self.concurrency, handler: self.handler }
    }

    /// See [`OpenJobs::transform`].
    pub fn transform(mut self, transform: impl crate::Transform + 'static) -> Self {
        self.open = self.open.transform(transform);
        self
    }

    /// See [`OpenJobs::max_value`].
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.open = self.open.max_value(bytes);
        self
    }

    /// See [`OpenJobs::wait`].
    pub fn wait(mut self, time: Duration) -> Self {
        self.open = self.open.wait(time);
        self
    }
}

impl<J, R, H, C> IntoFuture for Serve<J, R, H, C>
where
    J: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
    H: Handler<J, R>,
    C: Codec,
{
    type Output = Result<(), ServeError>;
    type IntoFuture = Serving;

    /// # Cancel safety
    /// Dropping the future gives back the jobs that nobody has begun. A job that an async handler is working on is given back too;
    /// one in a blocking handler is finished first.
    fn into_future(self) -> Serving {
        let concurrency = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        let open = self.open.concurrency(concurrency);
        Box::pin(async move {
            let (jobs, _) = open.await?;
            self.handler.run(jobs, self.concurrency).await.map_err(ServeError::Recv)
        })
    }
}
