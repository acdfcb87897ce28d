//! What a user holds of a server: binding, opening channels, looking, ending. No wire, no codec's bytes.

mod builder;
mod channel;
mod error;
mod stats;
#[cfg(feature = "tls")]
mod tickets;

use std::sync::Arc;

use crate::driver::server::{Refusal, Running, Shared, WorkerInfo};
pub use crate::server::builder::ServerBuilder;
pub use crate::server::channel::{ChannelBuilder, ReceiverBuilder, SenderBuilder};
pub use crate::server::error::{BindError, ChannelError};
pub use crate::server::stats::Stats;
#[cfg(feature = "tls")]
pub use crate::server::tickets::NewTicket;
use crate::transport::{Address, IntoAddress};

/// Owns the work: listens at an address, and opens channels that workers join.
///
/// Clones are the same server. It lives as long as one of them, or one end of its channels; with the last, it shuts down.
#[derive(Clone, Debug)]
pub struct Server {
    running: Arc<Running>,
    address: Address,
}

impl Server {
    /// Listens at an address: `host:port`, `tcp:host:port`, `unix:/path`, or `memory:name` for workers in this process. Port 0 takes a
    /// free one; [`Server::local_addr`] says which. Must be called in a tokio runtime, which runs the server's tasks.
    ///
    /// # Errors
    /// [`BindError`]: the address cannot be read or is in use, or others than this machine could reach it: for that the server needs
    /// [`ServerBuilder::secure`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn bind(address: impl IntoAddress) -> Result<Self, BindError> {
        Self::builder().bind(address).await
    }

    /// A server with other than the default settings.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) const fn new(running: Arc<Running>, address: Address) -> Self {
        Self { running, address }
    }

    /// A channel of jobs of type `J` with results of type `R`, under a name.
    pub fn channel<J, R>(&self, name: impl Into<String>) -> ChannelBuilder<J, R> {
        ChannelBuilder::new(self, name.into())
    }

    /// A one-way channel on which only the server sends. Each value goes to one worker, in turn, and is kept until
    /// that worker has asked for the next; if the worker dies before, another gets it.
    pub fn sender<T>(&self, name: impl Into<String>) -> SenderBuilder<T> {
        SenderBuilder::new(self, name.into())
    }

    /// A one-way channel on which only the workers send, unasked.
    pub fn receiver<T>(&self, name: impl Into<String>) -> ReceiverBuilder<T> {
        ReceiverBuilder::new(self, name.into())
    }

    /// Where it listens: for TCP, the IP address and port that were bound.
    pub const fn local_addr(&self) -> &Address {
        &self.address
    }

    /// Waits until at least `count` workers are connected and have opened a channel, or wait for one that is not opened here yet.
    /// Returns at once when the server is shut down.
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn wait_for_workers(&self, count: usize) {
        let mut counts = self.shared().counts.subscribe();
        // The sender lives as long as this server.
        let _ = counts.wait_for(|counts| counts.workers >= count || counts.is_shut).await;
    }

    /// The workers, in the order in which they connected.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        stats::workers(self.shared())
    }

    /// How the server stands: every channel and every worker, at one point in time.
    pub fn stats(&self) -> Stats {
        stats::stats(self.shared())
    }

    /// The next connection, or open of a channel, that was refused, with the reason in words. The newest 256 are kept; each is also a
    /// `tracing` event at WARN.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next_refusal(&self) -> Refusal {
        loop {
            let mut refused = std::pin::pin!(self.shared().refused.notified());
            refused.as_mut().enable();
            if let Some(refusal) = self.shared().with(|core, _| core.refusals.pop_front()) {
                return refusal;
            }
            refused.await;
        }
    }

    /// Takes no further jobs on any channel, and waits until each of those that were sent has its outcome. Results are still to be
    /// taken by their receivers; channels from the workers are not waited for.
    ///
    /// # Cancel safety
    /// Once polled, the channels are closed, whether the future is polled to its end or not. It can be called again.
    pub async fn drain(&self) {
        let senders: Vec<_> = self.shared().look(|core| core.senders().map(Arc::clone).collect());
        for sender in senders {
            sender.end(crate::channel::SendErrorKind::Closed);
        }
        let mut counts = self.shared().counts.subscribe();
        let _ = counts.wait_for(|counts| counts.unfinished == 0 || counts.is_shut).await;
    }

    /// Ends now: workers are told, receivers get [`RecvError::Shutdown`](crate::RecvError::Shutdown) unless their channel was finished, and
    /// the address is free again. Waits until every connection is closed, a second at most for each that does not answer.
    /// Call [`Server::drain`] before, to finish what was sent.
    ///
    /// # Cancel safety
    /// Once polled, the server is shut down, whether the future is polled to its end or not.
    pub async fn shutdown(&self) {
        self.shared().shutdown();
        let mut counts = self.shared().counts.subscribe();
        let _ = counts.wait_for(|counts| counts.connections == 0 && counts.is_free).await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.running.0
    }

    pub(crate) const fn running(&self) -> &Arc<Running> {
        &self.running
    }
}
