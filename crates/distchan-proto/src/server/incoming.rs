//! Bytes from a worker: its requests and its answers.

use bytes::{Bytes, BytesMut};

use crate::batch::{Entry, Kind};
use crate::dispatch::members::Departure;
use crate::error::{Code, ProtocolError, printable};
use crate::frame::batch;
use crate::frame::control::{Control, Direction};
use crate::ids::{ChannelId, ChannelNo, ConnectionId, SessionId};
use crate::limits;
use crate::sabotage::Sabotage;
use crate::server::ServerMachine;
use crate::server::ending::End;
use crate::server::peer::Link;
use crate::session::budget::Action;
use crate::session::landing::Landing;
use crate::session::{Incoming, body_limit};
use crate::time::Time;

impl ServerMachine {
    /// Bytes have arrived: takes what is whole off the front of `input` and leaves the rest there for the next call.
    pub fn handle_input(&mut self, now: Time, id: ConnectionId, input: &mut BytesMut) {
        self.handle_bytes(now, id, None, input);
    }

    /// Where what arrives next is to be put, instead of `input`: to be asked for after [`ServerMachine::handle_input`], and once more after
    /// [`ServerMachine::handle_landed`]. It need not be asked for; whoever has asked must do so.
    pub fn poll_landing(&mut self, id: ConnectionId, input: &mut BytesMut) -> Option<Landing> {
        let peer = self.connections.get(&id).and_then(|id| self.peers.get_mut(id))?;
        peer.session.lend(input)
    }

    /// What a [`Landing`] was for is whole. Otherwise like [`ServerMachine::handle_input`], for which `input` is empty.
    pub fn handle_landed(&mut self, now: Time, id: ConnectionId, landing: Landing, input: &mut BytesMut) {
        self.handle_bytes(now, id, Some(landing), input);
    }

    fn handle_bytes(
        &mut self,
        now: Time,
        id: ConnectionId,
        mut landing: Option<Landing>,
        input: &mut BytesMut,
    ) {
        self.now = now;
        while let Some(&session) = self.connections.get(&id)
            && let Some(peer) = self.peers.get_mut(&session)
        {
            let said = match landing.take() {
                Some(landing) => peer.session.land(now, landing, input),
                None => peer.session.next(now, input),
            };
            match said {
                Ok(Some(incoming)) => {
                    if let Err(error) = self.handle(now, session, incoming) {
                        self.break_connection(now, session, &error);
                    }
                }
                Ok(None) => {
                    self.list_if_needed(session);
                    break;
                }
                Err(error) => self.break_connection(now, session, &error),
            }
        }
        self.after_call();
    }

