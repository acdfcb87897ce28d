//! A worker's settings.

use std::sync::Arc;

use distchan_proto::error::Code;
use distchan_proto::worker::{WorkerConfig, WorkerMachine};

use crate::driver::worker::{Connected, Shared, State, run_connection};
use crate::transport::{IntoAddress, Stream};
use crate::worker::Worker;
use crate::worker::error::ConnectError;

/// The settings of a [`Worker`], until it connects.
#[derive(Clone, Debug, Default)]
#[must_use = "a worker works once it is connected"]
pub struct WorkerBuilder {
    config: WorkerConfig,
}

impl WorkerBuilder {
    pub(crate) fn new() -> Self {
        let name = format!("pid {}", std::process::id());
        Self { config: WorkerConfig { signature: String::new(), name } }
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

    /// Connects. See [`Worker::connect`].
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(self, address: impl IntoAddress) -> Result<Worker, ConnectError> {
        let address = address.into_address()?;
        let stream = Stream::connect(&address).await?;
        let shared = Shared::new(|now| WorkerMachine::new(now, self.config));
        let connected = Arc::new(Connected(Arc::clone(&shared)));
        tokio::spawn(run_connection(Arc::clone(&shared), stream));
        let mut state = shared.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Ready { .. } => return Ok(Worker::new(connected)),
                State::Closed { code, reason } => {
                    let (code, reason) = (*code, reason.to_string());
                    // Only what the server said is a refusal; a connection that broke may be better the next time.
                    if code == Code::Other {
                        let reason = format!("{reason} (while connecting to {address})");
                        return Err(ConnectError::Lost { code, reason });
                    }
                    return Err(ConnectError::Refused { address: address.to_string(), code, reason });
                }
                State::Connecting => {}
            }
            tokio::select! {
                // The sender lives as long as `shared`.
                _ = state.changed() => {}
                () = shared.keep_deadline() => {}
            }
        }
    }
}
