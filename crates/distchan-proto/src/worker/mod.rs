//! The worker's machine: one session with one server, over one connection after the other, and the channels opened in it. No I/O, no clock.

mod connection;
mod event;
mod incoming;
mod link;
mod policy;
mod transmit;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::batch::Submission;
use crate::compression;
use crate::error::Code;
use crate::frame::batch::TableWriter;
use crate::frame::control::{Control, Direction, Open, cut};
use crate::ids::{ChannelNo, SessionId, SessionKey};
use crate::limits;
use crate::session::Session;
use crate::session::state::Phase;
use crate::spec::ChannelSpec;
use crate::time::Time;
pub use crate::worker::event::WorkerEvent;
use crate::worker::link::{Link, LinkState, number_after};

/// What a worker says of itself.
#[derive(Clone, Debug, Default)]
pub struct WorkerConfig {
    /// Keeps applications apart: must be the server's.
    pub signature: String,
    /// For the server's list of workers.
    pub name: String,
}

/// How a worker opens a channel, beyond what both sides must agree on.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Jobs that this worker works on at once.
    pub concurrency: u32,
    /// The most jobs that it holds unfinished.
    pub max_jobs: u32,
    /// The most bytes of unfinished jobs that it holds; one job may exceed it.
    pub max_bytes: u64,
    /// How long the server may wait for the channel to be opened there.
    pub wait: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            max_jobs: limits::MAX_JOBS_IN_HAND,
            max_bytes: limits::MAX_BYTES_IN_HAND,
            wait: Duration::from_secs(10),
        }
    }
}

/// The worker's machine.
///
/// The drain rule, for whoever drives it. After any call that takes `&mut self`:
/// 1. take all events with [`WorkerMachine::poll_event`];
/// 2. for each channel that [`WorkerMachine::wants`] answers, [`WorkerMachine::submit`] those that wait;
/// 3. while the transport can be written, write what [`WorkerMachine::poll_transmit`] returns, until it returns nothing;
///    then, where [`WorkerMachine::is_closing`], close the transport and call [`WorkerMachine::handle_disconnected`];
/// 4. where there is no transport and the machine is not [`WorkerMachine::is_over`], connect and call
///    [`WorkerMachine::handle_connected`], or [`WorkerMachine::give_up`];
/// 5. arm a timer for [`WorkerMachine::poll_timeout`] and call [`WorkerMachine::handle_timeout`] then.
#[derive(Debug)]
pub struct WorkerMachine {
    config: WorkerConfig,
    session: Session,
    /// The session that the server has given, once it has.
    given: Option<Given>,
    links: BTreeMap<ChannelNo, Link>,
    sending: VecDeque<ChannelNo>,
    events: VecDeque<WorkerEvent>,
    table: TableWriter,
    /// Whether values were written that a link has not been told of.
    has_new_values: bool,
    /// Values that were sent unasked were lost with a session.
    has_lost_values: bool,
    /// Until a connection's handshake is done.
    deadline: Option<Time>,
    /// The user is done; `GOODBYE` follows the last answer.
    close_requested: bool,
    is_over: bool,
}

/// What the server has said of this worker's session.
#[derive(Clone, Copy, Debug)]
struct Given {
    session: SessionId,
    epoch: u64,
    key: SessionKey,
}

