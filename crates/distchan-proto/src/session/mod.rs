//! One peer's session, in either role: bytes become messages and bodies (`incoming`), messages and bodies become bytes. It outlives its
//! connections: what concerns one connection alone is begun anew with each. It knows nothing of what a job means, nor which channels
//! there are beyond their numbers.

mod assembly;
pub(crate) mod budget;
pub(crate) mod compose;
pub(crate) mod credit;
pub(crate) mod envelope;
mod incoming;
pub(crate) mod landing;
mod line;
pub(crate) mod outbox;
pub(crate) mod pulse;
pub(crate) mod replay;
mod sharing;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::carrier::Carrier;
use crate::error::{Code, ProtocolError};
use crate::frame::control::{Ack, Control, Goodbye, Hello, Welcome};
use crate::frame::header::Integrity;
use crate::frame::preamble;
use crate::ids::ChannelNo;
use crate::limits;
use crate::scattered::ScatteredMut;
use crate::session::assembly::Assembly;
use crate::session::budget::{Action, Budget};
pub(crate) use crate::session::incoming::Incoming;
use crate::session::line::Line;
use crate::session::outbox::Outbox;
use crate::session::pulse::{Pulse, Rhythm};
use crate::session::replay::Replay;
use crate::session::sharing::{Cut, Sharing};
use crate::session::state::{Phase, State};
use crate::time::Time;
use crate::transmit::Transmit;

/// Which end of the connection this is, and what that end has to say at the beginning.
#[derive(Debug)]
pub(crate) enum Role {
    Server,
    /// What is sent once the server has shown that it is one.
    Worker(Hello),
}

/// A session, and its connection where it has one.
#[derive(Debug)]
pub(crate) struct Session {
    role: Role,
    state: State,
    /// The same for all connections of the session: a frame may go over any of them.
    pub(crate) integrity: Integrity,
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
    line: Line,
    owes_ack: bool,
    /// The newest question is still to be written: those before it need not be.
    owes_ping: bool,
    assemblies: BTreeMap<ChannelNo, Assembly>,
    sharing: Sharing,
    has_said_goodbye: bool,
    /// This connection ends, and the session goes on over another one.
    is_leaving: bool,
}

/// What is being written at once.
#[derive(Debug)]
pub(crate) struct Transmission {
    pub(crate) out: ScatteredMut,
    /// Up to here it concerns the connection alone.
    raw: usize,
}

impl Session {
    /// The server's end: silent until the peer has sent the magic.
    pub(crate) fn server(carrier: &Carrier<'_>) -> Self {
        Self::new(Role::Server, State::new(), Integrity::over(carrier))
    }

    /// The worker's end, without a connection.
    pub(crate) fn worker() -> Self {
        Self::new(Role::Worker(Hello::default()), State::detached(), Integrity::Checksums)
    }

