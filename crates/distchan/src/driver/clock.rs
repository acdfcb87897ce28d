//! The machines' time, from tokio's clock, so that tests can pause it.

use std::time::{Duration, SystemTime};

use distchan_proto::time::Time;
use tokio::time::Instant;

/// Counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    /// What `time` is by this machine's clock.
    pub(crate) fn wall_clock(&self, time: Time) -> SystemTime {
        let (now, system) = (self.now(), SystemTime::now());
        // One of the two is nothing, whichever comes first.
        system + (time - now) - (now - time)
    }

    /// Waits until `time`; for ever where there is none.
    pub(crate) async fn sleep_until(&self, time: Option<Time>) {
        match time {
            Some(time) => tokio::time::sleep_until(self.origin + time.since_origin()).await,
            None => std::future::pending().await,
        }
    }
}

/// How long a connection that has said goodbye stays open for the peer to read it.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
