//! How a connection becomes a worker's: a new session, or one that goes on.

use sha2::{Digest, Sha256};

use crate::carrier::Carrier;
use crate::error::{Code, printable};
use crate::frame::control::{Hello, Resume, Welcome};
use crate::ids::{SessionId, SessionKey};
use crate::limits;
use crate::sabotage::Sabotage;
use crate::server::ServerMachine;
use crate::server::ending::End;
use crate::server::event::ServerEvent;
use crate::server::peer::{Link, Peer, Standing};
use crate::session::Session;
use crate::session::budget::Action;
use crate::session::pulse::Rhythm;
use crate::time::Time;

impl ServerMachine {
    pub(super) fn handle_hello(&mut self, now: Time, id: SessionId, hello: &Hello) {
        if self.is_shut {
            return self.refuse(id, Code::Shutdown, "the server shuts down");
        }
        if hello.signature != self.config.signature {
            let theirs = printable(hello.signature.as_bytes(), limits::MAX_NAME);
            let reason = format!(
                "the server's signature is {:?}, this worker's is \"{theirs}\"",
                self.config.signature
            );
            return self.refuse(id, Code::Signature, &reason);
        }
        let known = hello.resume.filter(|resume| self.may_resume(id, resume));
        let Some(connection) = self.peers.get(&id).map(|peer| peer.connection) else {
            return;
        };
        if let Some(resume) = &known
            && self.peers.get(&resume.session).is_some_and(|claimed| claimed.connection > connection)
        {
            // It was held up on its way: whoever sent it has made another connection since.
            return self.refuse(id, Code::Superseded, "a newer connection has taken over this session");
        }
        if let Some(resume) = &known
            && let Some(claimed) = self.peers.get_mut(&resume.session)
            && let Err(error) = claimed.session.charge(now, Action::Resume, 1)
        {
            self.end(resume.session, &End::told(error.code(), "it came back too often"));
            return self.break_off(id, &error);
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.can_resume = !hello.route.is_empty();
        peer.is_direct = peer.can_resume && hello.route == peer.route;
        if let Some(resume) = known {
            return self.resume(now, id, &resume);
        }
        peer.name = printable(hello.name.as_bytes(), limits::MAX_NAME);
        let (connection, name) = (peer.connection, peer.name.clone());
        self.welcome(now, id);
        if let Some(connection) = connection {
            self.events.push_back(ServerEvent::WorkerConnected { connection, session: id, name });
        }
    }

    /// Whether a session can go on over the connection of `asked_on`: it is this run's, it is the worker's own, neither side has forgotten what
    /// the other lacks, and its frames are as they are to be on this connection.
    fn may_resume(&self, asked_on: SessionId, resume: &Resume) -> bool {
        let begun = self.peers.get(&asked_on).map(|peer| peer.session.integrity);
        resume.epoch == self.config.epoch
            && self.key_of(resume.session) == resume.key
            && self
                .peers
                .get(&resume.session)
                .filter(|peer| peer.is_worker() && Some(peer.session.integrity) == begun)
                .is_some_and(|peer| peer.session.replay.can_go_on_from(resume.received))
    }

    /// A worker is back: its session goes on over the connection on which it asked. Where it had another one, the newest wins.
    fn resume(&mut self, now: Time, asked_on: SessionId, resume: &Resume) {
        self.arm(asked_on, None);
        let Some(begun) = self.peers.remove(&asked_on) else {
            return;
        };
        let Some(connection) = begun.connection else {
            return;
        };
        let id = resume.session;
        self.turn_away(id, Code::Superseded, "another connection has taken over this session");
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let was_away = peer.standing == Standing::Away;
        peer.connection = Some(connection);
        peer.route = begun.route;
        (peer.is_direct, peer.can_resume) = (begun.is_direct, begun.can_resume);
        peer.is_listed = begun.is_listed;
        self.connections.insert(connection, id);
        if let Err(error) = peer.session.take_over(now, begun.session, resume.received) {
            return self.break_off(id, &error);
        }
        let links = peer.links.values().filter_map(|link| match link {
            Link::Open(link) => Some((link.channel, link.member)),
            Link::Waiting { .. } | Link::Mismatched { .. } | Link::Closed => None,
        });
        let links: Vec<_> = links.collect();
        self.welcome(now, id);
        self.events.push_back(ServerEvent::WorkerBack { session: id, connection });
        for (channel, member) in links {
            if was_away && let Some(entry) = self.channel_mut(channel) {
                entry.dispatch.unpause(now, member);
            }
            self.place(channel);
        }
        self.list_if_needed(id);
    }

    /// If the session has a connection, that one is told goodbye, and is a connection of nobody from now on.
    pub(super) fn turn_away(&mut self, id: SessionId, code: Code, reason: &str) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(connection) = peer.connection.take() else {
            return;
        };
        let mut nobody = Peer::new(connection, &Carrier::from(&peer.route));
        nobody.session = Session::turned_away(&mut peer.session, code, reason);
        nobody.standing = Standing::Gone;
        nobody.is_listed = true;
        self.add_peer(nobody);
        self.ready.push_back(connection);
    }

    fn welcome(&mut self, now: Time, id: SessionId) {
        let rhythm = Rhythm::new(self.config.heartbeat, self.config.lost_after);
        let (epoch, grace, key) = (self.config.epoch, self.config.grace, self.key_of(id));
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.standing = Standing::Here;
        if Sabotage::CompleteTwice.is_on() {
            peer.session.replay.forget_one();
        }
        let received = peer.session.replay.received();
        peer.session.welcome(Welcome { session: id, epoch, key, received, rhythm, grace });
        peer.session.greeted(now, rhythm);
        let pulse = peer.session.pulse_due();
        self.arm(id, pulse);
        self.list_if_needed(id);
    }

    /// What a worker shows to go on with its session. Who has not been told cannot guess it.
    fn key_of(&self, id: SessionId) -> SessionKey {
        let mut hasher = Sha256::new();
        hasher.update(b"distchan session key 1\0");
        hasher.update(self.config.secret);
        hasher.update(self.config.epoch.to_le_bytes());
        hasher.update(id.0.to_le_bytes());
        let digest = hasher.finalize();
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        SessionKey(key)
    }
}
