//! Carries out what a worker's machine decides. Called with the lock held; waits for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::batch::Batch;
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo, JobId};
use distchan_proto::time::Time;
use distchan_proto::worker::{WorkerEvent, WorkerMachine};
use tokio::sync::oneshot;

use crate::channel::inbox::{End, Inbox};
use crate::channel::outgoing::Outgoing;
use crate::channel::stopper::{self, give_back};
use crate::channel::{RecvError, SendErrorKind};
use crate::driver::pen::{Pen, Turn, Unwritten};
use crate::driver::pump::{Arrived, Next, Taken};
use crate::driver::wakes::Wakes;
use crate::driver::worker::{Shared, State};
use crate::transport::DirectWrite;

/// Where jobs are much shorter than the least time between two looks, so many of these times pass instead: with many workers on one machine what
/// they cost is to be seen. A job that takes long among short ones is announced that much later, and so are the ends of the few before it.
const SELDOM: u32 = 4;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) machine: WorkerMachine,
    pub(super) ends: BTreeMap<ChannelNo, Ends>,
    pub(super) is_draining: bool,
    /// Whether this connection has brought a session.
    pub(super) was_greeted: bool,
    /// After such a silence the system, too, is to give the connection up; until it was told.
    silence: Option<Duration>,
    announced: Announced,
    /// The current connection's.
    pen: Option<Pen>,
    /// Whoever waits for what has come.
    pub(super) wakes: Wakes,
}

/// How far the announcements are that were fetched of the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announced {
    /// All are on the wire.
    Written,
    /// Some wait for the machine to write them.
    Waiting,
    /// All are among the bytes that are being written.
    Writing,
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
    /// There was nothing to hand over when that was looked for last, and whoever says something says so.
    pub(crate) is_dry: bool,
}

impl Ends {
    /// Nobody wants these jobs any more: those that nobody has begun go back, and whoever works on the others is told.
    fn cancel(&self, jobs: impl Iterator<Item = JobId>, attempt: Attempt) {
        for job in jobs {
            if !stopper::cancel(&self.inbox, &self.answers, job, attempt) {
                self.answers.cancel(job, attempt);
            }
        }
    }

    /// Nothing more comes or goes here. What waits is with other workers by now, or will be.
    fn end(&mut self, reason: &Arc<str>) {
        self.answers.end(SendErrorKind::Disconnected(Arc::clone(reason)));
        stopper::close(&self.inbox, &self.answers, End::Error(RecvError::Disconnected(Arc::clone(reason))));
    }
}

impl Core {
    pub(super) fn new(machine: WorkerMachine) -> Self {
        Self {
            machine,
            ends: BTreeMap::new(),
            is_draining: false,
            was_greeted: false,
            silence: None,
            announced: Announced::Written,
            pen: None,
            wakes: Wakes::default(),
        }
    }

    /// Bytes have arrived.
    pub(super) fn handle_arrived(&mut self, now: Time, arrived: Arrived<'_>) -> Taken {
        let landing = match arrived {
            Arrived::Bytes(input) => {
                self.machine.handle_input(now, input);
                self.machine.poll_landing(input)
            }
            Arrived::Landed(landed, input) => {
                self.machine.handle_landed(now, landed, input);
                self.machine.poll_landing(input)
            }
        };
        Taken { is_known: true, landing }
    }

    pub(super) fn drain_events(&mut self, shared: &Shared) {
        while let Some(event) = self.machine.poll_event() {
            self.carry_out(event, shared);
        }
    }