    fn new(role: Role, state: State, integrity: Integrity) -> Self {
        Self {
            role,
            state,
            integrity,
            raw: Vec::new(),
            farewell: Vec::new(),
            outbox: Outbox::default(),
            replay: Replay::default(),
            budget: Budget::default(),
            pulse: None,
            line: Line::default(),
            owes_ack: false,
            owes_ping: false,
            assemblies: BTreeMap::new(),
            sharing: Sharing::default(),
            has_said_goodbye: false,
            is_leaving: false,
        }
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// The worker's end has a connection: it speaks first.
    pub(crate) fn attach(&mut self, carrier: &Carrier<'_>, hello: Hello) {
        self.detach();
        self.integrity = Integrity::over(carrier);
        self.role = Role::Worker(hello);
        self.state = State::new();
        preamble::put(&mut self.raw);
    }

    /// The server's end goes on over a connection whose handshake was begun by `begun`, with a worker that has so many frames.
    pub(crate) fn take_over(&mut self, now: Time, begun: Self, received: u64) -> Result<(), ProtocolError> {
        self.go_on_from(now, received)?;
        self.detach();
        self.state = begun.state;
        self.raw = begun.raw;
        Ok(())
    }

    /// The stream goes on with a peer that has so many frames: all others are sent again.
    pub(crate) fn go_on_from(&mut self, now: Time, received: u64) -> Result<(), ProtocolError> {
        self.replay.go_on_from(received)?;
        self.sharing.resume(now);
        self.arrived(now);
        Ok(())
    }

    /// The peer has said what has arrived.
    fn arrived(&mut self, now: Time) {
        if self.sharing.is_waiting() {
            self.sharing.arrived(now, self.replay.arrived_bytes(), &mut self.line);
        }
    }

    /// What becomes of the connection that `session` had: it is told goodbye, and nothing else.
    pub(crate) fn turned_away(session: &mut Self, code: Code, text: &str) -> Self {
        let state = std::mem::replace(&mut session.state, State::detached());
        let mut own = Self::new(Role::Server, state, session.integrity);
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
        self.line = Line::default();
        (self.owes_ack, self.owes_ping) = (false, false);
        self.has_said_goodbye = false;
        self.is_leaving = false;
    }

    /// The worker's end was given a new session: nothing of the old one is sent, or sent again.
    pub(crate) fn renew(&mut self) {
        self.outbox = Outbox::default();
        self.replay = Replay::default();
        self.sharing = Sharing::default();
        self.assemblies.clear();
    }

    /// Both sides have greeted each other: from now on each asks whether the other is there.
    pub(crate) fn greeted(&mut self, now: Time, rhythm: Rhythm) {
        self.pulse = Some(Pulse::new(now, rhythm));
        self.owes_ping = true;
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

    /// How long the line takes to the peer and back, as far as is known.
    pub(crate) fn delay(&self) -> Duration {
        self.line.delay()
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

    /// Begins to write: what concerns the connection alone stands first. Where there is something to write besides, an acknowledgement goes
    /// with it before it must be written by itself, which would wake the peer once more.
    pub(crate) fn begin(&mut self, has_output: bool) -> Transmission {
        let mut out = self.replay.buffer();
        out.append(&mut self.raw);
        if std::mem::take(&mut self.owes_ping)
            && let Some(pulse) = &self.pulse
        {
            Control::Ping(pulse.asked()).put(&mut out, ChannelNo(0));
        }
        let goes_along = has_output && self.replay.has_much_to_say();
        if (std::mem::take(&mut self.owes_ack) || goes_along)
            && let Some(pulse) = &self.pulse
        {
            let ack = Ack { received: self.replay.received(), ping: pulse.seen() };
            Control::Ack(ack).put(&mut out, ChannelNo(0));
            self.replay.said();
        }
        let raw = out.len();
        Transmission { out: ScatteredMut::new(out), raw }
    }

    /// Whether frames of the session may be written now.
    pub(crate) fn may_send(&self) -> bool {
        !self.is_leaving
            && self.replay.is_open()
            && matches!(self.state.phase(), Phase::Ready | Phase::Closing)
    }

    /// Values that are not large are being written, or are not.
    pub(crate) fn share(&mut self, now: Time, is_short: bool) {
        self.sharing.note(now, is_short);
    }

    /// Writes a frame of a large value, if one may leave now; returns the channel whose value has left whole with it.
    pub(crate) fn write_piece(&mut self, now: Time, transmission: &mut Transmission) -> Option<ChannelNo> {
        let cut = self.next_cut()?;
        let Transmission { out, raw } = transmission;
        let before = out.len();
        let finished = self.outbox.take_piece(out, self.integrity, cut);
        let end = self.replay.sent_bytes() + (out.len() - *raw) as u64;
        self.sharing.sent(now, cut, end, out.len() - before);
        finished
    }

    /// How a piece of a large value is to be written, if one may be.
    fn next_cut(&self) -> Option<Cut> {
        if self.outbox.has_large() { self.sharing.cut() } else { None }
    }

    /// Whether there is something in the outbox that may leave now.
    pub(crate) fn can_empty_outbox(&self) -> bool {
        self.outbox.has_control() || self.next_cut().is_some()
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
        let waits = self.replay.is_resending() || (self.can_empty_outbox() && self.replay.is_open());
        let of_session = waits && !self.is_leaving;
        let may_write = matches!(self.state.phase(), Phase::Ready | Phase::Closing);
        !self.raw.is_empty()
            || self.owes_ack
            || self.owes_ping
            || (may_write && (of_session || !self.farewell.is_empty()))
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
