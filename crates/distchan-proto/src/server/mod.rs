//! The server's machine: it turns what sessions say into calls on dispatch, and what dispatch decides into what sessions say.
//! It owns no policy of its own, does no I/O and reads no clock.

mod channel;
mod config;
mod ending;
mod event;
mod greeting;
mod incoming;
mod invariants;
mod opening;
mod peer;
mod policy;
mod snapshot;
mod transmit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::batch::Submission;
use crate::carrier::Carrier;
use crate::dispatch::lease::MemberId;
use crate::error::Code;
use crate::frame::batch::TableWriter;
use crate::frame::control::{Control, Direction, cut};
use crate::ids::{ChannelId, ChannelNo, ConnectionId, SessionId};
use crate::limits;
use crate::server::channel::Channel;
pub use crate::server::channel::ChannelOptions;
pub use crate::server::config::ServerConfig;
use crate::server::ending::End;
pub use crate::server::ending::Loss;
pub use crate::server::event::ServerEvent;
use crate::server::peer::Peer;
pub use crate::server::snapshot::WorkerSnapshot;
use crate::session;
use crate::spec::ChannelSpec;
use crate::time::Time;

/// The server's machine.
///
/// The drain rule, for whoever drives it. After any call that takes `&mut self`:
/// 1. take all events with [`ServerMachine::poll_event`];
/// 2. while a channel [`ServerMachine::is_hungry`] and jobs wait, [`ServerMachine::submit`] them;
/// 3. take the connections that have something to write with [`ServerMachine::poll_ready`], and for each call
///    [`ServerMachine::poll_transmit`] when its transport can be written, until it writes nothing; then, where
///    [`ServerMachine::is_closing`], close the transport and call [`ServerMachine::handle_closed`] (a connection that is named may be
///    gone already);
/// 4. arm a timer for [`ServerMachine::poll_timeout`] and call [`ServerMachine::handle_timeout`] then.
#[derive(Debug)]
pub struct ServerMachine {
    config: ServerConfig,
    channels: Vec<Channel>,
    names: BTreeMap<String, ChannelId>,
    peers: BTreeMap<SessionId, Peer>,
    /// Whose each connection is.
    connections: BTreeMap<ConnectionId, SessionId>,
    /// Connections with something to write that the driver has not been told of.
    ready: VecDeque<ConnectionId>,
    events: VecDeque<ServerEvent>,
    /// For a peer (number 0), or for an open that waits.
    timers: BTreeSet<(Time, SessionId, ChannelNo)>,
    table: TableWriter,
    newly_placed: Vec<MemberId>,
    /// The time of the call that is being carried out, or of the last one that had one.
    now: Time,
    next_connection: u64,
    next_session: u64,
    is_shut: bool,
    #[cfg(debug_assertions)]
    calls: std::cell::Cell<u32>,
}

impl ServerMachine {
    /// A server without channels and connections.
    #[must_use]
    pub fn new(mut config: ServerConfig) -> Self {
        config.signature = cut(&config.signature, limits::MAX_NAME).to_owned();
        Self {
            config,
            channels: Vec::new(),
            names: BTreeMap::new(),
            peers: BTreeMap::new(),
            connections: BTreeMap::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            timers: BTreeSet::new(),
            table: TableWriter::default(),
            newly_placed: Vec::new(),
            now: Time::ZERO,
            next_connection: 1,
            next_session: 1,
            is_shut: false,
            #[cfg(debug_assertions)]
            calls: std::cell::Cell::default(),
        }
    }

    /// Opens a channel, and lets in the workers that already wait for it.
    ///
    /// # Errors
    /// The name is taken: a channel is opened once.
    pub fn open_channel(
        &mut self,
        now: Time,
        mut spec: ChannelSpec,
        options: ChannelOptions,
    ) -> Result<ChannelId, NameTaken> {
        spec.name = cut(&spec.name, limits::MAX_NAME).to_owned();
        if self.names.contains_key(&spec.name) {
            return Err(NameTaken);
        }
        let id = ChannelId(u32::try_from(self.channels.len()).expect("channels are opened by hand"));
        self.names.insert(spec.name.clone(), id);
        self.channels.push(Channel::new(spec, options));
        self.admit_waiting(now, id);
        self.after_call();
        Ok(id)
    }

