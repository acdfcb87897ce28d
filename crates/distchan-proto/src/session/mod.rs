//! One peer's session, in either role: bytes become messages and bodies, messages and bodies become bytes. It outlives its connections:
//! what concerns one connection alone is begun anew with each. It knows nothing of what a job means, nor which channels there are
//! beyond their numbers.

mod assembly;
pub(crate) mod budget;
pub(crate) mod compose;
pub(crate) mod credit;
pub(crate) mod envelope;
pub(crate) mod landing;
pub(crate) mod outbox;
pub(crate) mod pulse;
pub(crate) mod replay;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::error::{Code, ProtocolError};
use crate::frame::control::{Ack, Control, Goodbye, Hello, Welcome};
use crate::frame::header::{self, FLAG_MORE, FrameKind};
use crate::frame::{decode, preamble};
use crate::ids::ChannelNo;
use crate::limits;
use crate::session::assembly::Assembly;
use crate::session::budget::{Action, Budget};
use crate::session::landing::Landing;
use crate::session::outbox::Outbox;
use crate::session::pulse::{Pulse, Rhythm};
use crate::session::replay::Replay;
use crate::session::state::{Phase, State};
use crate::time::Time;
use crate::transmit::{Output, Transmit};

/// Which end of the connection this is, and what that end has to say at the beginning.
#[derive(Debug)]
pub(crate) enum Role {
    Server,
    /// What is sent once the server has shown that it is one.
    Worker(Hello),
}

/// What the peer said.
#[derive(Debug)]
pub(crate) enum Incoming {
    Hello(Hello),
    Welcome(Welcome),
    /// A message about a channel, or about the connection (number 0).
    Control(ChannelNo, Control),
    /// A whole batch body, as it was on the wire; it may share the buffer in which it arrived.
    Body(ChannelNo, Bytes),
}

/// A frame of a body.
#[derive(Debug)]
enum Piece {
    /// In the buffer in which it arrived.
    Shared(Bytes),
    /// In memory that was lent for it.
    Landed(BytesMut),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Shared(piece) => piece.len(),
            Self::Landed(piece) => piece.len(),
        }
    }
}

/// A session, and its connection where it has one.
#[derive(Debug)]
pub(crate) struct Session {
    role: Role,
    state: State,
    /// What concerns this connection alone: written before everything else, and never again.
    raw: Vec<u8>,
    /// The last words, behind everything else.
    farewell: Vec<u8>,
    pub(crate) outbox: Outbox,
    pub(crate) replay: Replay,
    /// What the worker has asked; at the server's end.
    budget: Budget,
    /// Once the handshake is done.
    pulse: Option<Pulse>,
    owes_ack: bool,
    /// The newest question is still to be written: those before it need not be.
    owes_ping: bool,
    assemblies: BTreeMap<ChannelNo, Assembly>,
    has_said_goodbye: bool,
    /// This connection ends, and the session goes on over another one.
    is_leaving: bool,
}

/// What is being written at once.
#[derive(Debug)]
pub(crate) struct Transmission {
    pub(crate) out: Output,
    /// Up to here it concerns the connection alone.
    raw: usize,
}

impl Session {
    /// The server's end: silent until the peer has sent the magic.
    pub(crate) fn server() -> Self {
        Self::new(Role::Server, State::new())
    }

    /// The worker's end, without a connection.
    pub(crate) fn worker() -> Self {
        Self::new(Role::Worker(Hello::default()), State::detached())
    }

