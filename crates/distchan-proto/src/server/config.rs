//! What a server is told of itself.

use std::fmt;
use std::time::Duration;

use crate::limits;

/// What a server is, for all its channels.
#[derive(Clone)]
pub struct ServerConfig {
    /// Keeps applications apart: a worker with another one is refused.
    pub signature: String,
    /// Differs from run to run of a server.
    pub epoch: u64,
    /// What the sessions' keys are made of: random, and told to nobody.
    pub secret: [u8; 16],
    /// How often both sides ask whether the other is there.
    pub heartbeat: Duration,
    /// A peer that was silent for so long is lost, and its jobs go to others.
    pub lost_after: Duration,
    /// How long a worker whose connection broke may take to come back before its jobs go to others.
    pub grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            signature: String::new(),
            epoch: 0,
            secret: [0; 16],
            heartbeat: limits::HEARTBEAT,
            lost_after: limits::LOST_AFTER,
            grace: limits::GRACE,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("signature", &self.signature)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
