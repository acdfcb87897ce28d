//! What a user holds of a worker: connecting, opening channels, serving them, draining, closing. No wire, no codec's bytes.

mod builder;
mod context;
mod error;
pub mod handler;
mod open;
mod serve;

use std::future::Future;
use std::sync::Arc;

use distchan_proto::error::Code;

use crate::driver::worker::{Connected, Shared, State};
use crate::security::IntoTarget;
pub use crate::worker::builder::WorkerBuilder;
pub use crate::worker::context::JobContext;
pub use crate::worker::error::{ConnectError, OpenError, ServeError};
pub use crate::worker::open::{OpenJobs, OpenReceiver, OpenSender};
pub use crate::worker::serve::Serve;

/// A process that connects to a server and does work: one connection, over which any number of channels are opened.
///
/// Clones are the same worker. The connection lives as long as one of them, or one end of its channels; with the last, it is closed in
/// order, as far as the runtime lives on. What was sent on a channel to the server arrives for certain with [`Worker::close`].
#[derive(Clone, Debug)]
pub struct Worker {
    connected: Arc<Connected>,
}

impl Worker {
    /// Connects to a server: at an address, in the forms of [`Server::bind`](crate::Server::bind), or with the ticket that a server with
    /// [`secure`](crate::ServerBuilder::secure) has given, as a text or a [`Ticket`](crate::security). Must be called in a tokio runtime, which
    /// runs the worker's tasks.
    ///
    /// # Errors
    /// [`ConnectError`]: there is no server, or it is another program, or it speaks another version, or has another signature; or the
    /// server and this worker do not trust each other.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(server: impl IntoTarget) -> Result<Self, ConnectError> {
        Self::builder().connect(server).await
    }

    /// A worker with other than the default settings.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder::new()
    }

    pub(crate) const fn new(connected: Arc<Connected>) -> Self {
        Self { connected }
    }

    /// Opens a channel of jobs of type `J` with results of type `R`. Await the builder to open it.
    pub fn channel<J, R>(&self, name: impl Into<String>) -> OpenJobs<J, R> {
        OpenJobs::new(self, name.into())
    }

    /// Opens a channel on which only the server sends. Await the builder to open it.
    pub fn receiver<T>(&self, name: impl Into<String>) -> OpenReceiver<T> {
        OpenReceiver::new(self, name.into())
    }

    /// Opens a channel on which only workers send. Await the builder to open it.
    pub fn sender<T>(&self, name: impl Into<String>) -> OpenSender<T> {
        OpenSender::new(self, name.into())
    }

    /// Does the jobs of a channel with an async function, several at once: as many as the machine has cores, unless
    /// [`Serve::concurrency`] says otherwise. Await the builder to begin; it ends when the channel is closed and every job has its outcome,
    /// or when this worker has drained. A handler that panics has failed its job, with the message and the place; the worker goes on.
    pub fn serve<J, R, F, Fut>(&self, name: impl Into<String>, handler: F) -> Serve<J, R, handler::Async<F>>
    where
        F: Fn(J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        Serve::new(self, name.into(), handler::Async(handler))
    }

    /// [`Worker::serve`] for a handler that can fail: `Err` fails the job, with the error's text as the reason.
    pub fn try_serve<J, R, E, F, Fut>(
        &self,
        name: impl Into<String>,
        handler: F,
    ) -> Serve<J, R, handler::TryAsync<F>>
    where
        F: Fn(J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        Serve::new(self, name.into(), handler::TryAsync(handler))
    }

    /// Does the jobs of a channel with a function that computes or blocks, on threads of its own: as many as the machine has cores, unless
    /// [`Serve::concurrency`] says otherwise. Else as [`Worker::serve`].
    pub fn serve_blocking<J, R, F>(
        &self,
        name: impl Into<String>,
        handler: F,
    ) -> Serve<J, R, handler::Blocking<F>>
    where
        F: Fn(J) -> R + Send + Sync + 'static,
    {
        Serve::new(self, name.into(), handler::Blocking(handler))
    }

    /// [`Worker::serve_blocking`] for a handler that can fail: `Err` fails the job, with the error's text as the reason.
    pub fn try_serve_blocking<J, R, E, F>(
        &self,
        name: impl Into<String>,
        handler: F,
    ) -> Serve<J, R, handler::TryBlocking<F>>
    where
        F: Fn(J) -> Result<R, E> + Send + Sync + 'static,
    {
        Serve::new(self, name.into(), handler::TryBlocking(handler))
    }

    /// Leaves politely: takes no further jobs, hands those that nobody has begun back at once (uncounted), waits until those that were begun
    /// have ended, and closes the connection. `serve` then returns `Ok`; a plain loop gets
    /// [`RecvError::Draining`](crate::RecvError::Draining) when it asks for its next job, and has to ask, since that completes the one it has.
    ///
    /// # Errors
    /// The connection was lost meanwhile.
    ///
    /// # Cancel safety
    /// Once polled, the worker drains, whether the future is polled to its end or not. It can be called again.
    pub async fn drain(&self) -> Result<(), ConnectError> {
        self.shared().drain();
        let mut state = self.shared().state.subscribe();
        let is_idle = |state: &State| match state {
            State::Ready { in_hand, .. } => *in_hand == 0,
            State::Connecting => false,
            State::Closed { .. } => true,
        };
        // The sender lives as long as this worker.
        let _ = state.wait_for(is_idle).await;
        self.close().await
    }

    /// Closes the connection when everything that was sent has arrived. Jobs in hand go to other workers.
    ///
    /// # Errors
    /// The connection was lost before.
    ///
    /// # Cancel safety
    /// Once polled, the connection is being closed, whether the future is polled to its end or not.
    pub async fn close(&self) -> Result<(), ConnectError> {
        self.shared().close();
        match self.closed().await {
            (Code::Normal, _) => Ok(()),
            (code, reason) => Err(ConnectError::Lost { code, reason: reason.to_string() }),
        }
    }

    /// Waits until the connection is over, for whatever reason.
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn closed(&self) -> (Code, Arc<str>) {
        let mut state = self.shared().state.subscribe();
        loop {
            if let State::Closed { code, reason } = &*state.borrow_and_update() {
                return (*code, Arc::clone(reason));
            }
            // The sender lives as long as this worker.
            let _ = state.changed().await;
        }
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        matches!(*self.shared().state.borrow(), State::Closed { .. })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.connected.0
    }

    pub(crate) const fn connected(&self) -> &Arc<Connected> {
        &self.connected
    }
}
