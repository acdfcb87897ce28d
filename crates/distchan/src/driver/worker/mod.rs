//! Drives a worker's machine: what its task and its handles share.

mod core;
mod tasks;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use distchan_proto::error::Code;
use distchan_proto::ids::{ChannelNo, JobId, SessionId, SinkId};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerMachine};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::channel::inbox::End;
use crate::channel::port::{Keep, Port};
use crate::channel::{RecvError, stopper};
use crate::driver::clock::Clock;
use crate::driver::pump::{Next, Wake};
use crate::driver::worker::core::Core;
pub(crate) use crate::driver::worker::core::{Ends, Refused};
pub(crate) use crate::driver::worker::tasks::spawn;
use crate::transport::WriteHalf;

/// What the tasks and handles of a worker share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Wakes the writer: answers wait, or the machine has something to say; or the connection is to end.
    wake: Wake,
    /// An earlier timer was set.
    timer: Notify,
    /// Jobs were begun, and nobody looks yet which of them take long.
    begun: Notify,
    clock: Clock,
    pub(crate) state: watch::Sender<State>,
}

/// How the connection stands, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The handshake is not done.
    Connecting,
    /// Channels can be opened. So many jobs are in hand; kept up to date while the worker drains.
    Ready { session: SessionId, in_hand: u64 },
    /// It is over.
    Closed { code: Code, reason: Arc<str> },
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The machine's insides are no one's business, and may hold the user's values.
        f.debug_struct("Worker").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(config: WorkerConfig, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            core: Mutex::new(Core::new(WorkerMachine::new(config))),
            wake: Wake::default(),
            timer: Notify::new(),
            begun: Notify::new(),
            clock,
            state: watch::Sender::new(State::Connecting),
        })
    }

    /// Calls the machine, then carries out what it decided.
    fn with<T>(&self, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        let mut core = self.core.lock();
        let result = call(&mut core, self.clock.now());
        core.drain_events(self);
        let (has_output, is_closing) = (core.machine.has_output(), core.machine.is_closing());
        let wakes = std::mem::take(&mut core.wakes);
        drop(core);
        wakes.wake();
        if has_output || is_closing {
            self.wake.output.notify_one();
        }
        if is_closing {
            self.wake.closing.notify_one();
        }
        result
    }

    /// Writes what there is to write, if the writer sleeps and nobody else is busy here; else the writer is woken.
    fn write_directly(&self) {
        let Some(mut core) = self.core.try_lock() else {
            return self.wake.output.notify_one();
        };
        let now = self.clock.now();
        let next = core.next_directly(now, self);
        drop(core);
        if let Some((socket, mut bytes)) = next {
            // An error is met again by the writer, whose it is.
            let _ = socket.write(&mut bytes);
            self.core.lock().wrote_directly(now, self, bytes);
        }
    }

    /// Looks, and changes nothing.
    fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.core.lock())
    }

    /// What the writer of the connection does next.
    fn next(&self, writer: &WriteHalf) -> Next {
        let mut core = self.core.lock();
        let next = core.next(self.clock.now(), self);
        let silence = core.take_silence();
        drop(core);
        if let Some(silence) = silence
            && let Err(error) = writer.give_up_after(silence)
        {
            tracing::debug!(%error, "the system does not watch this connection");
        }
        next
    }

    /// A new connection begins: that the last one had to end is no longer news.
    async fn forget_closing(&self) {
        tokio::select! {
            biased;
            () = self.wake.closing.notified() => {}
            () = std::future::ready(()) => {}
        }
    }

    /// Whether the last connection had brought a session; asked once for each.
    fn take_greeted(&self) -> bool {
        std::mem::take(&mut self.core.lock().was_greeted)
    }

    /// Waits until the worker is over.
    async fn over(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this.
        let _ = state.wait_for(|state| matches!(state, State::Closed { .. })).await;
    }

    /// Asks for a channel; its ends are made once its number is known.
    pub(crate) fn open(
        &self,
        spec: ChannelSpec,
        options: OpenOptions,
        ends: impl FnOnce(ChannelNo) -> Ends,
    ) -> Result<(), Refused> {
        self.with(|core, _| {
            if let State::Closed { code, reason } = &*self.state.borrow() {
                return Err(Refused { code: *code, reason: format!("the connection is over: {reason}") });
            }
            if core.is_draining {
                return Err(Refused { code: Code::Normal, reason: "this worker drains".to_owned() });
            }
            // Channels that were left go first: one of them may be opened again here.
            core.feed();
            let Some(no) = core.machine.open(spec, options) else {
                let reason = "this connection has used up its channel numbers".to_owned();
                return Err(Refused { code: Code::Limit, reason });
            };
            core.ends.insert(no, ends(no));
            Ok(())
        })
    }

    /// Takes no further jobs, gives back those that nobody has begun, and keeps the state's count up to date.
    pub(crate) fn drain(&self) {
        self.with(|core, _| {
            core.is_draining = true;
            let Core { machine, ends, .. } = core;
            for (no, ends) in ends.iter().filter(|(_, ends)| !ends.is_up) {
                machine.drain(*no);
                stopper::close(&ends.inbox, &ends.answers, End::Error(RecvError::Draining));
            }
            core.count_in_hand(self);
        });
        self.wake.output.notify_one();
    }

    /// Leaves all channels and says goodbye, when everything that was sent is on its way.
    pub(crate) fn close(&self) {
        self.with(|core, _| {
            // Whatever was sent goes before the goodbye, if it has to wait for credit; it is bounded by the channels' capacity.
            let Core { machine, ends, .. } = core;
            for (no, ends) in ends {
                while let Some(batch) = ends.answers.fetch(true).batch {
                    machine.submit(*no, batch);
                }
            }
            core.machine.close();
        });
        self.wake.output.notify_one();
    }
}

/// One channel of a worker, for its ends.
#[derive(Debug)]
pub(crate) struct WorkerPort {
    pub(crate) shared: Arc<Shared>,
    pub(crate) no: OnceLock<ChannelNo>,
}

impl Port for WorkerPort {
    fn wake(&self) {
        self.shared.wake.output.notify_one();
    }

    fn flush(&self) {
        self.shared.write_directly();
    }

    fn consumed(&self, _cost: u64) {
        // A worker's credit comes back with its answers.
    }

    fn close_receiver(&self) {
        let Some(no) = self.no.get() else { return };
        self.shared.with(|core, _| {
            core.machine.drain(*no);
            if let Some(ends) = core.ends.get_mut(no) {
                ends.is_receiver_closed = true;
            }
        });
        self.shared.wake.output.notify_one();
    }

    fn begun(&self) {
        self.shared.begun.notify_one();
    }

    fn cancel(&self, _job: JobId) {
        unreachable!("a worker sends no jobs");
    }

    fn cancel_sink(&self, _sink: SinkId) {
        unreachable!("a worker sends no jobs");
    }

    fn wall_clock(&self, time: Time) -> SystemTime {
        self.shared.clock.wall_clock(time)
    }
}

/// Held by the worker and its channels' ends; with the last of them, the connection is closed in order.
#[derive(Debug)]
pub(crate) struct Connected(pub(crate) Arc<Shared>);

impl Keep for Connected {}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.close();
    }
}
