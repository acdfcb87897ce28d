//! A worker's settings.

use std::sync::Arc;
use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::worker::WorkerConfig;

use crate::driver::clock::Clock;
use crate::driver::worker::{Connected, Shared, State, spawn};
#[cfg(feature = "tls")]
use crate::security::MutualTls;
use crate::security::{ConnectFailed, IntoTarget};
use crate::worker::Worker;
use crate::worker::error::ConnectError;

/// How long a lost server is looked for.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The settings of a [`Worker`], until it connects.
#[derive(Clone, Debug)]
#[must_use = "a worker works once it is connected"]
pub struct WorkerBuilder {
    config: WorkerConfig,
    patience: Duration,
    #[cfg(feature = "tls")]
    mutual: Option<MutualTls>,
}

impl Default for WorkerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerBuilder {
    pub(crate) fn new() -> Self {
        let name = format!("pid {}", std::process::id());
        Self {
            config: WorkerConfig { signature: String::new(), name },
            patience: PATIENCE,
            #[cfg(feature = "tls")]
            mutual: None,
        }
    }

    /// Keeps applications apart: must be the server's. Empty unless set; at most 256 bytes. It is no secret.
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.config.signature = signature.into();
        self
    }

    /// What the worker calls itself in the server's statistics: `pid` and its process number unless set; at most 256 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// How long a server that was lost is looked for, before that is an error: 5 minutes unless set; zero for not at all. Attempts come at
    /// random times, at first after 100 ms at most, later after up to 5 s. A server that says goodbye is not lost.
    pub const fn reconnect(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Connects with a certificate, over TLS 1.3, to a server that wants one and has one itself: see
    /// [`Security::mutual_tls`](crate::Security::mutual_tls). For TCP; the server's certificate must be for the host name, or the IP address,
    /// that is given to [`WorkerBuilder::connect`]. A worker with a ticket needs none of this.
    #[cfg(feature = "tls")]
    pub fn mutual_tls(mut self, mutual: MutualTls) -> Self {
        self.mutual = Some(mutual);
        self
    }

    /// Connects. See [`Worker::connect`].
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(self, server: impl IntoTarget) -> Result<Worker, ConnectError> {
        let target = server.into_target()?;
        #[cfg(feature = "tls")]
        let target = match &self.mutual {
            Some(mutual) => target.with_certificate(mutual)?,
            None => target,
        };
        let address = target.address().clone();
        let shared = Shared::new(self.config, Clock::new(&address)?);
        let connected = Arc::new(Connected(Arc::clone(&shared)));
        let transport = spawn(Arc::clone(&shared), target, self.patience)?;
        match transport.await {
            Ok(Err(ConnectFailed::Io(error))) => return Err(error.into()),
            #[cfg(feature = "tls")]
            Ok(Err(ConnectFailed::Security(error))) => {
                return Err(ConnectError::Security { address: address.to_string(), error });
            }
            Ok(Ok(())) | Err(_) => {}
        }
        let mut state = shared.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Ready { .. } => return Ok(Worker::new(connected)),
                State::Closed { code, reason } => {
                    let (code, reason) = (*code, reason.to_string());
                    // Only what the server said is a refusal; a connection that broke may be better the next time.
                    if matches!(code, Code::Other | Code::Timeout) {
                        let reason = format!("{reason} (while connecting to {address})");
                        return Err(ConnectError::Lost { code, reason });
                    }
                    return Err(ConnectError::Refused { address: address.to_string(), code, reason });
                }
                State::Connecting => {}
            }
            // The sender lives as long as `shared`.
            let _ = state.changed().await;
        }
    }
}
