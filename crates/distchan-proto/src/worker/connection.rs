//! How a worker's session gets its connections: the greeting, what becomes of it when a connection breaks, and when it is over.

use crate::carrier::Carrier;
use crate::error::{Code, ProtocolError, printable};
use crate::frame::control::{Goodbye, Hello, Resume, Welcome};
use crate::limits;
use crate::session::pulse::Rhythm;
use crate::session::state::Phase;
use crate::time::Time;
use crate::worker::event::WorkerEvent;
use crate::worker::link::{LinkState, Reset};
use crate::worker::{Given, WorkerMachine};

impl WorkerMachine {
    /// A transport connection has been made: the first, or another one. Its input buffer must be empty. Its route is empty where this worker cannot
    /// come back over another connection.
    pub fn handle_connected<'a>(&mut self, now: Time, carrier: impl Into<Carrier<'a>>) {
        let carrier = carrier.into();
        if self.is_over {
            return;
        }
        let resume = self.given.map(|given| Resume {
            session: given.session,
            epoch: given.epoch,
            key: given.key,
            received: self.session.replay.received(),
        });
        self.deadline = Some(now + limits::HANDSHAKE_BUDGET);
        let hello = Hello {
            signature: self.config.signature.clone(),
            name: self.config.name.clone(),
            route: carrier.route.to_owned(),
            resume,
        };
        self.session.attach(&carrier, hello);
    }

    /// The transport is gone, or everything has been written to one that [`WorkerMachine::is_closing`]. What this worker has in hand stays in
    /// its hand.
    pub fn handle_disconnected(&mut self, reason: &str) {
        if self.is_over {
            self.session.closed();
            return;
        }
        if self.session.state().phase() != Phase::Detached {
            self.deadline = None;
            self.session.detach();
            self.events.push_back(WorkerEvent::Disconnected { reason: reason.to_owned() });
        }
    }

    /// No further connection will be made.
    pub fn give_up(&mut self, reason: &str) {
        self.give_up_for(Code::Other, reason);
    }

    /// The same, for a reason that has a number.
    pub fn give_up_for(&mut self, code: Code, reason: &str) {
        self.session.closed();
        self.end(code, reason);
    }

    /// Whether a server has let this worker in, once.
    #[must_use]
    pub const fn has_session(&self) -> bool {
        self.given.is_some()
    }

    /// Whether what is said now is written now: there is a connection, the handshake is done, and the server keeps up.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.session.state().is_ready() && self.session.may_send()
    }

    /// Whether there is nothing more to do: no connection is needed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.break_off(&ProtocolError::HandshakeTimeout);
        }
        if let Err(error) = self.session.check_pulse(now) {
            self.break_off(&error);
        }
    }

    /// When [`WorkerMachine::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.deadline, self.session.pulse_due()].into_iter().flatten().min()
    }

    pub(super) fn handle_welcome(&mut self, now: Time, welcome: &Welcome) -> Result<(), ProtocolError> {
        self.deadline = None;
        let known =
            self.given.replace(Given { session: welcome.session, epoch: welcome.epoch, key: welcome.key });
        let resumed =
            known.is_some_and(|known| (known.session, known.epoch) == (welcome.session, welcome.epoch));
        if resumed {
            self.session.go_on_from(now, welcome.received)?;
        } else {
            self.renew(known.is_some());
        }
        let rhythm = Rhythm::new(welcome.rhythm.heartbeat, welcome.rhythm.lost_after);
        self.session.greeted(now, rhythm);
        let (session, epoch, lost_after) = (welcome.session, welcome.epoch, rhythm.lost_after);
        self.events.push_back(WorkerEvent::Connected { session, epoch, resumed, lost_after });
        self.ask();
        Ok(())
    }

    /// The server has given a new session: whatever belonged to the old one is void.
    fn renew(&mut self, had_one: bool) {
        let (acknowledged, is_settled) =
            (self.session.replay.acknowledged(), self.session.replay.is_settled());
        let was_writing = !self.session.outbox.is_empty();
        self.session.renew();
        self.sending.clear();
        let mut is_void = !is_settled || was_writing;
        for (no, link) in &mut self.links {
            is_void |= link.state == LinkState::Leaving && !link.is_drained();
            match link.reset(acknowledged) {
                Reset::Nothing => {}
                Reset::Jobs => self.events.push_back(WorkerEvent::Reset { no: *no }),
                Reset::ValuesLost => {
                    is_void = true;
                    self.has_lost_values = true;
                    self.events.push_back(WorkerEvent::ValuesLost { no: *no });
                }
            }
        }
        if had_one && self.close_requested && is_void {
            let reason = "the session was lost before everything that was sent had arrived";
            self.session.close(Code::Normal, String::new());
            self.end(Code::Other, reason);
        }
    }

    pub(super) fn handle_goodbye(&mut self, goodbye: &Goodbye) {
        let reason = printable(goodbye.text.as_bytes(), limits::MAX_REASON);
        // A preamble that was damaged on its way looks like another version's.
        let is_of_connection = goodbye.code.is_of_connection() || goodbye.code == Code::Version;
        if self.given.is_some() && is_of_connection {
            self.session.close_connection(Code::Normal, String::new());
        } else {
            self.session.close(Code::Normal, String::new());
            if goodbye.code == Code::Normal && self.has_lost_values {
                // Said at the end at the latest: whoever left the channel before may not have been told.
                self.end(Code::Other, "a session was lost before all values that were sent had arrived");
            }
            self.end(goodbye.code, &reason);
        }
    }

    /// Something is wrong with this connection, or with the server. With the connection alone: then another one may be better.
    pub(super) fn break_off(&mut self, error: &ProtocolError) {
        if self.given.is_some() && error.is_of_connection() {
            self.session.close_connection(error.code(), error.to_string());
        } else {
            self.session.close(error.code(), error.to_string());
            self.end(error.code(), &error.to_string());
        }
    }

    pub(super) fn end(&mut self, code: Code, reason: &str) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.deadline = None;
        self.sending.clear();
        for link in self.links.values_mut() {
            link.close();
        }
        self.events.push_back(WorkerEvent::Closed { code, reason: reason.to_owned() });
    }
}
