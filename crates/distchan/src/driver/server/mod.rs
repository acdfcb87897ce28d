//! Drives a server's machine: what its tasks and handles share.

mod core;
mod tasks;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use distchan_proto::ids::{ChannelId, JobId, SinkId};
use distchan_proto::server::{ServerConfig, ServerMachine};
use distchan_proto::time::Time;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::channel::port::{Keep, Port};
use crate::driver::clock::Clock;
pub(crate) use crate::driver::server::core::{Core, Ends, OpenFailed};
pub use crate::driver::server::core::{Refusal, WorkerInfo};
pub(crate) use crate::driver::server::tasks::{run_accept, run_pump};

/// What all tasks and handles of a server share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Wakes the pump: jobs wait, a channel has ended, or an earlier timer was set.
    pump: Notify,
    clock: Clock,
    /// After such a silence the system, too, gives a connection up.
    lost_after: Duration,
    pub(crate) counts: watch::Sender<Counts>,
    pub(crate) refused: Notify,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Workers that have a channel open, or wait for one.
    pub(crate) workers: usize,
    /// Connections of any kind.
    pub(crate) connections: usize,
    /// Channels that are not finished.
    pub(crate) unfinished: usize,
    /// The server takes no more connections.
    pub(crate) is_shut: bool,
    /// The address is free again.
    pub(crate) is_free: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The machine's insides are no one's business, and may hold the user's values.
        f.debug_struct("Server").field("counts", &*self.counts.borrow()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(config: ServerConfig) -> Arc<Self> {
        let lost_after = config.lost_after;
        let core = Core::new(ServerMachine::new(config));
        Arc::new(Self {
            core: Mutex::new(core),
            pump: Notify::new(),
            clock: Clock::new(),
            lost_after,
            counts: watch::Sender::new(Counts::default()),
            refused: Notify::new(),
        })
    }

    /// Calls the machine, then carries out what it decided.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        let mut core = self.core.lock();
        let before = core.poll_timeout();
        let result = call(&mut core, self.clock.now());
        core.drain(self);
        let after = core.poll_timeout();
        drop(core);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            // The pump sleeps until a later timer, or none.
            self.pump.notify_one();
        }
        result
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Looks, and changes nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.core.lock())
    }

    /// Says goodbye to everybody; nothing is accepted any more.
    pub(crate) fn shutdown(&self) {
        self.with(|core, _| {
            core.shutdown();
            self.counts.send_modify(|counts| counts.is_shut = true);
        });
        self.pump.notify_one();
    }
}

/// One channel of a server, for its ends.
#[derive(Debug)]
pub(crate) struct ServerPort {
    pub(crate) shared: Arc<Shared>,
    pub(crate) channel: OnceLock<ChannelId>,
}

impl ServerPort {
    fn channel(&self) -> Option<ChannelId> {
        self.channel.get().copied()
    }
}

impl Port for ServerPort {
    fn wake(&self) {
        self.shared.pump.notify_one();
    }

    fn consumed(&self, cost: u64) {
        if let Some(channel) = self.channel() {
            self.shared.with(|core, _| core.machine.consumed(channel, cost));
        }
    }

    fn close_receiver(&self) {
        if let Some(channel) = self.channel() {
            self.shared.with(|core, _| core.machine.close_receiver(channel));
        }
    }

    fn begun(&self) {
        unreachable!("a server takes no jobs in hand");
    }

    fn cancel(&self, job: JobId) {
        if let Some(channel) = self.channel() {
            self.shared.with(|core, now| core.cancel(now, channel, job));
        }
    }

    fn cancel_sink(&self, sink: SinkId) {
        if let Some(channel) = self.channel() {
            self.shared.with(|core, now| core.cancel_sink(now, channel, sink));
        }
    }

    fn wall_clock(&self, time: Time) -> SystemTime {
        self.shared.clock.wall_clock(time)
    }
}

/// Held by the server and its channels' ends; with the last of them, the server shuts down.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Arc<Shared>);

impl Keep for Running {}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}