    fn handle(&mut self, now: Time, id: SessionId, incoming: Incoming) -> Result<(), ProtocolError> {
        match incoming {
            Incoming::Hello(hello) => self.handle_hello(now, id, &hello),
            Incoming::Body(no, body) => return self.handle_body(now, id, no, &body),
            Incoming::Control(no, Control::Open(open)) => self.handle_open(now, id, no, open),
            Incoming::Control(no, Control::Schemas(schemas)) => self.handle_schemas(id, no, &schemas),
            Incoming::Control(no, Control::Leave) => self.handle_leave(id, no),
            Incoming::Control(no, Control::Drain) => self.handle_drain(id, no),
            Incoming::Control(no, Control::Started(runs)) => {
                let jobs = runs.runs.iter().map(|(_, further)| u64::from(*further) + 1).sum();
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.session.charge(now, Action::Begin, jobs)?;
                }
                self.handle_started(now, id, no, &runs);
            }
            Incoming::Control(_, Control::Goodbye(goodbye)) => {
                let text = printable(goodbye.text.as_bytes(), limits::MAX_REASON);
                let reason =
                    if text.is_empty() { "the worker has closed the connection".to_owned() } else { text };
                self.handle_goodbye(now, id, goodbye.code, &reason);
            }
            Incoming::Control(..) | Incoming::Welcome(_) => {
                return Err(ProtocolError::Unexpected("message from a worker"));
            }
        }
        Ok(())
    }

    fn handle_goodbye(&mut self, now: Time, id: SessionId, code: Code, reason: &str) {
        if code.is_of_connection() && self.may_return(id) {
            self.turn_away(id, Code::Normal, "");
            self.let_go(now, id, reason);
        } else {
            self.end(id, &End::told(Code::Normal, reason));
        }
    }

    /// A worker leaves a channel: what it had there goes to others.
    fn handle_leave(&mut self, id: SessionId, no: ChannelNo) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(link) = peer.links.get_mut(&no) else {
            return self.refuse(id, Code::Protocol, "a channel is left that was never asked for");
        };
        match std::mem::replace(link, Link::Closed) {
            Link::Open(link) => {
                peer.sending.retain(|other| *other != no);
                peer.session.forget_bodies(no);
                self.leave(link.channel, link.member, Departure::Left);
            }
            Link::Waiting { deadline, .. } => {
                self.timers.remove(&(deadline, id, no));
            }
            Link::Mismatched { channel } => self.report_mismatch(id, channel),
            Link::Closed => {}
        }
    }

    /// A worker takes no further jobs: what is not on its way to it goes to others.
    fn handle_drain(&mut self, id: SessionId, no: ChannelNo) {
        let Some(link) = self.peers.get_mut(&id).and_then(|peer| peer.link(no)) else {
            return;
        };
        link.is_drained = true;
        let (channel, member) = (link.channel, link.member);
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.retire(member);
        }
        self.place(channel);
    }

    fn handle_body(
        &mut self,
        now: Time,
        id: SessionId,
        no: ChannelNo,
        body: &Bytes,
    ) -> Result<(), ProtocolError> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return Ok(());
        };
        let delay = peer.session.delay();
        let Some(link) = peer.link(no) else {
            // Answers that were on the way when the link ended.
            return Ok(());
        };
        let (channel_id, member) = (link.channel, link.member);
        let Some(channel) = self.channels.get_mut(channel_id.0 as usize) else {
            return Ok(());
        };
        let batch = batch::decode(&link.envelope.open(body, body_limit(link.max_value))?)?;
        batch::check_sizes(&batch, link.max_value)?;
        let last =
            batch.entries.len().checked_sub(1).map_or(0, |last| {
                limits::ENTRY_COST + batch.payload.len() as u64 - u64::from(batch.start(last))
            });
        link.window.arrive(batch.cost(), last)?;
        link.withheld += batch.cost();
        let is_up = channel.spec.direction == Direction::Up;
        let is_other = |entry: &Entry| (entry.kind == Kind::Value) != is_up;
        if !batch.deadlines.is_empty() || batch.entries.iter().any(is_other) {
            return Err(ProtocolError::Unexpected("entry in this direction"));
        }
        let given_back = batch.entries.iter().filter(|entry| entry.kind == Kind::Returned);
        let given_back = given_back.map(Entry::run).sum();
        peer.session.charge(now, Action::GiveBack, given_back)?;
        if is_up {
            channel.received += batch.entries.len() as u64;
            channel.dispatch.pass(batch);
        } else {
            channel.dispatch.set_delay(member, delay);
            channel.dispatch.answer(now, member, batch);
            // What is said not to have been begun, and was not asked for, is given back like any other.
            let unasked = channel.dispatch.take_unasked();
            if let Some(peer) = self.peers.get_mut(&id).filter(|_| unasked > 0) {
                peer.session.charge(now, Action::GiveBack, unasked)?;
            }
        }
        self.show(channel_id);
        self.pay_or_owe(id, no, channel_id);
        self.carry_out(channel_id);
        Ok(())
    }

    /// Gives a worker the credit for what it has sent, or puts that off until the receiver has caught up.
    fn pay_or_owe(&mut self, id: SessionId, no: ChannelNo, channel: ChannelId) {
        match self.channel_mut(channel) {
            Some(entry) if entry.dispatch.is_withholding() => {
                entry.owed.insert((id, no));
            }
            _ => self.pay(id, no),
        }
    }

    /// Gives a worker the credit for what it has sent.
    pub(super) fn pay(&mut self, id: SessionId, no: ChannelNo) {
        let Some(link) = self.peers.get_mut(&id).and_then(|peer| peer.link(no)) else {
            return;
        };
        let grant = link.window.consume(std::mem::take(&mut link.withheld));
        if let Some(total) = grant
            && !Sabotage::LoseCredit.is_on()
        {
            self.tell(id, no, &Control::Credit(total));
        }
    }
}
