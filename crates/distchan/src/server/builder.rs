//! A server's settings.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use distchan_proto::server::ServerConfig;

use crate::driver::clock::Clock;
use crate::driver::server::{Running, Shared, run_accept, run_pump};
use crate::security::Door;
#[cfg(feature = "tls")]
use crate::security::Security;
use crate::server::Server;
use crate::server::error::BindError;
use crate::transport::{Address, IntoAddress, Listener};

/// The settings of a [`Server`], until it is bound.
#[derive(Clone, Debug, Default)]
#[must_use = "a server serves once it is bound"]
pub struct ServerBuilder {
    config: ServerConfig,
    allows_unencrypted: bool,
    #[cfg(feature = "tls")]
    security: Option<Security>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Keeps applications apart: a worker that connects with another signature is refused. Empty unless set; at most 256 bytes. It is
    /// no secret.
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.config.signature = signature.into();
        self
    }

    /// How soon a worker that is silent is found: both sides ask every `interval` whether the other is there, and a side that has heard
    /// nothing, or got no answer, for `lost_after` gives the connection up. Then its jobs go to others. 5 s and 15 s unless set; at
    /// least 20 ms, and twice the interval. A worker is never silent because its jobs are long, or its cores busy.
    pub const fn heartbeat(mut self, interval: Duration, lost_after: Duration) -> Self {
        self.config.heartbeat = interval;
        self.config.lost_after = lost_after;
        self
    }

    /// How long a worker whose connection was cut on its way keeps its jobs, to come back over another connection and hand in what it has
    /// finished: 30 s unless set. Then they go to others; with zero, they do at once. A connection that the worker's own system closed, with
    /// nobody between, is a worker that has ended: its jobs go to others at once in any case.
    pub const fn grace(mut self, time: Duration) -> Self {
        self.config.grace = time;
        self
    }

    /// Encrypts, and lets in only workers with a [ticket](Server::ticket): [`Security::tickets`]. For TCP.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use distchan::Server;
    ///
    /// let server = Server::builder().secure().bind("0.0.0.0:5678").await?;
    /// println!("{}", server.ticket()?); // what a worker connects with
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "tls")]
    pub fn secure(self) -> Self {
        self.security(Security::tickets())
    }

    /// Encrypts, and keeps strangers out in a way of one's own choice. For TCP.
    #[cfg(feature = "tls")]
    pub fn security(mut self, security: Security) -> Self {
        self.security = Some(security);
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
        let door = self.door(&address)?;
        let may_be_reached = self.allows_unencrypted || !matches!(door, Door::Open);
        if !may_be_reached && !address.is_local().await? {
            return Err(BindError::Open { address });
        }
        let listener = Listener::bind(&address).await?;
        // A name may resolve differently the second time; what was bound decides.
        if !may_be_reached && !listener.is_local() {
            return Err(BindError::Open { address });
        }
        let local = listener.local_address().clone();
        let mut config = ServerConfig { epoch: epoch(), ..self.config };
        getrandom::fill(&mut config.secret).map_err(io::Error::from)?;
        let shared = Shared::new(config, door, Clock::new(&local)?);
        tokio::spawn(run_pump(Arc::clone(&shared)));
        tokio::spawn(run_accept(Arc::clone(&shared), listener));
        Ok(Server::new(Arc::new(Running(shared)), local))
    }

    #[cfg(feature = "tls")]
    fn door(&self, address: &Address) -> Result<Door, BindError> {
        match self.security.clone() {
            None => Ok(Door::Open),
            Some(_) if !matches!(address, Address::Tcp { .. }) => {
                Err(BindError::NotTcp { address: address.clone() })
            }
            Some(security) => Ok(Door::Guarded(Arc::new(security.guard().map_err(BindError::Security)?))),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn door(&self, _address: &Address) -> Result<Door, BindError> {
        Ok(Door::Open)
    }
}

/// Differs from run to run of a server; nothing depends on its order.
fn epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) ^ u64::from(std::process::id()).rotate_left(48)
}
