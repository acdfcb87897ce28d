//! Drives a worker's machine: two tasks for its one connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use distchan_proto::batch::Batch;
use distchan_proto::error::Code;
use distchan_proto::ids::{ChannelNo, SessionId};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerEvent, WorkerMachine};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::channel::inbox::{End, Inbox};
use crate::channel::outgoing::Outgoing;
use crate::channel::port::{Keep, Port};
use crate::channel::{RecvError, SendErrorKind, give_back};
use crate::driver::clock::{Clock, LINGER};
use crate::driver::pump::{self, Next, Wake};
use crate::transport::{ReadHalf, Stream};

/// What the tasks and handles of a worker share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Wakes the writer: answers wait, or the machine has something to say; or the connection is to end.
    wake: Wake,
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

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) machine: WorkerMachine,
    ends: BTreeMap<ChannelNo, Ends>,
    is_draining: bool,
}

/// Why a channel was not opened.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) reason: String,
}

/// The library's ends of one channel.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) answers: Arc<Outgoing>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) opening: Option<oneshot::Sender<Result<(), Refused>>>,
    /// No further jobs are wanted: the channel is left as soon as none is in hand.
    pub(crate) is_receiver_closed: bool,
    /// On a channel to the server: it is left with its last sender.
    pub(crate) is_up: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The machine's insides are no one's business, and may hold the user's values.
        f.debug_struct("Worker").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(machine: impl FnOnce(Time) -> WorkerMachine) -> Arc<Self> {
        let clock = Clock::new();
        let core = Core { machine: machine(clock.now()), ends: BTreeMap::new(), is_draining: false };
        Arc::new(Self {
            core: Mutex::new(core),
            wake: Wake::default(),
            clock,
            state: watch::Sender::new(State::Connecting),
        })
    }

    /// Calls the machine, then carries out what it decided.
    fn with<T>(&self, call: impl FnOnce(&mut Core, Time) -> T) -> T {
        let mut core = self.core.lock();
        let result = call(&mut core, self.clock.now());
        core.drain_events(self);
        let has_output = core.machine.has_output();
        drop(core);
        if has_output {
            self.wake.output.notify_one();
        }
        result
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

    /// Until the handshake is done, keeps its deadline.
    pub(crate) async fn keep_deadline(&self) {
        let timeout = self.core.lock().machine.poll_timeout();
        self.clock.sleep_until(timeout).await;
        self.with(|core, now| core.machine.handle_timeout(now));
    }

    /// Takes no further jobs, gives back those that nobody has begun, and keeps the state's count up to date.
    pub(crate) fn drain(&self) {
        self.with(|core, _| {
            core.is_draining = true;
            let Core { machine, ends, .. } = core;
            for (no, ends) in ends.iter().filter(|(_, ends)| !ends.is_up) {
                machine.drain(*no);
                give_back(&ends.answers, ends.inbox.close(End::Error(RecvError::Draining)).entries());
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
                while let Some(batch) = ends.answers.fetch(true) {
                    machine.submit(*no, batch);
                }
            }
            core.machine.close();
        });
        self.wake.output.notify_one();
    }
}

impl Core {
    fn drain_events(&mut self, shared: &Shared) {
        while let Some(event) = self.machine.poll_event() {
            self.carry_out(event, shared);
        }
    }

    fn carry_out(&mut self, event: WorkerEvent, shared: &Shared) {
        match event {
            WorkerEvent::Connected { session, epoch } => {
                tracing::debug!(%session, epoch, "connected");
                shared.state.send_replace(State::Ready { session, in_hand: 0 });
            }
            WorkerEvent::Opened { no, max_value } => {
                let Some(ends) = self.ends.get_mut(&no) else {
                    return;
                };
                ends.answers.set_max_value(max_value);
                if self.is_draining && !ends.is_up {
                    self.machine.drain(no);
                }
                if let Some(opening) = ends.opening.take() {
                    // Whoever asked may have gone; then its ends are dropped, and the channel is left.
                    let _ = opening.send(Ok(()));
                }
            }
            WorkerEvent::Refused { no, code, reason } => {
                if let Some(Ends { opening: Some(opening), .. }) = self.ends.remove(&no) {
                    let _ = opening.send(Err(Refused { code, reason }));
                }
            }
            WorkerEvent::Jobs { no, batch } => self.deliver(no, batch),
            WorkerEvent::Finished { no } => {
                let Some(ends) = self.ends.get(&no) else { return };
                ends.inbox.end(End::Finished);
                if ends.is_up {
                    ends.answers.end(SendErrorKind::Disconnected("the server takes no more values".into()));
                }
            }
            WorkerEvent::Closed { code, reason } => self.end(code, reason.into(), shared),
            // The machine's events may grow; one that this driver does not know changes nothing here.
            _ => {}
        }
    }

