//! Where a session's connection stands. This file alone makes transitions.
//!
//! ```text
//!   Preamble ──magic, common version──▶ Greeting ──HELLO / WELCOME──▶ Ready
//!      │                                   │                            │
//!      └────────── a wrong byte, the budget, a refusal ─────────────────┤
//!                                                                       ▼
//!                                 Closed ◀──all is written── Closing (GOODBYE is the last thing to write)
//! ```
//!
//! A session without a connection is `Detached`; its next one begins at `Preamble`.

use crate::error::ProtocolError;
use crate::limits;

/// A connection's phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The peer's first twelve bytes are awaited.
    Preamble,
    /// The server awaits `HELLO`, the worker `WELCOME`.
    Greeting,
    /// Channels can be opened.
    Ready,
    /// Nothing is read any more; what is in the outbox is still written.
    Closing,
    /// There is no connection now.
    Detached,
    /// Nothing is read or written, ever again.
    Closed,
}

/// The phase, changed only by the methods here.
#[derive(Debug)]
pub(crate) struct State {
    phase: Phase,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Preamble }
    }

    pub(crate) const fn detached() -> Self {
        Self { phase: Phase::Detached }
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    /// Whether bytes from the peer still matter.
    pub(crate) const fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Preamble | Phase::Greeting | Phase::Ready)
    }

    /// The largest frame body at this point.
    pub(crate) const fn body_limit(&self) -> usize {
        match self.phase {
            Phase::Ready => limits::MAX_FRAME_BODY,
            Phase::Preamble | Phase::Greeting | Phase::Closing | Phase::Detached | Phase::Closed => {
                limits::MAX_HANDSHAKE_BODY
            }
        }
    }

    pub(crate) fn preamble_done(&mut self) {
        assert_eq!(self.phase, Phase::Preamble, "one preamble a connection");
        self.phase = Phase::Greeting;
    }

    pub(crate) const fn greeted(&mut self) -> Result<(), ProtocolError> {
        match self.phase {
            Phase::Greeting => {
                self.phase = Phase::Ready;
                Ok(())
            }
            Phase::Preamble | Phase::Ready | Phase::Closing | Phase::Detached | Phase::Closed => {
                Err(ProtocolError::Unexpected("greeting: the handshake is done"))
            }
        }
    }

    /// The last words are in the outbox.
    pub(crate) const fn close(&mut self) {
        if self.is_reading() {
            self.phase = Phase::Closing;
        }
    }

    /// Everything was written, or the transport is gone.
    pub(crate) const fn closed(&mut self) {
        self.phase = Phase::Closed;
    }
}
