//! How connections and sessions end: broken, and kept for a while; lost; told to go.

use crate::dispatch::lease::MemberId;
use crate::dispatch::members::Departure;
use crate::error::{Code, ProtocolError};
use crate::ids::{ChannelId, ConnectionId, SessionId};
use crate::sabotage::Sabotage;
use crate::server::ServerMachine;
use crate::server::event::ServerEvent;
use crate::server::peer::{Link, Peer, Standing};
use crate::time::Time;

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

/// How a session ends.
pub(super) struct End<'a> {
    reason: &'a str,
    /// The code with which the worker is told; `None` where there is nobody to tell.
    farewell: Option<Code>,
    departure: Departure,
}

impl<'a> End<'a> {
    /// The worker is gone.
    pub(super) const fn lost(reason: &'a str) -> Self {
        Self { reason, farewell: None, departure: Departure::Lost }
    }

    /// The worker is told why. Who says goodbye, or is told to go, has not been brought down by a job.
    pub(super) const fn told(code: Code, reason: &'a str) -> Self {
        Self { reason, farewell: Some(code), departure: Departure::Left }
    }
}

impl ServerMachine {
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

    pub(super) fn peer_timer(&mut self, now: Time, id: SessionId) {
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
    pub(super) fn let_go(&mut self, now: Time, id: SessionId, reason: &str) {
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
    pub(super) fn end(&mut self, id: SessionId, end: &End<'_>) {
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
    pub(super) fn refuse(&mut self, id: SessionId, code: Code, reason: &str) {
        let connection = self.peers.get(&id).and_then(|peer| peer.connection);
        let event = ServerEvent::Refused { connection, channel: None, code, reason: reason.to_owned() };
        self.events.push_back(event);
        self.end(id, &End::told(code, reason));
    }

    pub(super) fn break_off(&mut self, id: SessionId, error: &ProtocolError) {
        self.refuse(id, error.code(), &error.to_string());
    }

    /// Something is wrong with a peer: with its connection alone, where its session can go on over another one.
    pub(super) fn break_connection(&mut self, now: Time, id: SessionId, error: &ProtocolError) {
        if error.is_of_connection() && self.may_return(id) {
            self.turn_away(id, error.code(), &error.to_string());
            self.let_go(now, id, &error.to_string());
        } else {
            self.break_off(id, error);
        }
    }

    /// Whether a worker that is here could come back over another connection.
    pub(super) fn may_return(&self, id: SessionId) -> bool {
        let can_resume = |peer: &Peer| peer.standing == Standing::Here && peer.can_resume;
        let is_patient = !self.config.grace.is_zero() && !Sabotage::NoGrace.is_on();
        is_patient && !self.is_shut && self.peers.get(&id).is_some_and(can_resume)
    }

    pub(super) fn leave(&mut self, channel: ChannelId, member: MemberId, departure: Departure) {
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
}