impl WorkerMachine {
    /// A worker without a connection. Channels can be asked for already.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        Self {
            config,
            session: Session::worker(),
            given: None,
            links: BTreeMap::new(),
            sending: VecDeque::new(),
            events: VecDeque::new(),
            table: TableWriter::default(),
            has_new_values: false,
            has_lost_values: false,
            deadline: None,
            close_requested: false,
            is_over: false,
        }
    }

    /// Asks for a channel; the answer is [`WorkerEvent::Opened`] or [`WorkerEvent::Refused`]. Can be called before the handshake
    /// is done. `None` where the connection is over, or has used up its channel numbers.
    pub fn open(&mut self, mut spec: ChannelSpec, options: OpenOptions) -> Option<ChannelNo> {
        spec.name = cut(&spec.name, limits::MAX_NAME).to_owned();
        let last = self.links.last_key_value().map(|(no, _)| *no);
        let no = number_after(last).filter(|_| !self.is_over && !self.close_requested)?;
        let open = Open {
            name: spec.name.clone(),
            direction: spec.direction,
            codec: spec.codec.clone(),
            job: spec.job.fingerprint().to_bytes(),
            result: spec.result.fingerprint().to_bytes(),
            probe: spec.probe().into(),
            concurrency: options.concurrency,
            max_jobs: options.max_jobs.max(1),
            max_bytes: options.max_bytes,
            max_value: spec.max_value as u64,
            wait_millis: u64::try_from(options.wait.as_millis()).unwrap_or(u64::MAX),
            compressions: compression::offered(&spec.compressors),
        };
        self.links.insert(no, Link::new(spec, open));
        self.ask();
        Some(no)
    }

    /// Whether answers of this channel could be sent, if there were any.
    #[must_use]
    pub fn wants(&self, no: ChannelNo) -> bool {
        self.links.get(&no).is_some_and(Link::wants) && !self.session.outbox.is_busy(no)
    }

    /// Hands over answers (or, on a channel from the workers, values), in order.
    pub fn submit(&mut self, no: ChannelNo, batch: Submission) {
        if let Some(link) = self.links.get_mut(&no)
            && link.takes()
            && !batch.entries.is_empty()
        {
            link.submit(batch);
            self.mark_sending(no);
        }
    }

    /// Asks for no further jobs of a channel. Those that are on their way still come.
    pub fn drain(&mut self, no: ChannelNo) {
        if let Some(link) = self.links.get_mut(&no)
            && link.state == LinkState::Open
            && !std::mem::replace(&mut link.is_drained, true)
        {
            self.tell(no, &Control::Drain);
        }
    }

    /// Jobs that came, on all channels, and are not answered.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.links.values().filter(|link| link.is_open()).map(|link| link.in_hand).sum()
    }

    /// Jobs that came on one channel, and are not answered.
    #[must_use]
    pub fn in_hand_of(&self, no: ChannelNo) -> u64 {
        self.links.get(&no).map_or(0, |link| link.in_hand)
    }

    /// Whether [`WorkerMachine::poll_transmit`] may have something: to be asked after input, to wake whoever writes.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.session.has_output()
            || (self.session.may_send()
                && (!self.sending.is_empty() || (self.close_requested && self.session.outbox.is_empty())))
    }

    /// Leaves a channel: what was submitted is still sent, then what is in hand goes back to the server. Submit whatever waits before,
    /// also where the channel does not [`WorkerMachine::wants`] it.
    pub fn leave(&mut self, no: ChannelNo) {
        let Some(link) = self.links.get_mut(&no) else {
            return;
        };
        match link.state {
            LinkState::Open => {
                link.state = LinkState::Leaving;
                self.mark_sending(no);
            }
            // Values that a session before this one did not send are sent first.
            LinkState::Opening if !link.is_drained() => link.leaves_when_open = true,
            LinkState::Opening => {
                link.close();
                if link.is_asked {
                    self.tell(no, &Control::Leave);
                }
            }
            LinkState::Leaving | LinkState::Closed => {}
        }
    }

    /// Leaves every channel, and says goodbye when everything has been sent; [`WorkerEvent::Closed`] follows when the server has
    /// taken it all.
    pub fn close(&mut self) {
        let all: Vec<ChannelNo> = self.links.keys().copied().collect();
        for no in all {
            self.leave(no);
        }
        let is_away = self.session.state().phase() == Phase::Detached;
        if self.given.is_some() && !self.is_over && !(is_away && self.has_nothing_to_say()) {
            self.close_requested = true;
        } else if self.given.is_some() {
            self.end(Code::Normal, "closed while the connection was lost, with nothing on its way");
        } else {
            self.session.close(Code::Normal, String::new());
            self.end(Code::Normal, "closed before the handshake was done");
        }
    }

    /// Whether the server has everything that was said, and nothing waits.
    fn has_nothing_to_say(&self) -> bool {
        self.session.replay.is_settled()
            && self.session.outbox.is_empty()
            && self.links.values().all(|link| link.is_drained() && link.state != LinkState::Leaving)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<WorkerEvent> {
        self.events.pop_front()
    }

    /// Sends the opens whose time has come.
    pub(crate) fn ask(&mut self) {
        if !self.session.state().is_ready() {
            return;
        }
        let leaving = |no: ChannelNo, link: &Link| {
            self.links.range(..no).any(|(_, other)| {
                let leaves = other.state == LinkState::Leaving
                    || (other.state == LinkState::Opening && other.leaves_when_open);
                leaves && other.spec.name == link.spec.name
            })
        };
        let waits =
            |no, link: &Link| link.state == LinkState::Opening && !link.is_asked && !leaving(no, link);
        let asked: Vec<ChannelNo> =
            self.links.iter().filter(|(no, link)| waits(**no, link)).map(|(no, _)| *no).collect();
        for no in asked {
            let Some(link) = self.links.get_mut(&no) else {
                continue;
            };
            link.is_asked = true;
            let open = Control::Open(link.open.clone());
            self.tell(no, &open);
        }
    }

    fn mark_sending(&mut self, no: ChannelNo) {
        if let Some(link) = self.links.get_mut(&no)
            && !link.is_sending
        {
            link.is_sending = true;
            self.sending.push_back(no);
        }
    }

    fn tell(&mut self, no: ChannelNo, message: &Control) {
        if let Err(error) = self.session.outbox.put(no, message) {
            self.break_off(&error);
        }
    }

    /// What the first word of a difference is called.
    pub(crate) const fn root(direction: Direction) -> &'static str {
        match direction {
            Direction::Jobs => "job",
            Direction::Down | Direction::Up => "value",
        }
    }
}
