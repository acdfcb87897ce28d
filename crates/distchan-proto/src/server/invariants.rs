//! What must hold between two calls. Looked at in debug builds alone.

#[cfg(any(debug_assertions, test))]
use crate::ids::ChannelNo;
use crate::server::ServerMachine;
#[cfg(any(debug_assertions, test))]
use crate::server::peer::{Link, Standing};

impl ServerMachine {
    #[inline]
    pub(super) fn after_call(&self) {
        #[cfg(debug_assertions)]
        {
            // With a thousand workers, to look at each of them after every call would be all that a test does.
            let calls = self.calls.replace(self.calls.get().wrapping_add(1));
            if crate::sabotage::is_any_on() {
                return;
            }
            if self.peers.len() <= 64 || calls.is_multiple_of(256) {
                self.check_invariants();
            }
        }
    }

    /// Panics where the machine contradicts itself. Called after every public call in debug builds (seldom, where there are many workers).
    #[cfg(any(debug_assertions, test))]
    pub fn check_invariants(&self) {
        for channel in &self.channels {
            channel.dispatch.check_invariants();
            assert_eq!(channel.members().count() as u64, channel.dispatch.stats().workers);
            for (id, no) in channel.members() {
                let peer = self.peers.get(&id);
                let Some((peer, Link::Open(link))) = peer.and_then(|peer| Some((peer, peer.links.get(&no)?)))
                else {
                    panic!("a member has an open link");
                };
                let is_told = link.is_sending || peer.session.outbox.is_busy(no);
                assert!(
                    is_told || !channel.dispatch.can_take(link.member),
                    "a job for session {id} is forgotten"
                );
            }
        }
        for (id, peer) in &self.peers {
            let is_forgotten = peer.connection.is_some() && peer.has_output() && !peer.is_listed;
            assert!(!is_forgotten, "session {id} is forgotten with output");
            assert_eq!(peer.connection.is_none(), peer.standing == Standing::Away, "session {id}");
            assert_eq!(
                peer.connection.and_then(|id| self.connections.get(&id)),
                peer.connection.and(Some(id))
            );
            assert!(peer.timer.is_none_or(|time| self.timers.contains(&(time, *id, ChannelNo(0)))));
        }
        assert_eq!(
            self.connections.len(),
            self.peers.values().filter(|peer| peer.connection.is_some()).count()
        );
    }
}
