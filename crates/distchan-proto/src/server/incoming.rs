//! Bytes from a worker: its greeting, its requests, its answers.

use bytes::{Bytes, BytesMut};

use crate::batch::Kind;
use crate::error::{Code, ProtocolError, printable};
use crate::frame::batch;
use crate::frame::control::{Control, Direction, Hello, Welcome};
use crate::ids::{ChannelNo, ConnectionId, SessionId, SinkId};
use crate::limits;
use crate::server::ServerMachine;
use crate::server::connection::Link;
use crate::server::event::ServerEvent;
use crate::session::{Incoming, body_limit};
use crate::time::Time;

impl ServerMachine {
    /// Bytes have arrived: takes what is whole off the front of `input` and leaves the rest there for the next call.
    pub fn handle_input(&mut self, now: Time, id: ConnectionId, input: &mut BytesMut) {
        while let Some(connection) = self.connections.get_mut(&id) {
            match connection.session.next(input) {
                Ok(Some(incoming)) => {
                    if let Err(error) = self.handle(now, id, incoming) {
                        self.break_off(id, &error);
                    }
                }
                Ok(None) => break,
                Err(error) => self.break_off(id, &error),
            }
        }
        if self.connections.get(&id).is_some_and(|connection| !connection.session.outbox.is_empty()) {
            self.list(id);
        }
        self.after_call();
    }

    fn handle(&mut self, now: Time, id: ConnectionId, incoming: Incoming) -> Result<(), ProtocolError> {
        match incoming {
            Incoming::Hello(hello) => self.handle_hello(id, &hello),
            Incoming::Body(no, body) => return self.handle_body(now, id, no, &body),
            Incoming::Control(no, Control::Open(open)) => self.handle_open(now, id, no, open),
            Incoming::Control(no, Control::Schemas(schemas)) => self.handle_schemas(id, no, &schemas),
            Incoming::Control(no, Control::Leave) => self.handle_leave(id, no),
            Incoming::Control(no, Control::Drain) => self.handle_drain(id, no),
            Incoming::Control(_, Control::Goodbye(goodbye)) => {
                let text = printable(goodbye.text.as_bytes(), limits::MAX_REASON);
                let reason =
                    if text.is_empty() { "the worker has closed the connection".to_owned() } else { text };
                self.end(id, Code::Normal, &reason, true);
            }
            Incoming::Control(..) | Incoming::Welcome(_) => {
                return Err(ProtocolError::Unexpected("message from a worker"));
            }
        }
        Ok(())
    }

    fn handle_hello(&mut self, id: ConnectionId, hello: &Hello) {
        if self.is_shut {
            return self.refuse(id, Code::Shutdown, "the server shuts down");
        }
        if hello.signature != self.config.signature {
            let theirs = printable(hello.signature.as_bytes(), limits::MAX_NAME);
            let reason = format!(
                "the server's signature is {:?}, this worker's is \"{theirs}\"",
                self.config.signature
            );
            return self.refuse(id, Code::Signature, &reason);
        }
        let session = SessionId(self.next_session);
        self.next_session += 1;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.id = Some(session);
        connection.name = printable(hello.name.as_bytes(), limits::MAX_NAME);
        let name = connection.name.clone();
        self.timers.remove(&(connection.deadline, id, ChannelNo(0)));
        self.tell(id, ChannelNo(0), &Control::Welcome(Welcome { session, epoch: self.config.epoch }));
        self.events.push_back(ServerEvent::WorkerConnected { connection: id, session, name });
    }

    /// A worker leaves a channel: what it had there goes to others.
    fn handle_leave(&mut self, id: ConnectionId, no: ChannelNo) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(link) = connection.links.get_mut(&no) else {
            return self.refuse(id, Code::Protocol, "a channel is left that was never asked for");
        };
        match std::mem::replace(link, Link::Closed) {
            Link::Open(link) => {
                connection.sending.retain(|other| *other != no);
                connection.session.forget_bodies(no);
                self.leave(link.channel, link.member);
            }
            Link::Waiting { deadline, .. } => {
                self.timers.remove(&(deadline, id, no));
            }
            Link::Mismatched { channel } => self.report_mismatch(id, channel),
            Link::Closed => {}
        }
    }

    /// A worker takes no further jobs: what is not on its way to it goes to others.
    fn handle_drain(&mut self, id: ConnectionId, no: ChannelNo) {
        let Some(link) = self.connections.get_mut(&id).and_then(|connection| connection.link(no)) else {
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
        id: ConnectionId,
        no: ChannelNo,
        body: &Bytes,
    ) -> Result<(), ProtocolError> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let Some(link) = connection.link(no) else {
            // Answers that were on the way when the link ended.
            return Ok(());
        };
        let (channel_id, member) = (link.channel, link.member);
        let Some(channel) = self.channels.get_mut(channel_id.0 as usize) else {
            return Ok(());
        };
        let batch = match &channel.spec.transform {
            None => batch::decode(body)?,
            Some(transform) => batch::decode(
                &transform.open(body, body_limit(link.max_value)).map_err(ProtocolError::Transform)?.into(),
            )?,
        };
        batch::check_sizes(&batch, link.max_value)?;
        let last =
            batch.entries.len().checked_sub(1).map_or(0, |last| {
                limits::ENTRY_COST + batch.payload.len() as u64 - u64::from(batch.start(last))
            });
        link.window.arrive(batch.cost(), last)?;
        link.withheld += batch.cost();
        let is_up = channel.spec.direction == Direction::Up;
        if batch.entries.iter().any(|entry| (entry.kind == Kind::Value) != is_up) {
            return Err(ProtocolError::Unexpected("entry in this direction"));
        }
        if is_up {
            channel.received += batch.entries.len() as u64;
            channel.dispatch.pass(batch);
        } else {
            channel.dispatch.answer(now, member, &batch);
        }
        while let Some(release) = channel.dispatch.pop_release() {
            let is_dropped = channel.receiver_closed && release.sink == SinkId::RECEIVER;
            if is_dropped || channel.spec.direction == Direction::Down {
                channel.dispatch.consumed(release.batch.cost());
                continue;
            }
            let (sink, batch) = (release.sink, release.batch);
            self.events.push_back(ServerEvent::Results { channel: channel_id, sink, batch });
        }
        if channel.dispatch.is_withholding() {
            channel.owed.insert((id, no));
        } else {
            self.pay(id, no);
        }
        self.place(channel_id);
        self.finish_if_done(channel_id);
        Ok(())
    }

    /// Gives a worker the credit for what it has sent.
    pub(super) fn pay(&mut self, id: ConnectionId, no: ChannelNo) {
        let Some(link) = self.connections.get_mut(&id).and_then(|connection| connection.link(no)) else {
            return;
        };
        let grant = link.window.consume(std::mem::take(&mut link.withheld));
        if let Some(total) = grant {
            self.tell(id, no, &Control::Credit(total));
        }
    }
}
