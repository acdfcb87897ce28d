//! A server's settings.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use distchan_proto::server::{ServerConfig, ServerMachine};

use crate::driver::server::{Running, Shared, run_accept, run_pump};
use crate::server::Server;
use crate::server::error::BindError;
use crate::transport::{IntoAddress, Listener};

/// The settings of a [`Server`], until it is bound.
#[derive(Clone, Debug, Default)]
#[must_use = "a server serves once it is bound"]
pub struct ServerBuilder {
    signature: String,
    allows_unencrypted: bool,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Keeps applications apart: a worker that connects with another signature is refused. Empty unless set; at most 256 bytes. It is
    /// no secret.
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.signature = signature.into();
        self
    }

    /// Lets the server listen where other machines can reach it, **without encryption, open to everybody who does**: they can take
    /// jobs, read them, and send results of their own making.
    pub const fn danger_allow_unencrypted(mut self) -> Self {
        self.allows_unencrypted = true;
        self
    }

    /// Listens. See [`Server::bind`].
    ///
    /// # Errors
    /// [`BindError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn bind(self, address: impl IntoAddress) -> Result<Server, BindError> {
        let address = address.into_address()?;
        if !self.allows_unencrypted && !address.is_local().await? {
            return Err(BindError::Open { address });
        }
        let listener = Listener::bind(&address).await?;
        // A name may resolve differently the second time; what was bound decides.
        if !self.allows_unencrypted && !listener.is_local() {
            return Err(BindError::Open { address });
        }
        let local = listener.local_address().clone();
        let machine = ServerMachine::new(ServerConfig { signature: self.signature, epoch: epoch() });
        let shared = Shared::new(machine);
        tokio::spawn(run_pump(Arc::clone(&shared)));
        tokio::spawn(run_accept(Arc::clone(&shared), listener));
        Ok(Server::new(Arc::new(Running(shared)), local))
    }
}

/// Differs from run to run of a server; nothing depends on its order.
fn epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) ^ u64::from(std::process::id()).rotate_left(48)
}
