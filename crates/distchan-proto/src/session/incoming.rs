//! What arrives in a session: bytes become messages and bodies. It hands on what the peer said, and decides nothing of it.

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::frame::control::{Control, Hello, Welcome};
use crate::frame::header::{self, FLAG_IMMEDIATE_ACK, FLAG_MORE, FrameKind};
use crate::frame::{decode, preamble};
use crate::ids::ChannelNo;
use crate::session::budget::Action;
use crate::session::landing::Landing;
use crate::session::state::Phase;
use crate::session::{Role, Session};
use crate::time::Time;

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

impl Session {
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
            let Some(frame) = decode::take(input, self.state.body_limit(), self.integrity)? else {
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
                if let Some(body) = self.assemble(frame.channel, Piece::Shared(frame.body), frame.flags)? {
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
        let is_of_large = header.flags & FLAG_MORE != 0 || !assembly.is_empty();
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
            header.check(&piece, self.integrity)?;
            self.hear(now, true, piece.len());
            if let Some(body) = self.assemble(header.channel, Piece::Landed(piece), header.flags)? {
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
                if let Some(took) = pulse.answered(now, ack.ping)? {
                    self.line.measure(now, took);
                }
                let is_news = ack.received > self.replay.acknowledged();
                self.replay.acknowledge(ack.received)?;
                self.arrived(now);
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
        flags: u8,
    ) -> Result<Option<Bytes>, ProtocolError> {
        let more = flags & FLAG_MORE != 0;
        self.owes_ack |= flags & FLAG_IMMEDIATE_ACK != 0;
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
}
