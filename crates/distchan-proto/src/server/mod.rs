//! The server's machine: it turns what sessions say into calls on dispatch, and what dispatch decides into what sessions say.
//! It owns no policy of its own, does no I/O and reads no clock.

mod channel;
mod event;
mod greeting;
mod incoming;
mod opening;
mod peer;
mod policy;
mod transmit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use crate::batch::Batch;
use crate::dispatch::lease::MemberId;
use crate::dispatch::members::Departure;
use crate::dispatch::stats::ChannelStats;
use crate::error::{Code, ProtocolError};
use crate::frame::batch::TableWriter;
use crate::frame::control::{Control, Direction, cut};
use crate::ids::{ChannelId, ChannelNo, ConnectionId, SessionId};
use crate::limits;
use crate::sabotage::Sabotage;
use crate::server::channel::Channel;
pub use crate::server::channel::ChannelOptions;
pub use crate::server::event::ServerEvent;
use crate::server::peer::{Link, Peer, Standing};
use crate::session;
use crate::spec::ChannelSpec;
use crate::time::Time;

/// What a server is, for all its channels.
#[derive(Clone)]
pub struct ServerConfig {
    /// Keeps applications apart: a worker with another one is refused.
    pub signature: String,
    /// Differs from run to run of a server.
    pub epoch: u64,
    /// What the sessions' keys are made of: random, and told to nobody.
    pub secret: [u8; 16],
    /// How often both sides ask whether the other is there.
    pub heartbeat: Duration,
    /// A peer that was silent for so long is lost, and its jobs go to others.
    pub lost_after: Duration,
    /// How long a worker whose connection broke may take to come back before its jobs go to others.
    pub grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            signature: String::new(),
            epoch: 0,
            secret: [0; 16],
            heartbeat: limits::HEARTBEAT,
            lost_after: limits::LOST_AFTER,
            grace: limits::GRACE,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("signature", &self.signature)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// How a transport connection ended that nobody had said goodbye on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The other end was closed or reset. On a direct connection that is what the system does for a process that has ended.
    Closed,
    /// Anything else: the network.
    Broken,
    /// This side cannot go on with this worker, over whatever connection.
    Fault,
}

