//! A server, and any number of connections whose bytes are written by hand: workers that claim sessions, rightly or not.

use std::collections::BTreeMap;

use bytes::BytesMut;
use distchan_proto::carrier::Carrier;
use distchan_proto::error::Code;
use distchan_proto::ids::{ChannelId, ConnectionId};
use distchan_proto::server::{ChannelOptions, Loss, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;

use crate::harness::{config, spec};
use crate::wire::{self, Back, Read};

/// What a worker behind a proxy says of its route.
pub(crate) const ROUTE: &str = "a>b";

#[derive(Debug)]
pub(crate) struct Returning {
    pub(crate) server: ServerMachine,
    pub(crate) now: Time,
    heard: BTreeMap<ConnectionId, Vec<u8>>,
    pub(crate) refused: Vec<(Option<ConnectionId>, Code, String)>,
    pub(crate) away: usize,
    pub(crate) back: usize,
    pub(crate) gone: Vec<String>,
}

impl Returning {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self {
            server: ServerMachine::new(config),
            now: Time::ZERO,
            heard: BTreeMap::new(),
            refused: Vec::new(),
            away: 0,
            back: 0,
            gone: Vec::new(),
        }
    }

    /// A server with the channel `work`, and a worker that has it open; with what the worker needs to come back.
    pub(crate) fn with_worker() -> (Self, ChannelId, ConnectionId, Back) {
        Self::with_worker_over("c>d".into())
    }

    pub(crate) fn with_worker_over(carrier: Carrier<'_>) -> (Self, ChannelId, ConnectionId, Back) {
        let mut returning = Self::new(config(7));
        let now = returning.now;
        let channel = returning.server.open_channel(now, spec("work"), ChannelOptions::default()).unwrap();
        let connection = returning.connect_over(carrier);
        let hello = [wire::text(b"app"), wire::text(b"w"), wire::text(ROUTE.as_bytes()), wire::varint(0)];
        returning.say(connection, &wire::preamble(1, 1));
        returning.say(connection, &wire::frame(wire::HELLO, 0, 0, &hello.concat()));
        returning.say(connection, &wire::open(1, "work", 0));
        let frames = returning.frames(connection);
        let back = Back { received: 1, ..wire::read_welcome(&frames[0]) };
        assert_eq!((frames[1].kind, frames[2].kind), (wire::PING, wire::OPENED));
        (returning, channel, connection, back)
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        self.connect_over("c>d".into())
    }

    pub(crate) fn connect_over(&mut self, carrier: Carrier<'_>) -> ConnectionId {
        self.server.accept(self.now, carrier)
    }

    /// Another connection, on which a session is claimed; returns the server's greeting.
    pub(crate) fn claim(&mut self, back: &Back) -> (ConnectionId, Back) {
        self.claim_over("c>d".into(), back)
    }

    pub(crate) fn claim_over(&mut self, carrier: Carrier<'_>, back: &Back) -> (ConnectionId, Back) {
        let connection = self.connect_over(carrier);
        self.say(connection, &[wire::preamble(1, 1), wire::hello_again(ROUTE, back)].concat());
        let welcome = wire::read_welcome(&self.frames(connection)[0]);
        (connection, welcome)
    }

    pub(crate) fn say(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let mut input = BytesMut::from(bytes);
        self.server.handle_input(self.now, connection, &mut input);
        self.note();
        self.hear();
    }

    pub(crate) fn cut(&mut self, connection: ConnectionId) {
        self.server.handle_closed(self.now, connection, Loss::Broken, "cut");
        self.note();
        self.hear();
    }

    /// Reads whatever the server writes, to whomever.
    pub(crate) fn hear(&mut self) {
        while let Some(connection) = self.server.poll_ready() {
            while let Some(bytes) = self.server.poll_transmit(self.now, connection).map(Transmit::into_bytes)
            {
                self.heard.entry(connection).or_default().extend_from_slice(&bytes);
            }
        }
        self.note();
    }

    fn note(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Refused { connection, code, reason, .. } => {
                    self.refused.push((connection, code, reason));
                }
                ServerEvent::WorkerAway { .. } => self.away += 1,
                ServerEvent::WorkerBack { .. } => self.back += 1,
                ServerEvent::WorkerGone { reason, .. } => self.gone.push(reason),
                _ => {}
            }
        }
    }

    /// How many bytes the server wrote to a connection.
    pub(crate) fn written(&self, connection: ConnectionId) -> usize {
        self.heard.get(&connection).map_or(0, Vec::len)
    }

    /// The frames that the server wrote to a connection, so far.
    pub(crate) fn frames(&self, connection: ConnectionId) -> Vec<Read> {
        wire::split(self.heard.get(&connection).and_then(|bytes| bytes.get(12..)).unwrap_or_default())
    }

    /// With which code the server has said goodbye.
    pub(crate) fn goodbye(&self, connection: ConnectionId) -> Option<u64> {
        let frames = self.frames(connection);
        let last = frames.last().filter(|frame| frame.kind == wire::GOODBYE)?;
        Some(wire::take_varint(&mut last.body.as_slice()))
    }
}
