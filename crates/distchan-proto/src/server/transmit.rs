//! What the server writes to a connection: control messages first, then batches of jobs, channel by channel in turn, then a piece of a large
//! value, and so on, as long as there is room.

use crate::frame::batch::TableWriter;
use crate::ids::ConnectionId;
use crate::limits;
use crate::scattered::ScatteredMut;
use crate::server::ServerMachine;
use crate::server::channel::Channel;
use crate::server::peer::{Link, Peer};
use crate::session::compose::Composer;
use crate::session::state::Phase;
use crate::session::{Session, Transmission};
use crate::time::Time;
use crate::transmit::Transmit;

impl ServerMachine {
    /// The next connection that has something to write, and was not named since its last empty [`ServerMachine::poll_transmit`].
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        self.ready.pop_front()
    }

    /// What is to be written to a connection: at most about [`limits::TRANSMIT_BYTES`]. Where it is nothing, [`ServerMachine::poll_ready`]
    /// will name the connection when there is something again.
    pub fn poll_transmit(&mut self, now: Time, id: ConnectionId) -> Option<Transmit> {
        let peer = self.connections.get(&id).and_then(|id| self.peers.get_mut(id))?;
        if !peer.has_output() {
            peer.is_listed = false;
            return None;
        }
        let mut transmission = peer.session.begin(true);
        if peer.session.may_send() {
            loop {
                let out = &mut transmission.out;
                let before = out.len();
                peer.session.outbox.take_control(out);
                let before_jobs = out.len();
                // Small jobs first: large values still get their frames, so that neither starves the other.
                peer.write_jobs(now, &mut self.channels, &mut self.table, out, limits::TRANSMIT_BYTES);
                peer.session.share(now, out.len() > before_jobs);
                peer.write_piece(now, &mut transmission);
                let written = transmission.out.len();
                let is_stuck = written == before || peer.sending.is_empty();
                if (is_stuck && !peer.session.can_empty_outbox()) || written >= limits::TRANSMIT_BYTES {
                    break;
                }
            }
        }
        let bytes = peer.session.finish(transmission);
        peer.is_listed = bytes.is_some() || peer.has_output();
        self.after_call();
        bytes
    }

    /// Whether this connection is to be closed as soon as [`ServerMachine::poll_transmit`] has nothing more for it.
    #[must_use]
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        let peer = self.connections.get(&id).and_then(|id| self.peers.get(id));
        let phase = peer.map(|peer| peer.session.state().phase());
        phase.is_none_or(|phase| matches!(phase, Phase::Closing | Phase::Closed))
    }
}

impl Peer {
    /// Writes a frame of a large value; a channel whose value has left whole takes turns again.
    fn write_piece(&mut self, now: Time, transmission: &mut Transmission) {
        if let Some(no) = self.session.write_piece(now, transmission)
            && let Some(link) = self.link(no)
            && !link.is_sending
        {
            link.is_sending = true;
            self.sending.push_back(no);
        }
    }

    fn write_jobs(
        &mut self,
        now: Time,
        channels: &mut [Channel],
        table: &mut TableWriter,
        out: &mut ScatteredMut,
        end: usize,
    ) {
        for _ in 0..self.sending.len() {
            if out.len() >= end {
                return;
            }
            let Some(no) = self.sending.pop_front() else {
                return;
            };
            let Some(Link::Open(link)) = self.links.get_mut(&no) else {
                continue;
            };
            let Some(channel) = channels.get_mut(link.channel.0 as usize) else {
                continue;
            };
            let Session { outbox, integrity, .. } = &mut self.session;
            let mut composer = Composer::new(no, &link.envelope, out, outbox, table, *integrity, end);
            channel.dispatch.take(now, link.member, |entry, pieces| composer.push_jobs(entry, pieces));
            composer.finish();
            // A channel whose large value is under way is in turn again when that has left.
            link.is_sending = channel.dispatch.can_take(link.member) && !self.session.outbox.is_busy(no);
            if link.is_sending {
                self.sending.push_back(no);
            }
        }
    }
}
