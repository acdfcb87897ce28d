//! Which workers the server must hold for alive: a session ends when its worker has gone, when its connection was silent for too long, or
//! when it was away for too long; never earlier, and not much later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use distchan_proto::ids::{Attempt, ConnectionId, JobId, SessionId};
use distchan_proto::server::Loss;
use distchan_proto::time::Time;

use crate::oracle::Verdict;
use crate::plan::LivenessPlan;

/// How early a peer may count as silent, as a share of the time after which it does: a question may wait behind other bytes.
const EARLY: u32 = 4;

/// How late something may be noticed.
const LATE: Duration = Duration::from_secs(2);

/// A job of a channel in one attempt.
pub(crate) type Held = (u32, JobId, Attempt);

/// A session of one run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionName {
    pub(crate) epoch: u32,
    pub(crate) session: SessionId,
}

/// The sessions and connections of this run of the server.
#[derive(Debug)]
pub(crate) struct Sessions {
    liveness: LivenessPlan,
    sessions: BTreeMap<SessionName, Session>,
    connections: BTreeMap<ConnectionId, Facts>,
    slept_until: Time,
    /// Sessions that the server is about to say are over: what it says of one moment has no order.
    ending: BTreeSet<SessionName>,
}

#[derive(Debug)]
struct Session {
    connection: ConnectionId,
    away_since: Option<Time>,
    is_gone: bool,
    /// The worker ends it by itself.
    is_ending: bool,
    /// The jobs that it has and has not answered.
    held: BTreeSet<Held>,
    /// The channels of the jobs that it has said to have begun, whatever became of them.
    announced: Vec<u32>,
}

/// What the network has done to a connection.
#[derive(Debug)]
struct Facts {
    is_direct: bool,
    can_resume: bool,
    server_heard: Time,
    worker_heard: Time,
    /// When the worker last heard something that it has answered since, as far as the server has heard.
    echoed: Time,
    /// When the server last heard something that the worker wrote after it had heard the server.
    echo_heard: Time,
    /// When it last heard something that belongs to the worker's session: an answer may stand behind many of those.
    got_on: Time,
    lost: Option<(Time, Loss)>,
    /// The worker ends by itself whatever session goes over it.
    is_ending: bool,
    /// The worker has said goodbye to this connection: so it lives, and no job has brought it down.
    is_parting: bool,
}

impl Sessions {
    pub(crate) const fn new(liveness: LivenessPlan) -> Self {
        Self {
            liveness,
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            slept_until: Time::ZERO,
            ending: BTreeSet::new(),
        }
    }

    /// The server has a connection.
    pub(crate) fn accepted(
        &mut self,
        now: Time,
        connection: ConnectionId,
        is_direct: bool,
        can_resume: bool,
    ) {
        let facts = Facts {
            is_direct,
            can_resume,
            server_heard: now,
            worker_heard: now,
            echoed: now,
            echo_heard: now,
            got_on: now,
            lost: None,
            is_ending: false,
            is_parting: false,
        };
        self.connections.insert(connection, facts);
    }

