//! A server's tasks: one that accepts, one that pumps and keeps the time, and two for every connection.

use std::sync::Arc;
use std::time::Duration;

use distchan_proto::carrier::Carrier;
use distchan_proto::error::ProtocolError;
use distchan_proto::ids::ConnectionId;
use distchan_proto::limits;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::driver::clock::LINGER;
use crate::driver::pen::Pen;
use crate::driver::pump::{self, Ended, Wake};
use crate::driver::server::Shared;
use crate::driver::server::crowd::{Seat, Turned};
use crate::security::Pass;
use crate::transport::{Listener, Peer, ReadHalf, Stream};

/// After a failed accept (nearly always: no file descriptors left), how long until the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Wakes the machine for jobs and for the time; ends when the server is shut down and everybody has left.
pub(crate) async fn run_pump(shared: Arc<Shared>) {
    // Also where the runtime goes before the server does: nobody must wait for what can no longer happen.
    let _last = LastLight(Arc::clone(&shared));
    let mut counts = shared.counts.subscribe();
    loop {
        let timeout = shared.look(|core| core.poll_timeout());
        tokio::select! {
            () = shared.pump.notified() => shared.with(|_, _| ()),
            () = shared.clock.sleep_until(timeout) => shared.with(|core, now| core.handle_timeout(now)),
            _ = counts.wait_for(|counts| counts.is_shut && counts.connections == 0) => return,
        }
    }
}

/// Ends every channel, and lets go of their ends, which know the server as it knows them.
struct LastLight(Arc<Shared>);

impl Drop for LastLight {
    fn drop(&mut self) {
        self.0.shutdown();
        self.0.core.lock().forget_ends();
    }
}

/// Accepts connections until the server is shut down, then frees the address.
pub(crate) async fn run_accept(shared: Arc<Shared>, listener: Listener) {
    accept_all(&shared, listener).await;
    shared.counts.send_modify(|counts| counts.is_free = true);
}

/// Never waits for a peer; a failed accept is not the end.
async fn accept_all(shared: &Arc<Shared>, mut listener: Listener) {
    let mut counts = shared.counts.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = counts.wait_for(|counts| counts.is_shut) => return,
        };
        match accepted {
            Ok((stream, peer)) => loop {
                match shared.crowd.enter(shared.now(), &peer) {
                    Ok(seat) => {
                        tokio::spawn(run_connection(Place::take(shared), seat, stream, peer));
                        break;
                    }
                    Err(Turned::Away) => {
                        shared.turn_away(
                            &peer,
                            "too many handshakes from its address, or too many that failed",
                        );
                        break;
                    }
                    // Not for any peer: until the oldest handshake has had its time, at most.
                    Err(Turned::Until(time)) => tokio::select! {
                        () = shared.clock.sleep_until(Some(time)) => {}
                        _ = counts.wait_for(|counts| counts.is_shut) => return,
                    },
                }
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection's place in the server, given up however its task ends: also when a user's transform panics in it.
struct Place {
    shared: Arc<Shared>,
    id: Option<ConnectionId>,
    ended: Ended,
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.counts.send_modify(|counts| counts.connections += 1);
        Self { shared: Arc::clone(shared), id: None, ended: Ended::fault("its task was ended") }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.with(|core, now| core.remove_connection(now, id, &self.ended));
        }
        self.shared.counts.send_modify(|counts| counts.connections -= 1);
    }
}

/// Lets a connection in at the door, within the time that a handshake has; `None` where it does not come in.
async fn admit(shared: &Shared, stream: Stream, peer: &Peer, give_way: &Notify) -> Option<(Stream, Pass)> {
    let mut counts = shared.counts.subscribe();
    let admitted = tokio::select! {
        biased;
        admitted = timeout(limits::HANDSHAKE_BUDGET, shared.door.admit(stream)) => admitted,
        _ = counts.wait_for(|counts| counts.is_shut) => return None,
        () = give_way.notified() => Ok(Err(GAVE_WAY.to_owned())),
    };
    let reason = match admitted {
        Ok(Ok(admitted)) => return Some(admitted),
        Ok(Err(reason)) => reason,
        Err(_) => ProtocolError::HandshakeTimeout.to_string(),
    };
    shared.crowd.suspect(shared.now(), peer);
    shared.turn_away(peer, &reason);
    None
}

/// Why a handshake that was not done was ended.
const GAVE_WAY: &str = "its handshake was slow, and gave way to another";

/// One connection, from accept to close.
async fn run_connection(mut place: Place, seat: Seat, stream: Stream, peer: Peer) {
    let shared = Arc::clone(&place.shared);
    let accepted = shared.now();
    let give_way = seat.given_way();
    let Some((stream, mut pass)) = admit(&shared, stream, &peer, &give_way).await else { return };
    let peer = peer.to_string();
    let route = stream.route_of_server();
    let carrier = Carrier { route: &route, guards_bytes: stream.guards_bytes() };
    let (reader, writer) = stream.into_split();
    if let Err(error) = writer.give_up_after(shared.lost_after) {
        tracing::debug!(peer, %error, "the system does not watch this connection");
    }
    let wake = Arc::new(Wake::default());
    let pen = Pen::new(writer.direct());
    let added =
        shared.with(|core, _| core.add_connection(accepted, Arc::clone(&wake), pen, peer, seat, carrier));
    let Some(id) = added else {
        return;
    };
    place.id = Some(id);
    let mut reading = tokio::spawn(run_reader(Arc::clone(&shared), reader, id));
    let written = pump::write(writer, &wake, |_| {
        let mut core = shared.core.lock();
        let now = shared.clock.now();
        let next = core.next(id, now);
        core.drain(now, &shared);
        shared.unlock(core);
        next
    });
    let written = tokio::select! {
        biased;
        written = written => written,
        () = pass.revoked() => {
            reading.abort();
            place.ended = Ended::fault("its ticket was revoked");
            return;
        }
        () = give_way.notified() => {
            reading.abort();
            place.ended = Ended::fault(GAVE_WAY);
            return;
        }
    };
    place.ended = match written {
        // The peer may still be reading our last words: closing now, with its bytes unread, would take them back.
        Ok(()) => {
            // Whether it closed in time or not, this side is done with it.
            let _ = timeout(LINGER, &mut reading).await;
            Ended::closed()
        }
        Err(error) => Ended::by(&error),
    };
    reading.abort();
}

async fn run_reader(shared: Arc<Shared>, socket: ReadHalf, id: ConnectionId) {
    let mut lost = Lost { shared, id, ended: Ended::fault("its bytes could not be handled") };
    let shared = Arc::clone(&lost.shared);
    lost.ended = pump::read(socket, |arrived| shared.handle_arrived(id, arrived)).await;
}

/// Says that nothing more comes from a peer, however its reader ends.
struct Lost {
    shared: Arc<Shared>,
    id: ConnectionId,
    ended: Ended,
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.shared.with(|core, now| core.lose_connection(now, self.id, &self.ended));
    }
}
