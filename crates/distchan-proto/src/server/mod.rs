//! The server's machine: it turns what sessions say into calls on dispatch, and what dispatch decides into what sessions say.
//! It owns no policy of its own, does no I/O and reads no clock.

mod channel;
mod connection;
mod event;
mod incoming;
mod opening;
mod transmit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::batch::Batch;
use crate::dispatch::lease::MemberId;
use crate::dispatch::stats::ChannelStats;
use crate::error::{Code, ProtocolError};
use crate::frame::batch::TableWriter;
use crate::frame::control::{Control, Direction, cut};
use crate::ids::{ChannelId, ChannelNo, ConnectionId, SessionId};
use crate::limits;
use crate::server::channel::Channel;
pub use crate::server::channel::ChannelOptions;
use crate::server::connection::{Connection, Link};
pub use crate::server::event::ServerEvent;
use crate::spec::ChannelSpec;
use crate::time::Time;

/// What a server is, for all its channels.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Keeps applications apart: a worker with another one is refused.
    pub signature: String,
    /// Differs from run to run of a server.
    pub epoch: u64,
}

/// A worker as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its session.
    pub session: SessionId,
    /// Its connection.
    pub connection: ConnectionId,
    /// What it calls itself.
    pub name: String,
    /// How many channels it has open.
    pub channels: usize,
    /// Jobs it is working on, or that are on their way to it.
    pub in_flight: u64,
    /// Jobs it has completed.
    pub completed: u64,
}

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
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections with something to write that the driver has not been told of.
    ready: VecDeque<ConnectionId>,
    events: VecDeque<ServerEvent>,
    timers: BTreeSet<(Time, ConnectionId, ChannelNo)>,
    table: TableWriter,
    newly_placed: Vec<MemberId>,
    next_connection: u64,
    next_session: u64,
    is_shut: bool,
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
            connections: BTreeMap::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            timers: BTreeSet::new(),
            table: TableWriter::default(),
            newly_placed: Vec::new(),
            next_connection: 1,
            next_session: 1,
            is_shut: false,
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

    /// A transport connection was accepted.
    pub fn accept(&mut self, now: Time) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let deadline = now + limits::HANDSHAKE_BUDGET;
        self.timers.insert((deadline, id, ChannelNo(0)));
        self.connections.insert(id, Connection::new(deadline));
        self.after_call();
        id
    }

    /// The transport is gone, or everything has been written to a connection that [`ServerMachine::is_closing`].
    /// What the worker had in hand goes to others at once.
    pub fn handle_closed(&mut self, connection: ConnectionId, reason: &str) {
        self.end(connection, Code::Normal, reason, false);
        self.connections.remove(&connection);
        self.after_call();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(time, connection, no)) = self.timers.first()
            && time <= now
        {
            self.timers.pop_first();
            if no == ChannelNo(0) {
                self.handshake_overdue(connection);
            } else {
                self.open_overdue(connection, no);
            }
        }
        self.after_call();
    }

    /// When [`ServerMachine::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(time, _, _)| *time)
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

    /// Hands over jobs, in order. Their numbers are given here, consecutively; `extra` of an entry is its sink.
    pub fn submit(&mut self, channel: ChannelId, batch: &Batch) {
        if batch.entries.is_empty() {
            return;
        }
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.submit(batch);
        }
        self.place(channel);
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
            for (connection, no) in std::mem::take(&mut entry.owed) {
                self.pay(connection, no);
            }
        }
        self.place(channel);
        self.after_call();
    }

    /// Says goodbye to everybody. Connections end once it is written; no new ones are served.
    pub fn shutdown(&mut self) {
        self.is_shut = true;
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in all {
            self.end(connection, Code::Shutdown, "the server shuts down", true);
        }
        self.after_call();
    }

    /// The connections whose workers have a channel open.
    #[must_use]
    pub fn members(&self, channel: ChannelId) -> Vec<ConnectionId> {
        self.channel(channel).map_or_else(Vec::new, |entry| entry.members().map(|(id, _)| id).collect())
    }

    /// Every channel's name and how it stands, in the order of opening.
    #[must_use]
    pub fn channels(&self) -> Vec<(String, ChannelStats)> {
        self.channels.iter().map(|channel| (channel.spec.name.clone(), channel.stats())).collect()
    }

    /// How a channel stands.
    #[must_use]
    pub fn stats(&self, channel: ChannelId) -> ChannelStats {
        self.channel(channel).map(Channel::stats).unwrap_or_default()
    }

    /// The workers, in the order in which they connected.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerSnapshot> {
        let snapshot = |(id, connection): (&ConnectionId, &Connection)| {
            let session = connection.id?;
            let mut worker = WorkerSnapshot {
                session,
                connection: *id,
                name: connection.name.clone(),
                channels: 0,
                in_flight: 0,
                completed: 0,
            };
            for link in connection.open_links() {
                let (in_flight, completed) = self
                    .channel(link.channel)
                    .map_or((0, 0), |channel| channel.dispatch.of_member(link.member));
                worker.channels += 1;
                worker.in_flight += in_flight;
                worker.completed += completed;
            }
            Some(worker)
        };
        self.connections.iter().filter_map(snapshot).collect()
    }

    /// Ends a connection: its jobs go back, its links close, and where `farewell` is set it is told why.
    fn end(&mut self, id: ConnectionId, code: Code, reason: &str, farewell: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let session = connection.id.take();
        self.timers.remove(&(connection.deadline, id, ChannelNo(0)));
        let links = std::mem::take(&mut connection.links);
        connection.sending.clear();
        if farewell {
            connection.session.close(code, reason.to_owned());
        } else {
            connection.session.closed();
        }
        for (no, link) in links {
            match link {
                Link::Open(link) => self.leave(link.channel, link.member),
                Link::Waiting { deadline, .. } => {
                    self.timers.remove(&(deadline, id, no));
                }
                Link::Mismatched { channel } => self.report_mismatch(id, channel),
                Link::Closed => {}
            }
        }
        if let Some(session) = session {
            self.events.push_back(ServerEvent::WorkerGone { session, reason: reason.to_owned() });
        }
        // Named even where it is listed: whoever is busy writing to it should know that it is closing.
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_listed = true;
            self.ready.push_back(id);
        }
    }

    /// A peer broke the protocol, or may not come in.
    fn refuse(&mut self, id: ConnectionId, code: Code, reason: &str) {
        let event = ServerEvent::Refused { connection: id, channel: None, code, reason: reason.to_owned() };
        self.events.push_back(event);
        self.end(id, code, reason, true);
    }

    fn break_off(&mut self, id: ConnectionId, error: &ProtocolError) {
        self.refuse(id, error.code(), &error.to_string());
    }

    fn handshake_overdue(&mut self, id: ConnectionId) {
        let is_overdue = self.connections.get(&id).is_some_and(|connection| connection.id.is_none());
        if is_overdue {
            self.break_off(id, &ProtocolError::HandshakeTimeout);
        }
    }

    fn leave(&mut self, channel: ChannelId, member: MemberId) {
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.leave(member);
            if let Some(place) = entry.member(member) {
                entry.owed.remove(&place);
            }
            entry.set_member(member, None);
        }
        self.place(channel);
    }

    /// Lets dispatch give out what it can, and lists the connections that now have something to write.
    fn place(&mut self, channel: ChannelId) {
        let mut members = std::mem::take(&mut self.newly_placed);
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.place(&mut members);
        }
        for member in members.drain(..) {
            if let Some((connection, no)) = self.channel(channel).and_then(|entry| entry.member(member)) {
                self.mark_sending(connection, no);
            }
        }
        self.newly_placed = members;
    }

    fn mark_sending(&mut self, id: ConnectionId, no: ChannelNo) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(link) = connection.link(no)
            && !link.is_sending
        {
            link.is_sending = true;
            connection.sending.push_back(no);
        }
        self.list(id);
    }

    /// Puts a connection on the list of those with something to write.
    fn list(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.is_listed
        {
            connection.is_listed = true;
            self.ready.push_back(id);
        }
    }

    /// Sends a message; a peer that does not read is disconnected.
    fn tell(&mut self, id: ConnectionId, no: ChannelNo, message: &Control) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match connection.session.outbox.put(no, message) {
            Ok(()) => self.list(id),
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
        for (connection, no) in members {
            self.tell(connection, no, &Control::Finished);
        }
        self.events.push_back(ServerEvent::Finished { channel: id });
    }

    fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(id.0 as usize)
    }

    fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(id.0 as usize)
    }

    #[inline]
    fn after_call(&self) {
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// Panics where the machine contradicts itself. Called after every public call in debug builds.
    #[cfg(any(debug_assertions, test))]
    pub fn check_invariants(&self) {
        for channel in &self.channels {
            channel.dispatch.check_invariants();
            assert_eq!(channel.members().count() as u64, channel.dispatch.stats().workers);
            for (connection, no) in channel.members() {
                let link = self.connections.get(&connection).and_then(|connection| connection.links.get(&no));
                let Some(Link::Open(link)) = link else { panic!("a member has an open link") };
                let is_busy =
                    self.connections.get(&connection).is_some_and(|it| it.session.outbox.is_busy(no));
                let is_told = link.is_sending || is_busy;
                assert!(
                    is_told || !channel.dispatch.can_take(link.member),
                    "a job for connection {connection} is forgotten"
                );
            }
        }
        for (id, connection) in &self.connections {
            assert!(
                !connection.has_output() || connection.is_listed,
                "connection {id} is forgotten with output"
            );
        }
    }
}

/// A channel of this name is open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTaken;
