//! One connection with one peer, in either role: bytes become messages and bodies, messages and bodies become bytes.
//! It knows nothing of what a job means, nor which channels there are beyond their numbers.

pub(crate) mod compose;
pub(crate) mod credit;
pub(crate) mod outbox;
pub(crate) mod state;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::error::{Code, ProtocolError};
use crate::frame::control::{Control, Goodbye, Hello, Welcome};
use crate::frame::header::FrameKind;
use crate::frame::{decode, preamble};
use crate::ids::ChannelNo;
use crate::limits;
use crate::session::outbox::Outbox;
use crate::session::state::{Phase, State};

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
    /// A whole batch body, as it was on the wire.
    Body(ChannelNo, Bytes),
}

/// Bodies below this size are copied out of the buffer in which they arrived.
const SMALL_BODY: usize = 16 * 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    role: Role,
    state: State,
    pub(crate) outbox: Outbox,
    assemblies: BTreeMap<ChannelNo, Assembly>,
    has_said_goodbye: bool,
}

/// A channel's incoming body, as far as it is here.
#[derive(Debug)]
struct Assembly {
    limit: usize,
    body: Vec<u8>,
}

impl Session {
    /// The server's end: silent until the peer has sent the magic.
    pub(crate) fn server() -> Self {
        Self::new(Role::Server)
    }

    /// The worker's end, which speaks first.
    pub(crate) fn worker(hello: Hello) -> Self {
        let mut session = Self::new(Role::Worker(hello));
        session.outbox.put_raw(preamble::put);
        session
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            state: State::new(),
            outbox: Outbox::default(),
            assemblies: BTreeMap::new(),
            has_said_goodbye: false,
        }
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// Lets bodies of values up to `max_value` bytes arrive on a channel.
    pub(crate) fn expect_bodies(&mut self, channel: ChannelNo, max_value: usize) {
        self.assemblies.insert(channel, Assembly { limit: body_limit(max_value), body: Vec::new() });
    }

    /// Nothing arrives on a channel any more, and what has arrived of a body is dropped.
    pub(crate) fn forget_bodies(&mut self, channel: ChannelNo) {
        self.assemblies.remove(&channel);
    }

    /// The next thing the peer said; `None` when more bytes are needed, or nothing matters any more.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, ProtocolError> {
        if self.state.phase() == Phase::Preamble && !self.take_preamble(input)? {
            return Ok(None);
        }
        while self.state.is_reading() {
            let Some(frame) = decode::take(input, self.state.body_limit())? else {
                return Ok(None);
            };
            if frame.kind == FrameKind::Batch {
                if let Some(body) = self.assemble(frame.channel, frame.body, frame.more)? {
                    return Ok(Some(Incoming::Body(frame.channel, body)));
                }
                continue;
            }
            return self.control(frame.channel, Control::parse(&frame)?).map(Some);
        }
        input.clear();
        Ok(None)
    }

    fn take_preamble(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        let Some(theirs) = preamble::take(input)? else {
            return Ok(false);
        };
        if matches!(self.role, Role::Server) {
            self.outbox.put_raw(preamble::put);
        }
        preamble::agree(theirs)?;
        self.state.preamble_done();
        if let Role::Worker(hello) = &self.role {
            let hello = Control::Hello(hello.clone());
            self.outbox.put(ChannelNo(0), &hello)?;
        }
        Ok(true)
    }

    fn control(&mut self, channel: ChannelNo, message: Control) -> Result<Incoming, ProtocolError> {
        match (message, &self.role) {
            (Control::Hello(hello), Role::Server) => {
                self.state.greeted()?;
                Ok(Incoming::Hello(hello))
            }
            (Control::Welcome(welcome), Role::Worker(_)) => {
                self.state.greeted()?;
                Ok(Incoming::Welcome(welcome))
            }
            (Control::Hello(_) | Control::Welcome(_), _) => {
                Err(ProtocolError::Unexpected("greeting from this side"))
            }
            (message @ Control::Goodbye(_), _) => Ok(Incoming::Control(channel, message)),
            (message, _) if self.state.is_ready() => Ok(Incoming::Control(channel, message)),
            _ => Err(ProtocolError::Unexpected("message before the handshake is done")),
        }
    }

    /// Puts a frame's body behind what has arrived of its channel's body; hands the body out when it is whole.
    fn assemble(
        &mut self,
        channel: ChannelNo,
        piece: Bytes,
        more: bool,
    ) -> Result<Option<Bytes>, ProtocolError> {
        let Some(assembly) = self.assemblies.get_mut(&channel) else {
            return Err(ProtocolError::Unexpected("batch for a channel that is not open"));
        };
        if assembly.body.is_empty() && !more {
            // A small body that waits for its reader must not keep the whole buffer it arrived in.
            return Ok(Some(if piece.len() < SMALL_BODY { Bytes::copy_from_slice(&piece) } else { piece }));
        }
        if piece.is_empty() {
            return Err(ProtocolError::Malformed("batch: an empty piece"));
        }
        if assembly.body.len() + piece.len() > assembly.limit {
            return Err(ProtocolError::ValueTooLarge { limit: assembly.limit });
        }
        assembly.body.extend_from_slice(&piece);
        Ok((!more).then(|| Bytes::from(std::mem::take(&mut assembly.body))))
    }

    /// Says goodbye: nothing more is read, the outbox is still written.
    pub(crate) fn close(&mut self, code: Code, text: String) {
        if self.state.is_reading() {
            // A stray connection is told nothing; whoever sent the magic can read why it is turned away.
            let is_stray = self.state.phase() == Phase::Preamble && code != Code::Version;
            if !is_stray && !std::mem::replace(&mut self.has_said_goodbye, true) {
                self.outbox.put_last(&Control::Goodbye(Goodbye { code, text }));
            }
            self.state.close();
        }
    }

    /// Says goodbye and goes on reading until the peer says it too: then it has taken everything that was sent.
    pub(crate) fn farewell(&mut self, code: Code, text: String) {
        self.has_said_goodbye = true;
        self.outbox.put_raw(|out| Control::Goodbye(Goodbye { code, text }).put(out, ChannelNo(0)));
    }

    /// Everything was written, or the transport is gone.
    pub(crate) fn closed(&mut self) {
        self.state.closed();
        self.outbox = Outbox::default();
        self.assemblies.clear();
    }
}

/// The largest body, transformed or not, of values up to `max_value` bytes: a transform may lengthen what it is given, by a tag or,
/// where it cannot compress, by a little everywhere.
pub(crate) const fn body_limit(max_value: usize) -> usize {
    max_value + max_value / 8 + 2 * limits::MAX_FRAME_BODY
}