    /// The server has read a whole frame.
    pub(crate) fn server_heard(&mut self, now: Time, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.server_heard = now;
        }
    }

    /// The other end of the server's connection has read something.
    pub(crate) fn worker_heard(&mut self, now: Time, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.worker_heard = now;
        }
    }

    /// The server has read what the worker wrote after it had heard the server at `then`.
    pub(crate) fn echoed(&mut self, then: Time, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.echoed = then;
        }
    }

    /// The server has read all that the worker had written when it last heard the server, and more.
    pub(crate) fn echo_heard(&mut self, now: Time, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.echo_heard = now;
        }
    }

    /// The server has read a whole frame that belongs to the worker's session.
    pub(crate) fn got_on(&mut self, now: Time, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.got_on = now;
        }
    }

    /// The server was told that a connection is gone.
    pub(crate) fn server_lost(&mut self, now: Time, connection: ConnectionId, loss: Loss) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.lost = Some((now, loss));
        }
    }

    pub(super) const fn server_slept(&mut self, now: Time) {
        self.slept_until = now;
    }

    /// A worker ends its session by itself: it closes, or turns to another.
    pub(crate) fn ends(&mut self, name: SessionName) {
        if let Some(session) = self.sessions.get_mut(&name) {
            session.is_ending = true;
        }
    }

    /// The server is about to say that a session is over.
    pub(crate) fn is_about_to_end(&mut self, name: SessionName) {
        self.ending.insert(name);
    }

    /// Whether a session is over, or will be said to be in a moment.
    pub(super) fn is_ended(&self, name: SessionName) -> bool {
        self.ending.contains(&name) || self.is_gone(name)
    }

    /// A worker says that it has begun a job.
    pub(super) fn announce(&mut self, name: SessionName, channel: u32) {
        if let Some(session) = self.sessions.get_mut(&name) {
            session.announced.push(channel);
        }
    }

    /// The channels of the jobs that a session has said to have begun.
    pub(super) fn announced_by(&mut self, name: SessionName) -> Vec<u32> {
        self.sessions.get_mut(&name).map(|session| std::mem::take(&mut session.announced)).unwrap_or_default()
    }

    /// A worker ends whatever session goes over a connection: it may not know yet that there is one.
    pub(crate) fn ends_over(&mut self, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.is_ending = true;
        }
    }

    /// A worker says goodbye to a connection, and may come back over another.
    pub(crate) fn parts_with(&mut self, connection: ConnectionId) {
        if let Some(facts) = self.connections.get_mut(&connection) {
            facts.is_parting = true;
        }
    }

    /// A worker has got a session.
    pub(crate) fn connected(&mut self, name: SessionName, connection: ConnectionId) -> Verdict {
        let session = Session {
            connection,
            away_since: None,
            is_gone: false,
            is_ending: false,
            held: BTreeSet::new(),
            announced: Vec::new(),
        };
        if self.sessions.insert(name, session).is_some() {
            return Err(format!("session {} is given twice", name.session));
        }
        Ok(())
    }

    /// A session has no connection.
    pub(crate) fn away(&mut self, now: Time, name: SessionName) -> Verdict {
        let session = self.alive(name)?;
        let connection = session.connection;
        session.away_since = Some(now);
        // The connection is gone, or its worker has said that it gives it up.
        match self.connections.get(&connection) {
            Some(facts) if facts.lost.is_some() || facts.is_parting => Ok(()),
            _ => Err(format!("session {} is away while its connection is there", name.session)),
        }
    }

    /// A session goes on over another connection.
    pub(crate) fn back(&mut self, now: Time, name: SessionName, connection: ConnectionId) -> Verdict {
        let grace = self.liveness.grace;
        let is_late = now - self.slept_until < LATE;
        let session = self.alive(name)?;
        session.connection = connection;
        match session.away_since.take() {
            Some(since) if now - since > grace + LATE && !is_late => {
                Err(format!("session {} goes on after {:?}", name.session, now - since))
            }
            _ => Ok(()),
        }
    }

    /// A session is over. Returns the jobs that it had, and whether it was lost rather than left.
    pub(super) fn gone(
        &mut self,
        now: Time,
        name: SessionName,
        reason: &str,
    ) -> Result<(Vec<Held>, bool), String> {
        let liveness = self.liveness;
        let session = self.alive(name)?;
        session.is_gone = true;
        let (mut is_ending, away_since) = (session.is_ending, session.away_since);
        let connection = session.connection;
        let held = std::mem::take(&mut session.held);
        let facts = self.connections.get(&connection).ok_or("a session without a connection")?;
        is_ending |= facts.is_ending;
        let silence = (now - facts.server_heard).max(now - facts.echoed);
        let is_parting = facts.is_parting;
        let was_cut = facts.lost.is_some_and(|(_, loss)| loss == Loss::Closed && facts.is_direct);
        let cannot_come_back = facts.lost.is_some() && (!facts.can_resume || liveness.grace.is_zero());
        let is_justified = is_ending
            || was_cut
            || cannot_come_back
            || away_since.is_some_and(|since| now - since >= liveness.grace)
            || silence + liveness.lost_after / EARLY >= liveness.lost_after;
        if !is_justified {
            return Err(format!(
                "session {} ended ({reason}) after {silence:?} of silence, away since {away_since:?}: {facts:?}",
                name.session
            ));
        }
        Ok((held.into_iter().collect(), !is_ending && !is_parting))
    }

    /// Looks for whoever should be lost by now.
    pub(crate) fn audit(&self, now: Time) -> Verdict {
        let Self { liveness, .. } = self;
        let patience = liveness.lost_after + liveness.heartbeat + LATE;
        if now - self.slept_until < patience {
            return Ok(());
        }
        for (name, session) in self.sessions.iter().filter(|(_, session)| !session.is_gone) {
            let Some(facts) = self.connections.get(&session.connection) else { continue };
            let is_overdue = match session.away_since {
                Some(since) => now - since > liveness.grace + LATE,
                None => {
                    let answered = facts.echo_heard.max(facts.worker_heard).max(facts.got_on);
                    now - facts.server_heard > liveness.lost_after + LATE || now - answered > patience
                }
            };
            if is_overdue {
                return Err(format!(
                    "{now:?}: session {} should be over: {session:?}, {facts:?}",
                    name.session
                ));
            }
        }
        Ok(())
    }

    /// Whether a session is over.
    pub(crate) fn is_gone(&self, name: SessionName) -> bool {
        self.sessions.get(&name).is_none_or(|session| session.is_gone)
    }

    /// Whether a session goes over this connection.
    pub(crate) fn is_over(&self, name: SessionName, connection: ConnectionId) -> bool {
        self.sessions.get(&name).is_some_and(|session| !session.is_gone && session.connection == connection)
    }

    pub(super) fn hold(&mut self, name: SessionName, job: Held) {
        if let Some(session) = self.sessions.get_mut(&name) {
            session.held.insert(job);
        }
    }

    pub(super) fn release(&mut self, name: SessionName, job: Held) {
        if let Some(session) = self.sessions.get_mut(&name) {
            session.held.remove(&job);
        }
    }

    /// A worker leaves a channel: returns what it had of it.
    pub(super) fn leave(&mut self, name: SessionName, channel: u32) -> Vec<JobId> {
        let Some(session) = self.sessions.get_mut(&name) else { return Vec::new() };
        let left: Vec<JobId> =
            session.held.iter().filter(|(of, ..)| *of == channel).map(|(_, job, _)| *job).collect();
        session.held.retain(|(of, ..)| *of != channel);
        left
    }

    fn alive(&mut self, name: SessionName) -> Result<&mut Session, String> {
        self.sessions
            .get_mut(&name)
            .filter(|session| !session.is_gone)
            .ok_or_else(|| format!("session {} is said to live, and is over", name.session))
    }
}
