//! What the worker writes: control messages first, then batches of answers, channel by channel in turn, then a piece of a large value, and so
//! on, as long as there is room; last of all its goodbye.

use crate::error::Code;
use crate::frame::control::{Control, Direction};
use crate::limits;
use crate::scattered::ScatteredMut;
use crate::session::Session;
use crate::session::compose::Composer;
use crate::session::state::Phase;
use crate::time::Time;
use crate::transmit::Transmit;
use crate::worker::WorkerMachine;
use crate::worker::link::LinkState;

impl WorkerMachine {
    /// What is to be written: at most about [`limits::TRANSMIT_BYTES`].
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        let mut transmission = self.session.begin(self.has_output());
        self.announce();
        while self.session.may_send() {
            let out = &mut transmission.out;
            let before = out.len();
            self.session.outbox.take_control(out);
            let before_answers = out.len();
            // Small answers first: large values still get their frames, so that neither starves the other.
            self.write_answers(out, limits::TRANSMIT_BYTES);
            self.session.share(now, out.len() > before_answers);
            if let Some(no) = self.session.write_piece(now, &mut transmission) {
                self.mark_sending(no);
            }
            let written = transmission.out.len();
            let is_stuck = written == before || self.sending.is_empty();
            if (is_stuck && !self.session.can_empty_outbox()) || written >= limits::TRANSMIT_BYTES {
                break;
            }
        }
        self.say_goodbye();
        let bytes = self.session.finish(transmission);
        self.note_sent();
        bytes
    }

    /// Remembers with which frame the newest values of each link have left, so that it can be said whether they have arrived.
    fn note_sent(&mut self) {
        if !std::mem::take(&mut self.has_new_values) {
            return;
        }
        for (no, link) in &mut self.links {
            if link.has_new_values {
                link.has_new_values = self.session.outbox.is_busy(*no);
                self.has_new_values |= link.has_new_values;
                link.sent_by = self.session.replay.sent();
            }
        }
    }

    /// Whether the connection is to be closed as soon as [`WorkerMachine::poll_transmit`] has nothing more.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self.session.state().phase(), Phase::Closing | Phase::Closed)
    }

    fn write_answers(&mut self, out: &mut ScatteredMut, end: usize) {
        for _ in 0..self.sending.len() {
            if out.len() >= end {
                return;
            }
            let Some(no) = self.sending.pop_front() else {
                return;
            };
            let Some(link) = self.links.get_mut(&no) else {
                continue;
            };
            if link.spec.direction == Direction::Up && link.can_write() {
                link.has_new_values = true;
                self.has_new_values = true;
            }
            let envelope = link.envelope.clone();
            let Session { outbox, integrity, .. } = &mut self.session;
            let mut composer = Composer::new(no, &envelope, out, outbox, &mut self.table, *integrity, end);
            link.write(&mut composer);
            composer.finish();
            let is_busy = self.session.outbox.is_busy(no);
            link.is_sending = link.can_write() && !is_busy;
            if link.is_sending {
                self.sending.push_back(no);
            } else if link.state == LinkState::Leaving && link.is_drained() && !is_busy {
                link.close();
                self.tell(no, &Control::Leave);
                self.ask();
            }
        }
    }

    /// The user is done and every channel has been left: the last word.
    fn say_goodbye(&mut self) {
        let is_left = |state| matches!(state, LinkState::Closed);
        if self.close_requested
            && self.session.state().is_ready()
            && self.session.may_send()
            && self.session.outbox.is_empty()
            && self.links.values().all(|link| is_left(link.state))
        {
            self.session.farewell(Code::Normal, String::new());
        }
    }
}
