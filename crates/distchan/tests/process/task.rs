//! What worker processes are told to do, and what comes back.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The channel that all roles serve.
pub(crate) const CHANNEL: &str = "tasks";

/// A job: its number, and what its worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Keeps a core busy, without an await.
    Spin(Duration),
    /// Takes time, and no core.
    Sleep(Duration),
    /// Ends the worker's process, with SIGABRT.
    Abort,
}

/// The job's number again, what [`check`] makes of it, and the worker's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    pub(crate) check: u64,
    pub(crate) worker: String,
}

impl Task {
    pub(crate) async fn work(self, worker: String) -> Answer {
        match self.kind {
            Kind::Spin(time) => spin(time),
            Kind::Sleep(time) => tokio::time::sleep(time).await,
            Kind::Abort => std::process::abort(),
        }
        Answer { number: self.number, check: check(self.number), worker }
    }
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// What the right answer has.
pub(crate) const fn check(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ number
}
