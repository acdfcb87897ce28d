//! Drives a server's machine: what its tasks and handles share.

mod core;
mod crowd;
mod ends;
mod info;
mod said;
mod tasks;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use distchan_proto::ids::{ChannelId, ConnectionId, JobId, SinkId};
use distchan_proto::limits;
use distchan_proto::server::{ServerConfig, ServerMachine};
use distchan_proto::time::Time;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use crate::channel::port::{Keep, Port};
use crate::driver::clock::Clock;
use crate::driver::pump::{Arrived, Taken};
pub(crate) use crate::driver::server::core::{Core, OpenFailed};
use crate::driver::server::crowd::Crowd;
pub(crate) use crate::driver::server::ends::Ends;
pub use crate::driver::server::info::{Refusal, WorkerInfo};
pub(crate) use crate::driver::server::tasks::{run_accept, run_pump};
use crate::security::Door;
use crate::transport::Peer;

/// What follows from so few bytes is written at once; after more, the writer has more to do than it costs to wake it.
const SHORT_INPUT: usize = 4 * 1024;

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
    pub(crate) door: Door,
    crowd: Arc<Crowd>,
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
    pub(crate) fn new(config: ServerConfig, door: Door, clock: Clock) -> Arc<Self> {
        let lost_after = config.lost_after;
        let core = Core::new(ServerMachine::new(config));
        Arc::new(Self {
            core: Mutex::new(core),
            pump: Notify::new(),
            clock,
            lost_after,
            counts: watch::Sender::new(Counts::default()),
            refused: Notify::new(),
            door,
            crowd: Arc::default(),
        })
    }

    /// Calls the machine, then carries out what it decided.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        self.with_locked(self.core.lock(), call)
    }

    fn with_locked<T>(&self, mut core: MutexGuard<'_, Core>, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        let before = core.poll_timeout();
        let now = self.clock.now();
        let result = call(&mut core, now);
        core.drain(now, self);
        let after = core.poll_timeout();
        self.unlock(core);
        self.wake_if_sooner(before, after);
        result
    }

    /// Gives the lock up, and wakes whoever waits for what was carried out under it.
    pub(super) fn unlock(&self, mut core: MutexGuard<'_, Core>) {
        let wakes = core.take_wakes();
        drop(core);
        wakes.wake();
    }

    /// The same for something short: if it makes a connection ready whose writer sleeps, the bytes are written here.
    fn with_directly<T>(&self, mut core: MutexGuard<'_, Core>, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        let before = core.poll_timeout();
        let now = self.clock.now();
        let result = call(&mut core, now);
        let ready = core.drain_but_for_one(now, self);
        let next = ready.and_then(|id| Some((id, core.next_directly(id, now)?)));
        let after = core.poll_timeout();
        self.unlock(core);
        self.wake_if_sooner(before, after);
        if let Some((id, (socket, mut bytes))) = next {
            // An error is met again by the writer, whose it is.
            let _ = socket.write(&mut bytes);
            let mut core = self.core.lock();
            core.wrote_directly(id, now, bytes);
            core.drain(now, self);
            self.unlock(core);
        }
        result
    }

    /// The pump sleeps until a later timer, or none.
    fn wake_if_sooner(&self, before: Option<Time>, after: Option<Time>) {
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.pump.notify_one();
        }
    }

    /// Hands jobs that wait to the machine: here, where a channel has nothing else to do and its sender very likely waits for this one; else
    /// the pump does it, and finds what has gathered meanwhile.
    fn feed(&self, channel: Option<ChannelId>) {
        match self.core.try_lock() {
            Some(core) if channel.is_some_and(|channel| core.is_quiet(channel)) => {
                self.with_directly(core, |_, _| ());
            }
            _ => self.pump.notify_one(),
        }
    }

    /// Bytes have arrived.
    fn handle_arrived(&self, id: ConnectionId, arrived: Arrived<'_>) -> Taken {
        let core = self.core.lock();
        let is_short = matches!(&arrived, Arrived::Bytes(input) if input.len() <= SHORT_INPUT);
        let handle = |core: &mut Core, now| core.handle_arrived(now, id, arrived);
        if is_short { self.with_directly(core, handle) } else { self.with_locked(core, handle) }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Looks, and changes nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.core.lock())
    }

    /// A connection did not become one of the machine's.
    fn turn_away(&self, peer: &Peer, reason: &str) {
        let refusal = Refusal { peer: peer.to_string(), channel: None, reason: reason.to_owned() };
        self.with(|core, now| core.refuse(now, self, refusal));
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
    /// What has been taken and the machine was not told of.
    pub(crate) taken: Arc<AtomicU64>,
}

/// The machine is told of what was taken when it is this much: it counts to a bound that is 64 times as large.
const WORTH_TELLING: u64 = limits::MAX_UNREAD_RESULTS / 64;

impl ServerPort {
    fn channel(&self) -> Option<ChannelId> {
        self.channel.get().copied()
    }
}

impl Port for ServerPort {
    fn wake(&self) {
        self.shared.feed(self.channel());
    }

    fn consumed(&self, cost: u64) {
        let Some(channel) = self.channel().filter(|_| cost > 0) else { return };
        if self.taken.fetch_add(cost, Ordering::AcqRel) + cost >= WORTH_TELLING {
            let taken = self.taken.swap(0, Ordering::AcqRel);
            self.shared.with(|core, _| core.machine.consumed(channel, taken));
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