    fn carry_out(&mut self, event: WorkerEvent, shared: &Shared) {
        match event {
            WorkerEvent::Connected { session, epoch, resumed, lost_after } => {
                tracing::debug!(%session, epoch, resumed, "connected");
                self.was_greeted = true;
                self.silence = Some(lost_after);
                let in_hand = self.machine.in_hand();
                shared.state.send_replace(State::Ready { session, in_hand });
                // The handshake's deadline has become the first heartbeat.
                shared.timer.notify_one();
            }
            WorkerEvent::Disconnected { reason } => tracing::debug!(reason, "disconnected"),
            WorkerEvent::Reset { no } => {
                let Some(ends) = self.ends.get(&no) else { return };
                tracing::warn!("the session was lost: jobs that this worker had are with others");
                ends.inbox.reset();
                ends.answers.reset();
            }
            WorkerEvent::ValuesLost { no } => {
                if let Some(ends) = self.ends.remove(&no) {
                    let why = "the session was lost, and values on their way may not have arrived";
                    ends.answers.end(SendErrorKind::Disconnected(why.into()));
                }
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
                let Some(mut ends) = self.ends.remove(&no) else { return };
                match ends.opening.take() {
                    // Whoever asked may have gone.
                    Some(opening) => drop(opening.send(Err(Refused { code, reason }))),
                    None => ends.end(&reason.into()),
                }
            }
            WorkerEvent::Jobs { no, batch } => self.deliver(no, batch),
            WorkerEvent::Cancelled { no, job, further, attempt } => {
                let Some(ends) = self.ends.get(&no) else { return };
                ends.cancel((job.0..=job.0.saturating_add(u64::from(further))).map(JobId), attempt);
            }
            WorkerEvent::Recalled { no, count } => {
                let Some(ends) = self.ends.get(&no) else { return };
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                stopper::give_back_newest(&ends.inbox, &ends.answers, count);
            }
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

    fn deliver(&mut self, no: ChannelNo, batch: Batch) {
        let Some(ends) = self.ends.get(&no) else { return };
        match ends.inbox.push(batch) {
            Ok(waker) => self.wakes.add(waker),
            Err(batch) => give_back(&ends.answers, &batch.entries),
        }
    }

    fn end(&mut self, code: Code, reason: Arc<str>, shared: &Shared) {
        tracing::debug!(?code, %reason, "connection over");
        for mut ends in std::mem::take(&mut self.ends).into_values() {
            ends.end(&reason);
            if let Some(opening) = ends.opening.take() {
                let _ = opening.send(Err(Refused { code, reason: reason.to_string() }));
            }
        }
        shared.state.send_replace(State::Closed { code, reason });
        shared.wake.closing.notify_one();
    }

    /// Hands answers to the machine, as far as it can send them.
    pub(super) fn feed(&mut self) {
        let Self { machine, ends, .. } = self;
        ends.retain(|no, ends| {
            let mut is_spent = false;
            if !ends.is_dry || ends.answers.take_news() {
                loop {
                    let wants = machine.wants(*no);
                    let fetched = ends.answers.fetch(wants);
                    let Some(batch) = fetched.batch else {
                        ends.is_dry = wants;
                        is_spent = fetched.is_spent;
                        break;
                    };
                    machine.submit(*no, batch);
                }
            }
            let is_done =
                if ends.is_up { is_spent } else { ends.is_receiver_closed && machine.in_hand_of(*no) == 0 };
            if is_done {
                machine.leave(*no);
            }
            !is_done
        });
    }

    /// A connection has been made, whose writer is awake.
    pub(super) fn set_pen(&mut self, pen: Pen) {
        self.pen = Some(pen);
    }

    /// What the writer does next. Whatever it was given before has been written.
    pub(super) fn next(&mut self, now: Time, shared: &Shared) -> Next {
        match self.pen.as_mut().map(Pen::take_for_writer) {
            Some(Turn::GoOn(unwritten)) => return Next::Write(unwritten),
            Some(Turn::Wait) => return Next::Sleep,
            Some(Turn::Begin) | None => {}
        }
        match self.compose(now, shared) {
            Some(bytes) => Next::Write(bytes),
            None if self.machine.is_closing() => Next::Close,
            None => {
                self.pen.as_mut().map(Pen::put_down);
                Next::Sleep
            }
        }
    }

    /// What is to be written while the writer sleeps, by whoever calls; `None` where the writer is to be woken, or there is nothing.
    pub(super) fn next_directly(&mut self, now: Time, shared: &Shared) -> Option<(DirectWrite, Unwritten)> {
        let Some(socket) = self.pen.as_mut().and_then(Pen::take) else {
            shared.wake.output.notify_one();
            return None;
        };
        let bytes = self.compose(now, shared);
        if bytes.is_none() {
            self.put_down(shared);
        }
        Some((socket, bytes?))
    }

    /// So much of that was written: the writer is woken for the rest, and for what has come since.
    pub(super) fn wrote_directly(&mut self, now: Time, shared: &Shared, bytes: Unwritten) {
        let rest = if bytes.is_done() { self.compose(now, shared) } else { Some(bytes) };
        match (rest, &mut self.pen) {
            (Some(rest), Some(pen)) => {
                pen.pass_on(rest);
                shared.wake.output.notify_one();
            }
            _ => self.put_down(shared),
        }
    }

    fn put_down(&mut self, shared: &Shared) {
        let is_wanted = self.pen.as_mut().is_some_and(Pen::put_down);
        if is_wanted || self.machine.is_closing() {
            shared.wake.output.notify_one();
        }
    }

    /// The next bytes, if there are any.
    fn compose(&mut self, now: Time, shared: &Shared) -> Option<Unwritten> {
        if self.announced == Announced::Writing {
            self.announced = Announced::Written;
            self.ends.values().for_each(|ends| ends.answers.announcements_written());
        }
        self.feed();
        self.announce(0);
        let is_ready = self.machine.is_ready();
        let bytes = self.machine.poll_transmit(now);
        if is_ready && bytes.is_some() && self.announced == Announced::Waiting {
            self.announced = Announced::Writing;
        }
        self.drain_events(shared);
        if self.is_draining {
            self.count_in_hand(shared);
        }
        bytes.map(Unwritten::new)
    }

    /// The silence that the system is to be told of, once a connection.
    pub(super) const fn take_silence(&mut self) -> Option<Duration> {
        self.silence.take()
    }

    /// Announces what was in hand at the last tick already, since which so many of the least times between two have passed; returns after how many
    /// of them the next is due, if there will be something to announce.
    pub(super) fn tick(&mut self, passed: u32) -> Option<u32> {
        self.announce(passed);
        let ticking = || self.ends.values().map(|ends| &ends.answers).filter(|answers| answers.is_ticking());
        ticking().next()?;
        Some(if ticking().all(|answers| answers.is_quick()) { (2 * passed).min(SELDOM) } else { 1 })
    }

    fn announce(&mut self, passed: u32) {
        let Self { machine, ends, announced, .. } = self;
        for (no, ends) in ends.iter().filter(|(_, ends)| !ends.is_up) {
            for (job, attempt) in ends.answers.due_announcements(passed) {
                machine.started(*no, job, attempt);
                *announced = Announced::Waiting;
            }
        }
    }

    /// Tells whoever waits how many jobs are unanswered. Answers that wait for the writer are not sent yet, and count as such.
    pub(super) fn count_in_hand(&self, shared: &Shared) {
        let now_in_hand = self.machine.in_hand();
        shared.state.send_if_modified(|state| match state {
            State::Ready { in_hand, .. } => std::mem::replace(in_hand, now_in_hand) != now_in_hand,
            State::Connecting | State::Closed { .. } => false,
        });
    }
}