    fn new(role: Role, state: State) -> Self {
        Self {
            role,
            state,
            raw: Vec::new(),
            farewell: Vec::new(),
            outbox: Outbox::default(),
            replay: Replay::default(),
            budget: Budget::default(),
            pulse: None,
            owes_ack: false,
            owes_ping: false,
            assemblies: BTreeMap::new(),
            has_said_goodbye: false,
            is_leaving: false,
        }
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// The worker's end has a connection: it speaks first.
    pub(crate) fn attach(&mut self, hello: Hello) {
        self.detach();
        self.role = Role::Worker(hello);
        self.state = State::new();
        preamble::put(&mut self.raw);
    }

    /// The server's end goes on over a connection whose handshake was begun by `begun`, with a worker that has so many frames.
    pub(crate) fn take_over(&mut self, begun: Self, received: u64) -> Result<(), ProtocolError> {
        self.replay.go_on_from(received)?;
        self.detach();
        self.state = begun.state;
        self.raw = begun.raw;
        Ok(())
    }

    /// What becomes of the connection that `session` had: it is told goodbye, and nothing else.
    pub(crate) fn turned_away(session: &mut Self, code: Code, text: &str) -> Self {
        let state = std::mem::replace(&mut session.state, State::detached());
        let mut own = Self::new(Role::Server, state);
        own.raw = std::mem::take(&mut session.raw);
        own.close(code, text.to_owned());
        own
    }

    /// The connection is gone, the session stays.
    pub(crate) fn detach(&mut self) {
        self.state = State::detached();
        self.raw.clear();
        self.farewell.clear();
        self.pulse = None;
        (self.owes_ack, self.owes_ping) = (false, false);
        self.has_said_goodbye = false;
        self.is_leaving = false;
    }

    /// The worker's end was given a new session: nothing of the old one is sent, or sent again.
    pub(crate) fn renew(&mut self) {
        self.outbox = Outbox::default();
        self.replay = Replay::default();
        self.assemblies.clear();
    }

    /// Both sides have greeted each other: from now on each asks whether the other is there.
    pub(crate) fn greeted(&mut self, now: Time, rhythm: Rhythm) {
        let pulse = Pulse::new(now, rhythm);
        self.pulse = Some(if matches!(self.role, Role::Server) { pulse.asking_soon(now) } else { pulse });
    }

    /// Counts what a worker does; an error where it is too much. A worker counts nothing: the server is whom it works for.
    pub(crate) fn charge(&mut self, now: Time, action: Action, count: u64) -> Result<(), ProtocolError> {
        match self.role {
            Role::Server => self.budget.charge(now, action, count),
            Role::Worker(_) => Ok(()),
        }
    }

    /// The server's answer to the greeting.
    pub(crate) fn welcome(&mut self, welcome: Welcome) {
        Control::Welcome(welcome).put(&mut self.raw, ChannelNo(0));
    }

    /// Lets bodies of values up to `max_value` bytes arrive on a channel.
    pub(crate) fn expect_bodies(&mut self, channel: ChannelNo, max_value: usize) {
        self.assemblies.insert(channel, Assembly::new(body_limit(max_value)));
    }

    /// Nothing arrives on a channel any more, and what has arrived of a body is dropped.
    pub(crate) fn forget_bodies(&mut self, channel: ChannelNo) {
        self.assemblies.remove(&channel);
    }

    /// Whether part of a body has arrived on a channel.
    pub(crate) fn is_assembling(&self, channel: ChannelNo) -> bool {
        self.assemblies.get(&channel).is_some_and(|assembly| !assembly.is_empty())
    }

    /// The next thing the peer said; `None` when more bytes are needed, or nothing matters any more.
    pub(crate) fn next(
        &mut self,
        now: Time,
        input: &mut BytesMut,
    ) -> Result<Option<Incoming>, ProtocolError> {
        if self.state.phase() == Phase::Preamble && !self.take_preamble(input)? {
            return Ok(None);
        }
        while self.state.is_reading() {
            let Some(frame) = decode::take(input, self.state.body_limit())? else {
                return Ok(None);
            };
            self.hear(now, frame.is_of_session, frame.body.len());
            if frame.kind == FrameKind::Skippable {
                self.charge(now, Action::Ask, 1)?;
                continue;
            }
            if frame.is_of_session && !self.state.is_ready() {
                return Err(ProtocolError::Unexpected("message before the handshake is done"));
            }
            if frame.kind == FrameKind::Batch {
                if let Some(body) = self.assemble(frame.channel, Piece::Shared(frame.body), frame.more)? {
                    return Ok(Some(Incoming::Body(frame.channel, body)));
                }
                continue;
            }
            if let Some(incoming) = self.control(now, frame.channel, Control::parse(&frame)?)? {
                return Ok(Some(incoming));
            }
        }
        input.clear();
        Ok(None)
    }

    /// Where what comes next is to be put, if `input` begins with a part of a frame that belongs to a large body; it is moved there.
    pub(crate) fn lend(&mut self, input: &mut BytesMut) -> Option<Landing> {
        let (header, begun) = decode::begun_batch(input).filter(|_| self.state.is_ready())?;
        let assembly = self.assemblies.get_mut(&header.channel)?;
        let is_of_large = header.flags == FLAG_MORE || !assembly.is_empty();
        let size = header.length as usize;
        if !is_of_large
            || !Landing::is_worth(&header, begun.len())
            || assembly.len() + size > assembly.limit()
        {
            return None;
        }
        let piece = assembly.lend(begun, size);
        input.clear();
        Some(Landing::new(header, piece))
    }

    /// Takes back what was lent, as soon as it is whole; otherwise like [`Session::next`].
    pub(crate) fn land(
        &mut self,
        now: Time,
        landing: Landing,
        input: &mut BytesMut,
    ) -> Result<Option<Incoming>, ProtocolError> {
        debug_assert!(landing.is_whole() && input.is_empty(), "what arrives is put there first");
        if self.state.is_ready() {
            let (header, piece) = landing.into_parts(input);
            header.check(&piece)?;
            self.hear(now, true, piece.len());
            let more = header.flags == FLAG_MORE;
            if let Some(body) = self.assemble(header.channel, Piece::Landed(piece), more)? {
                return Ok(Some(Incoming::Body(header.channel, body)));
            }
        }
        self.next(now, input)
    }

    /// A whole frame has arrived.
    fn hear(&mut self, now: Time, is_of_session: bool, body: usize) {
        if let Some(pulse) = &mut self.pulse {
            pulse.hear(now);
            if is_of_session {
                pulse.get_on(now);
            }
        }
        if is_of_session && self.state.is_ready() {
            self.owes_ack |= self.replay.arrive(header::LENGTH + body);
        }
    }

    /// How long the line takes to the peer and back, as far as is known.
    pub(crate) fn delay(&self) -> Duration {
        self.pulse.as_ref().map_or(Duration::ZERO, Pulse::delay)
    }

    /// When [`Session::check_pulse`] has something to do.
    pub(crate) fn pulse_due(&self) -> Option<Time> {
        // Whoever closes asks no longer.
        self.pulse.as_ref().filter(|_| self.state.is_ready()).map(Pulse::next)
    }

    /// Time has passed: asks, where that is due; an error where the peer is lost.
    pub(crate) fn check_pulse(&mut self, now: Time) -> Result<(), ProtocolError> {
        if let Some(pulse) = &mut self.pulse
            && pulse.check(now)?
        {
            self.owes_ping = true;
        }
        Ok(())
    }

    /// Begins to write: what concerns the connection alone stands first.
    pub(crate) fn begin(&mut self) -> Transmission {
        let mut out = self.replay.buffer();
        out.append(&mut self.raw);
        if std::mem::take(&mut self.owes_ping)
            && let Some(pulse) = &self.pulse
        {
            Control::Ping(pulse.asked()).put(&mut out, ChannelNo(0));
        }
        if std::mem::take(&mut self.owes_ack)
            && let Some(pulse) = &self.pulse
        {
            let ack = Ack { received: self.replay.received(), ping: pulse.seen() };
            Control::Ack(ack).put(&mut out, ChannelNo(0));
            self.replay.said();
        }
        let raw = out.len();
        Transmission { out: Output::new(out), raw }
    }

    /// Whether frames of the session may be written now.
    pub(crate) fn may_send(&self) -> bool {
        !self.is_leaving
            && self.replay.is_open()
            && matches!(self.state.phase(), Phase::Ready | Phase::Closing)
    }

    /// Keeps what was written of the session, and returns all of it, or what has to be sent again; `None` where there is nothing now.
    pub(crate) fn finish(&mut self, transmission: Transmission) -> Option<Transmit> {
        let Transmission { mut out, raw } = transmission;
        let of_session = out.len() > raw;
        if out.is_empty() && self.replay.is_resending() && self.state.is_ready() {
            self.replay.put_back(out.into_buffer());
            return self.replay.resend();
        }
        let is_last = self.is_leaving || self.outbox.is_empty() || !self.replay.is_open();
        let mut farewell = 0;
        if is_last {
            farewell = self.farewell.len();
            out.own().append(&mut self.farewell);
        }
        if out.is_empty() {
            self.replay.put_back(out.into_buffer());
            return None;
        }
        let (all, kept) = self.replay.wrap(out, raw, farewell);
        if of_session {
            self.replay.keep(kept);
        }
        Some(all)
    }

    /// Whether there is something to write, as far as this knows: batches are composed by the machine.
    pub(crate) fn has_output(&self) -> bool {
        let waits = self.replay.is_resending() || (!self.outbox.is_empty() && self.replay.is_open());
        let of_session = waits && !self.is_leaving;
        let may_write = matches!(self.state.phase(), Phase::Ready | Phase::Closing);
        !self.raw.is_empty()
            || self.owes_ack
            || self.owes_ping
            || (may_write && (of_session || !self.farewell.is_empty()))
    }

    fn take_preamble(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        let theirs = match preamble::take(input) {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return Ok(false),
            Err(error) => {
                // A worker that begins TLS here is told that it must not; it knows the preamble.
                if error == ProtocolError::Encrypted && matches!(self.role, Role::Server) {
                    preamble::put(&mut self.raw);
                }
                return Err(error);
            }
        };
        if matches!(self.role, Role::Server) {
            preamble::put(&mut self.raw);
        }
        preamble::agree(theirs)?;
        self.state.preamble_done();
        if let Role::Worker(hello) = &self.role {
            Control::Hello(hello.clone()).put(&mut self.raw, ChannelNo(0));
        }
        Ok(true)
    }

    fn control(
        &mut self,
        now: Time,
        channel: ChannelNo,
        message: Control,
    ) -> Result<Option<Incoming>, ProtocolError> {
        match (message, &self.role, &mut self.pulse) {
            (Control::Hello(hello), Role::Server, _) => {
                self.state.greeted()?;
                Ok(Some(Incoming::Hello(hello)))
            }
            (Control::Welcome(welcome), Role::Worker(_), _) => {
                self.state.greeted()?;
                Ok(Some(Incoming::Welcome(welcome)))
            }
            (Control::Hello(_) | Control::Welcome(_), _, _) => {
                Err(ProtocolError::Unexpected("greeting from this side"))
            }
            (message @ Control::Goodbye(_), _, _) => Ok(Some(Incoming::Control(channel, message))),
            (Control::Ping(number), _, Some(pulse)) => {
                pulse.asked_by_peer(number);
                self.owes_ack = true;
                self.charge(now, Action::Ping, 1)?;
                Ok(None)
            }
            (Control::Ack(ack), _, Some(pulse)) => {
                pulse.answered(now, ack.ping)?;
                let is_news = ack.received > self.replay.acknowledged();
                self.replay.acknowledge(ack.received)?;
                self.charge(now, Action::Ask, u64::from(!is_news))?;
                Ok(None)
            }
            (message, _, Some(_)) => {
                self.charge(now, Action::Ask, 1)?;
                Ok(Some(Incoming::Control(channel, message)))
            }
            (_, _, None) => Err(ProtocolError::Unexpected("message before the handshake is done")),
        }
    }

    /// Puts a frame's body behind what has arrived of its channel's body; hands the body out when it is whole.
    fn assemble(
        &mut self,
        channel: ChannelNo,
        piece: Piece,
        more: bool,
    ) -> Result<Option<Bytes>, ProtocolError> {
        let Some(assembly) = self.assemblies.get_mut(&channel) else {
            return Err(ProtocolError::Unexpected("batch for a channel that is not open"));
        };
        let piece = match piece {
            Piece::Shared(piece) if assembly.is_empty() && !more => return Ok(Some(piece)),
            piece @ (Piece::Shared(_) | Piece::Landed(_)) => piece,
        };
        if piece.len() == 0 {
            return Err(ProtocolError::Malformed("batch: an empty piece"));
        }
        if assembly.len() + piece.len() > assembly.limit() {
            return Err(ProtocolError::ValueTooLarge { limit: assembly.limit() });
        }
        match piece {
            Piece::Shared(piece) => assembly.push(&piece),
            Piece::Landed(piece) => assembly.take_back(piece),
        }
        Ok((!more).then(|| assembly.take()))
    }

    /// Says goodbye: nothing more is read, what waits is still written.
    pub(crate) fn close(&mut self, code: Code, text: String) {
        if self.state.is_reading() {
            // A peer that is being turned away is not sent the rest of a large value, nor anything behind what it still lacks.
            self.outbox.drop_large();
            if self.replay.is_resending() {
                self.renew();
            }
            self.say_goodbye(code, text);
            self.pulse = None;
            self.state.close();
        }
    }

    /// Ends the connection alone, and says why: the session, and all that is on its way in it, waits for another one.
    pub(crate) fn close_connection(&mut self, code: Code, text: String) {
        if self.state.is_reading() {
            self.say_goodbye(code, text);
            self.is_leaving = true;
            self.pulse = None;
            self.state.close();
        }
    }

    fn say_goodbye(&mut self, code: Code, text: String) {
        // A stray connection is told nothing; whoever sent the magic can read why it is turned away.
        let is_stray =
            self.state.phase() == Phase::Preamble && !matches!(code, Code::Version | Code::Security);
        if !is_stray && !std::mem::replace(&mut self.has_said_goodbye, true) {
            Control::Goodbye(Goodbye { code, text }).put(&mut self.farewell, ChannelNo(0));
        }
    }

    /// Says goodbye and goes on reading until the peer says it too: then it has taken everything that was sent. Once a connection.
    pub(crate) fn farewell(&mut self, code: Code, text: String) {
        if !std::mem::replace(&mut self.has_said_goodbye, true) {
            Control::Goodbye(Goodbye { code, text }).put(&mut self.farewell, ChannelNo(0));
        }
    }

    /// Everything was written, or the transport is gone, and no other will come.
    pub(crate) fn closed(&mut self) {
        self.detach();
        self.renew();
        self.state.closed();
    }
}

/// What a server writes to a worker that it does not even begin to speak with: a preamble and a goodbye.
#[must_use]
pub(crate) fn farewell(code: Code, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    preamble::put(&mut bytes);
    Control::Goodbye(Goodbye { code, text: text.to_owned() }).put(&mut bytes, ChannelNo(0));
    bytes
}

/// The largest body, transformed or not, of values up to `max_value` bytes: a transform may lengthen what it is given, by a tag or,
/// where it cannot compress, by a little everywhere.
pub(crate) const fn body_limit(max_value: usize) -> usize {
    max_value + max_value / 8 + 2 * limits::MAX_FRAME_BODY
}