/// A worker as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its session.
    pub session: SessionId,
    /// Its connection; `None` while it is away, and may come back.
    pub connection: Option<ConnectionId>,
    /// What it calls itself.
    pub name: String,
    /// How many channels it has open.
    pub channels: usize,
    /// Jobs it is working on, or that are on their way to it.
    pub in_flight: u64,
    /// Jobs it has completed.
    pub completed: u64,
    /// Bytes that were sent to it and are kept until it has said that they have arrived.
    pub unacknowledged: usize,
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

    /// A transport connection was accepted. `route` is what this side sees of its two ends, `worker>server`; empty where it sees nothing.
    /// It tells a worker that has ended from a connection that was cut on its way.
    pub fn accept(&mut self, now: Time, route: &str) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let session = self.add_peer(Peer::new(id, route));
        self.arm(session, Some(now + limits::HANDSHAKE_BUDGET));
        self.after_call();
        id
    }

    /// The transport is gone, or everything has been written to a connection that [`ServerMachine::is_closing`]. Where its worker may come
    /// back, its jobs stay with it for the grace period; else they go to others at once.
    pub fn handle_closed(&mut self, now: Time, connection: ConnectionId, loss: Loss, reason: &str) {
        self.now = now;
        if let Some(id) = self.connections.remove(&connection) {
            let may_return = self.may_return(id);
            let is_direct = self.peers.get_mut(&id).is_some_and(|peer| {
                peer.connection = None;
                peer.is_direct
            });
            if may_return && loss != Loss::Fault && !(is_direct && loss == Loss::Closed) {
                self.let_go(now, id, reason);
            } else {
                self.end(id, &End::lost(reason));
            }
        }
        self.after_call();
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
    pub fn submit(&mut self, now: Time, channel: ChannelId, batch: &Batch) {
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

    /// The connections whose workers have a channel open.
    #[must_use]
    pub fn members(&self, channel: ChannelId) -> Vec<ConnectionId> {
        let members = self.channel(channel).into_iter().flat_map(Channel::members);
        members.filter_map(|(id, _)| self.peers.get(&id)?.connection).collect()
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
        let snapshot = |(id, peer): (&SessionId, &Peer)| {
            let mut worker = WorkerSnapshot {
                session: *id,
                connection: peer.connection,
                name: peer.name.clone(),
                channels: 0,
                in_flight: 0,
                completed: 0,
                unacknowledged: peer.session.replay.kept_bytes(),
            };
            for link in peer.open_links() {
                let (in_flight, completed) = self
                    .channel(link.channel)
                    .map_or((0, 0), |channel| channel.dispatch.of_member(link.member));
                worker.channels += 1;
                worker.in_flight += in_flight;
                worker.completed += completed;
            }
            worker
        };
        self.peers.iter().filter(|(_, peer)| peer.is_worker()).map(snapshot).collect()
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

    fn peer_timer(&mut self, now: Time, id: SessionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.timer = None;
        match peer.standing {
            Standing::Stranger => self.break_off(id, &ProtocolError::HandshakeTimeout),
            Standing::Here => match peer.session.check_pulse(now) {
                Ok(()) => {
                    let next = peer.session.pulse_due();
                    self.arm(id, next);
                    self.list_if_needed(id);
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.end(id, &End { farewell: Some(error.code()), ..End::lost(&reason) });
                }
            },
            Standing::Away => {
                self.end(id, &End::lost("its connection broke, and it did not come back in time"))
            }
            Standing::Gone => {}
        }
    }

    /// A worker's connection is gone; it keeps what it has begun, and is given nothing new, until it is back.
    fn let_go(&mut self, now: Time, id: SessionId, reason: &str) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.standing = Standing::Away;
        peer.is_listed = false;
        peer.session.detach();
        peer.sending.clear();
        let mut open = Vec::new();
        for link in peer.links.values_mut() {
            if let Link::Open(link) = link {
                link.is_sending = false;
                open.push((link.channel, link.member));
            }
        }
        let grace = now + self.config.grace;
        self.arm(id, Some(grace));
        for (channel, member) in open {
            if let Some(entry) = self.channel_mut(channel) {
                entry.dispatch.pause(member);
            }
            self.place(channel);
        }
        self.events.push_back(ServerEvent::WorkerAway { session: id, reason: reason.to_owned() });
    }

    /// Ends a peer's session: its jobs go back, its links close, and where it is to be told why, it is.
    fn end(&mut self, id: SessionId, end: &End<'_>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let was_worker = peer.is_worker();
        peer.standing = Standing::Gone;
        let links = std::mem::take(&mut peer.links);
        peer.sending.clear();
        match end.farewell {
            Some(code) => peer.session.close(code, end.reason.to_owned()),
            None => peer.session.closed(),
        }
        // Named even where it is listed: whoever is busy writing to it should know that it is closing.
        if let Some(connection) = peer.connection {
            peer.is_listed = true;
            self.ready.push_back(connection);
        }
        let is_connected = peer.connection.is_some();
        self.arm(id, None);
        for (no, link) in links {
            match link {
                Link::Open(link) => self.leave(link.channel, link.member, end.departure),
                Link::Waiting { deadline, .. } => {
                    self.timers.remove(&(deadline, id, no));
                }
                Link::Mismatched { channel } => self.report_mismatch(id, channel),
                Link::Closed => {}
            }
        }
        if was_worker {
            self.events.push_back(ServerEvent::WorkerGone { session: id, reason: end.reason.to_owned() });
        }
        if !is_connected {
            self.peers.remove(&id);
        }
    }

    /// A peer broke the protocol, or may not come in.
    fn refuse(&mut self, id: SessionId, code: Code, reason: &str) {
        let connection = self.peers.get(&id).and_then(|peer| peer.connection);
        let event = ServerEvent::Refused { connection, channel: None, code, reason: reason.to_owned() };
        self.events.push_back(event);
        self.end(id, &End::told(code, reason));
    }

    fn break_off(&mut self, id: SessionId, error: &ProtocolError) {
        self.refuse(id, error.code(), &error.to_string());
    }

    /// Something is wrong with a peer: with its connection alone, where its session can go on over another one.
    fn break_connection(&mut self, now: Time, id: SessionId, error: &ProtocolError) {
        if error.is_of_connection() && self.may_return(id) {
            self.turn_away(id, error.code(), &error.to_string());
            self.let_go(now, id, &error.to_string());
        } else {
            self.break_off(id, error);
        }
    }

    /// Whether a worker that is here could come back over another connection.
    fn may_return(&self, id: SessionId) -> bool {
        let can_resume = |peer: &Peer| peer.standing == Standing::Here && peer.can_resume;
        let is_patient = !self.config.grace.is_zero() && !Sabotage::NoGrace.is_on();
        is_patient && !self.is_shut && self.peers.get(&id).is_some_and(can_resume)
    }

    fn leave(&mut self, channel: ChannelId, member: MemberId, departure: Departure) {
        let now = self.now;
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.leave(now, member, departure);
            if let Some(place) = entry.member(member) {
                entry.owed.remove(&place);
            }
            entry.set_member(member, None);
        }
        self.carry_out(channel);
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

    #[inline]
    fn after_call(&self) {
        #[cfg(debug_assertions)]
        {
            // With a thousand workers, to look at each of them after every call would be all that a test does.
            let calls = self.calls.replace(self.calls.get().wrapping_add(1));
            if crate::sabotage::is_any_on() {
                return;
            }
            if self.peers.len() <= 64 || calls.is_multiple_of(256) {
                self.check_invariants();
            }
        }
    }

    /// Panics where the machine contradicts itself. Called after every public call in debug builds (seldom, where there are many workers).
    #[cfg(any(debug_assertions, test))]
    pub fn check_invariants(&self) {
        for channel in &self.channels {
            channel.dispatch.check_invariants();
            assert_eq!(channel.members().count() as u64, channel.dispatch.stats().workers);
            for (id, no) in channel.members() {
                let peer = self.peers.get(&id);
                let Some((peer, Link::Open(link))) = peer.and_then(|peer| Some((peer, peer.links.get(&no)?)))
                else {
                    panic!("a member has an open link");
                };
                let is_told = link.is_sending || peer.session.outbox.is_busy(no);
                assert!(
                    is_told || !channel.dispatch.can_take(link.member),
                    "a job for session {id} is forgotten"
                );
            }
        }
        for (id, peer) in &self.peers {
            let is_forgotten = peer.connection.is_some() && peer.has_output() && !peer.is_listed;
            assert!(!is_forgotten, "session {id} is forgotten with output");
            assert_eq!(peer.connection.is_none(), peer.standing == Standing::Away, "session {id}");
            assert_eq!(
                peer.connection.and_then(|id| self.connections.get(&id)),
                peer.connection.and(Some(id))
            );
            assert!(peer.timer.is_none_or(|time| self.timers.contains(&(time, *id, ChannelNo(0)))));
        }
        assert_eq!(
            self.connections.len(),
            self.peers.values().filter(|peer| peer.connection.is_some()).count()
        );
    }
}

/// How a session ends.
struct End<'a> {
    reason: &'a str,
    /// The code with which the worker is told; `None` where there is nobody to tell.
    farewell: Option<Code>,
    departure: Departure,
}

impl<'a> End<'a> {
    /// The worker is gone.
    const fn lost(reason: &'a str) -> Self {
        Self { reason, farewell: None, departure: Departure::Lost }
    }

    /// The worker is told why. Who says goodbye, or is told to go, has not been brought down by a job.
    const fn told(code: Code, reason: &'a str) -> Self {
        Self { reason, farewell: Some(code), departure: Departure::Left }
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