    fn deliver(&self, no: ChannelNo, batch: Batch) {
        let Some(ends) = self.ends.get(&no) else { return };
        if let Err(batch) = ends.inbox.push(batch) {
            give_back(&ends.answers, &batch.entries);
        }
    }

    fn end(&mut self, code: Code, reason: Arc<str>, shared: &Shared) {
        tracing::debug!(?code, %reason, "connection over");
        for ends in std::mem::take(&mut self.ends).into_values() {
            ends.answers.end(SendErrorKind::Disconnected(Arc::clone(&reason)));
            // What waits here is with other workers by now.
            ends.inbox.close(End::Error(RecvError::Disconnected(Arc::clone(&reason))));
            if let Some(opening) = ends.opening {
                let _ = opening.send(Err(Refused { code, reason: reason.to_string() }));
            }
        }
        shared.state.send_replace(State::Closed { code, reason });
        shared.wake.closing.notify_one();
    }

    /// Hands answers to the machine, as far as it can send them.
    fn feed(&mut self) {
        let Self { machine, ends, .. } = self;
        ends.retain(|no, ends| {
            while let Some(batch) = ends.answers.fetch(machine.wants(*no)) {
                machine.submit(*no, batch);
            }
            let is_done = if ends.is_up {
                ends.answers.is_spent()
            } else {
                ends.is_receiver_closed && machine.in_hand_of(*no) == 0
            };
            if is_done {
                machine.leave(*no);
            }
            !is_done
        });
    }

    fn fill(&mut self, now: Time, out: &mut Vec<u8>, shared: &Shared) -> Next {
        self.feed();
        self.machine.poll_transmit(now, out);
        self.drain_events(shared);
        if self.is_draining {
            self.count_in_hand(shared);
        }
        if !out.is_empty() {
            Next::Write
        } else if self.machine.is_closing() {
            Next::Close
        } else {
            Next::Sleep
        }
    }

    /// Tells whoever waits how many jobs are unanswered. Answers that wait for the writer are not sent yet, and count as such.
    fn count_in_hand(&self, shared: &Shared) {
        let now_in_hand = self.machine.in_hand();
        shared.state.send_if_modified(|state| match state {
            State::Ready { in_hand, .. } => std::mem::replace(in_hand, now_in_hand) != now_in_hand,
            State::Connecting | State::Closed { .. } => false,
        });
    }
}

/// The connection, until it is over.
pub(crate) async fn run_connection(shared: Arc<Shared>, stream: Stream) {
    // Also where the runtime goes first, or a user's transform panics: nobody must wait for what can no longer happen.
    let mut over = Over { shared: Arc::clone(&shared), reason: "its task was ended".to_owned() };
    let (reader, writer) = stream.into_split();
    let mut reading = tokio::spawn(run_reader(Arc::clone(&shared), reader));
    let written = pump::write(writer, &shared.wake, |out| {
        let mut core = shared.core.lock();
        core.fill(shared.clock.now(), out, &shared)
    });
    over.reason = match written.await {
        // The server may still be reading our last words: closing now, with its bytes unread, would take them back.
        Ok(()) => {
            // Whether it closed in time or not, this side is done with it.
            let _ = tokio::time::timeout(LINGER, &mut reading).await;
            "the connection was closed".to_owned()
        }
        Err(error) => format!("the connection broke: {error}"),
    };
    reading.abort();
}

async fn run_reader(shared: Arc<Shared>, socket: ReadHalf) {
    let mut over = Over { shared: Arc::clone(&shared), reason: "its bytes could not be handled".to_owned() };
    let take = |input: &mut BytesMut| shared.with(|core, now| core.machine.handle_input(now, input));
    over.reason = pump::read(socket, take).await;
}

/// Says that the connection is over, however its tasks end; the first reason counts.
struct Over {
    shared: Arc<Shared>,
    reason: String,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.shared.with(|core, _| core.machine.handle_closed(&self.reason));
        // The writer sees it, and ends.
        self.shared.wake.output.notify_one();
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
