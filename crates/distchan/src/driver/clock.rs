//! The machines' time, from tokio's clock, so that tests can pause it.

use std::io;
use std::time::{Duration, SystemTime};

use distchan_proto::time::Time;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::driver::threads;
use crate::transport::Address;

/// Counts from when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// Whose timers ring.
    timers: Handle,
}

impl Clock {
    /// For a server at this address, or a worker of one.
    pub(crate) fn new(address: &Address) -> io::Result<Self> {
        Ok(Self { origin: Instant::now(), timers: threads::time(address)? })
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

    /// Waits until `time`; for ever where there is none. Whoever waits goes on where it is, but another thread has slept meanwhile.
    pub(crate) async fn sleep_until(&self, time: Option<Time>) {
        let Some(time) = time else { return std::future::pending().await };
        let sleep = {
            let _its_timer = self.timers.enter();
            tokio::time::sleep_until(self.origin + time.since_origin())
        };
        sleep.await;
    }
}

/// How long a connection that has said goodbye stays open for the peer to read it.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_moves_bytes_sleeps_without_a_timer_of_its_own() {
        let address = "127.0.0.1:0".parse().unwrap();
        let clock = Clock::new(&address).unwrap();
        let until = clock.now() + Duration::from_millis(20);
        // It has none: to set one would panic.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(clock.sleep_until(Some(until)));
        assert!(clock.now() >= until);
    }

    #[tokio::test(start_paused = true)]
    async fn within_one_process_a_test_may_stop_the_clock() {
        let address = "memory:a stopped clock".parse().unwrap();
        let clock = Clock::new(&address).unwrap();
        let (real, until) = (std::time::Instant::now(), clock.now() + Duration::from_secs(3600));
        clock.sleep_until(Some(until)).await;
        assert!(clock.now() >= until && real.elapsed() < Duration::from_secs(3600));
    }
}