    /// A transport connection was accepted. Its route tells a worker that has ended from a connection that was cut on its way.
    pub fn accept<'a>(&mut self, now: Time, carrier: impl Into<Carrier<'a>>) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let session = self.add_peer(Peer::new(id, &carrier.into()));
        self.arm(session, Some(now + limits::HANDSHAKE_BUDGET));
        self.after_call();
        id
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        while let Some(&(time, id, no)) = self.timers.first()
            && time <= now
        {
            self.timers.pop_first();
            if no == ChannelNo(0) {
                self.peer_timer(now, id);
            } else {
                self.open_overdue(id, no);
            }
        }
        self.handle_due(now);
        self.after_call();
    }

    /// When [`ServerMachine::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let first = self.timers.first().map(|(time, _, _)| *time);
        [first, self.next_due()].into_iter().flatten().min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// Whether a worker waits for a job of this channel.
    #[must_use]
    pub fn is_hungry(&self, channel: ChannelId) -> bool {
        self.channel(channel).is_some_and(|channel| channel.dispatch.is_hungry())
    }

    /// Whether every job that was submitted to this channel has its outcome.
    #[must_use]
    pub fn is_quiet(&self, channel: ChannelId) -> bool {
        self.channel(channel).is_some_and(|channel| channel.dispatch.is_quiet())
    }

    /// Hands over jobs, in order. Their numbers are given here, consecutively; `extra` of an entry is its sink. The batch's deadlines
    /// count from now.
    pub fn submit(&mut self, now: Time, channel: ChannelId, batch: Submission) {
        if batch.entries.is_empty() {
            return;
        }
        self.now = now;
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.submit(now, batch);
        }
        self.carry_out(channel);
        self.after_call();
    }

    /// No further jobs will be submitted. Workers are told when every job has its outcome.
    pub fn close(&mut self, channel: ChannelId) {
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.close();
        }
        self.finish_if_done(channel);
        self.after_call();
    }

    /// The user will take no more results, or values, of this channel: what comes is dropped, so that nothing waits for it.
    pub fn close_receiver(&mut self, channel: ChannelId) {
        if let Some(entry) = self.channel_mut(channel) {
            entry.receiver_closed = true;
            if entry.spec.direction == Direction::Up {
                entry.dispatch.close();
            }
        }
        self.finish_if_done(channel);
        self.after_call();
    }

    /// The user has taken results of this cost.
    pub fn consumed(&mut self, channel: ChannelId, cost: u64) {
        let Some(entry) = self.channel_mut(channel) else {
            return;
        };
        entry.dispatch.consumed(cost);
        if !entry.dispatch.is_withholding() {
            for (id, no) in std::mem::take(&mut entry.owed) {
                self.pay(id, no);
            }
        }
        self.place(channel);
        self.after_call();
    }

    /// Says goodbye to everybody. Connections end once it is written; no new ones are served.
    pub fn shutdown(&mut self) {
        self.is_shut = true;
        let all: Vec<SessionId> = self.peers.keys().copied().collect();
        for id in all {
            self.end(id, &End::told(Code::Shutdown, "the server shuts down"));
        }
        self.after_call();
    }

    fn add_peer(&mut self, peer: Peer) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        if let Some(connection) = peer.connection {
            self.connections.insert(connection, id);
        }
        self.peers.insert(id, peer);
        id
    }

    /// Sets a peer's one timer.
    fn arm(&mut self, id: SessionId, time: Option<Time>) {
        if let Some(peer) = self.peers.get_mut(&id) {
            if let Some(old) = std::mem::replace(&mut peer.timer, time) {
                self.timers.remove(&(old, id, ChannelNo(0)));
            }
            if let Some(time) = time {
                self.timers.insert((time, id, ChannelNo(0)));
            }
        }
    }

    /// Lets dispatch give out what it can, and lists the connections that now have something to write.
    fn place(&mut self, channel: ChannelId) {
        let mut members = std::mem::take(&mut self.newly_placed);
        let now = self.now;
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.place(now, &mut members);
        }
        for member in members.drain(..) {
            if let Some((id, no)) = self.channel(channel).and_then(|entry| entry.member(member)) {
                self.mark_sending(id, no);
            }
        }
        self.newly_placed = members;
    }

    fn mark_sending(&mut self, id: SessionId, no: ChannelNo) {
        if let Some(peer) = self.peers.get_mut(&id)
            && let Some(link) = peer.link(no)
            && !link.is_sending
        {
            link.is_sending = true;
            peer.sending.push_back(no);
        }
        self.list_if_needed(id);
    }

    /// Puts a peer's connection on the list of those with something to write, where it has.
    fn list_if_needed(&mut self, id: SessionId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && let Some(connection) = peer.connection
            && !peer.is_listed
            && peer.has_output()
        {
            peer.is_listed = true;
            self.ready.push_back(connection);
        }
    }

    /// Sends a message; a peer that does not read is disconnected.
    fn tell(&mut self, id: SessionId, no: ChannelNo, message: &Control) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match peer.session.outbox.put(no, message) {
            Ok(()) => self.list_if_needed(id),
            Err(error) => self.break_off(id, &error),
        }
    }

    /// Tells everybody when a channel is closed and every job has its outcome.
    fn finish_if_done(&mut self, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else {
            return;
        };
        if channel.finished || !channel.dispatch.is_finished() {
            return;
        }
        channel.finished = true;
        let members: Vec<_> = channel.members().collect();
        for (id, no) in members {
            self.tell(id, no, &Control::Finished);
        }
        self.events.push_back(ServerEvent::Finished { channel: id });
    }

    fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(id.0 as usize)
    }

    fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(id.0 as usize)
    }
}

/// What is written to a worker that is turned away before a machine sees it, in place of all that a machine would say.
#[must_use]
pub fn farewell(code: Code, text: &str) -> Vec<u8> {
    session::farewell(code, text)
}

/// A channel of this name is open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTaken;
