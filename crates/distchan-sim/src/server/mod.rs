//! The server's process: drives its machine by the drain rule, and tells the oracle what comes up. What its user does is in `client`,
//! what can be seen on the wire in `frames`.

mod client;
mod frames;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use distchan_proto::carrier::Carrier;
use distchan_proto::error::Code;
use distchan_proto::ids::{ChannelId, ConnectionId};
use distchan_proto::server::{Loss, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;

use crate::network::{LINGER, LinkNo, Side, route_seen_by};
use crate::oracle::Verdict;
use crate::oracle::sessions::SessionName;
use crate::plan::{Plan, Route};
use crate::server::client::Client;
use crate::server::frames::Whole;
use crate::world::{Event, World};

/// One run of the server.
#[derive(Debug)]
pub(crate) struct ServerHost {
    pub(crate) machine: ServerMachine,
    pub(crate) epoch: u32,
    /// Whether its process is there, and whether it is stopped.
    pub(crate) is_up: bool,
    pub(crate) is_stopped: bool,
    /// What happens to it when it continues.
    pub(crate) missed: Vec<Event>,
    clients: Vec<Client>,
    ids: BTreeMap<ChannelId, usize>,
    links: BTreeMap<ConnectionId, (LinkNo, BytesMut)>,
    /// Connections of those who repeat what others have said.
    strangers: BTreeSet<ConnectionId>,
    /// When its timer fires next.
    armed: Option<Time>,
    steps: usize,
}

impl ServerHost {
    /// The server's first run, or the next one.
    pub(crate) fn new(plan: &Plan, epoch: u32) -> Self {
        let config = ServerConfig {
            signature: "sim".to_owned(),
            epoch: u64::from(epoch),
            secret: [epoch.to_le_bytes()[0]; 16],
            heartbeat: plan.liveness.heartbeat,
            lost_after: plan.liveness.lost_after,
            grace: plan.liveness.grace,
        };
        Self {
            machine: ServerMachine::new(config),
            epoch,
            is_up: true,
            is_stopped: false,
            missed: Vec::new(),
            clients: plan.channels.iter().map(Client::new).collect(),
            ids: BTreeMap::new(),
            links: BTreeMap::new(),
            strangers: BTreeSet::new(),
            armed: None,
            steps: 0,
        }
    }

    /// The process dies. Its machine closes its connections, unless it is gone too.
    pub(crate) fn die(&mut self, world: &mut World, with_its_machine: bool) {
        self.is_up = false;
        self.is_stopped = false;
        self.missed.clear();
        self.links.clear();
        for link in world.network.of_server() {
            if let Some(link) = world.network.get(link) {
                link.connection = None;
            }
            if with_its_machine {
                world.network.kill(link);
                world.network.drop_end(link, Side::Server);
            } else {
                world.close(link, Side::Server);
            }
        }
        world.announcements.clear();
    }

    /// Takes a connection.
    pub(crate) fn accept(&mut self, world: &mut World, no: LinkNo) -> Verdict {
        let guards_bytes = world.network.guards_bytes();
        let Some(link) = world.network.get(no).filter(|link| link.is_held(Side::Server)) else {
            return Ok(());
        };
        let route = route_seen_by(Side::Server, link.route, no);
        let connection = self.machine.accept(world.now, Carrier { route: &route, guards_bytes });
        link.connection = Some(connection);
        self.links.insert(connection, (no, BytesMut::new()));
        let is_direct = link.route == Route::Direct && link.owner.is_some();
        let can_resume = link.route != Route::Unknown;
        let (is_ending, is_strange) = (link.is_ending, link.owner.is_none());
        world.oracle.sessions.accepted(world.now, connection, is_direct, can_resume);
        if is_ending {
            world.oracle.sessions.ends_over(connection);
        }
        if is_strange {
            self.strangers.insert(connection);
        }
        self.settle(world)
    }

    /// Bytes, or an end, have arrived.
    pub(crate) fn read(&mut self, world: &mut World, link: LinkNo) -> Verdict {
        let arrived = world.network.read(world.now, link, Side::Server, &mut world.queue);
        let Some(connection) = world.network.get(link).and_then(|link| link.connection) else {
            return Ok(());
        };
        if !arrived.pieces.is_empty()
            && let Some((_, input)) = self.links.get_mut(&connection)
        {
            for piece in &arrived.pieces {
                input.extend_from_slice(piece);
            }
            world.note("server reads", connection.0, input.len() as u64);
            let frames = frames::whole(input);
            if frames > Whole::None {
                world.oracle.sessions.server_heard(world.now, connection);
            }
            if frames == Whole::OfSession {
                world.oracle.sessions.got_on(world.now, connection);
            }
            self.machine.handle_input(world.now, connection, input);
            note_echo(world, link, connection, input.len() as u64);
            note_announcements(world, link, connection);
        }
        if arrived.has_ended {
            self.lose(world, link, Loss::Closed)?;
        }
        self.settle(world)
    }

    /// A connection is gone.
    pub(crate) fn lose(&mut self, world: &mut World, link: LinkNo, loss: Loss) -> Verdict {
        let Some(connection) = world.network.get(link).and_then(|link| link.connection.take()) else {
            return Ok(());
        };
        if self.links.remove(&connection).is_some() {
            world.note("server loses", connection.0, u64::from(loss == Loss::Closed));
            world.oracle.sessions.server_lost(world.now, connection, loss);
            self.machine.handle_closed(world.now, connection, loss, "the connection is gone");
            world.close(link, Side::Server);
        }
        self.settle(world)
    }

    /// A connection that it wants to close could not be written to for long enough.
    pub(crate) fn linger(&mut self, world: &mut World, link: LinkNo) -> Verdict {
        let connection = world.network.get(link).and_then(|link| link.connection);
        if connection.is_some_and(|connection| self.machine.is_closing(connection)) {
            return self.lose(world, link, Loss::Broken);
        }
        Ok(())
    }

    /// Time has passed.
    pub(crate) fn timer(&mut self, world: &mut World) -> Verdict {
        if self.armed.is_some_and(|time| time <= world.now) {
            self.armed = None;
        }
        if self.machine.poll_timeout().is_some_and(|time| time <= world.now) {
            self.machine.handle_timeout(world.now);
        }
        self.settle(world)
    }

    /// The drain rule.
    pub(crate) fn settle(&mut self, world: &mut World) -> Verdict {
        loop {
            let said: Vec<ServerEvent> = std::iter::from_fn(|| self.machine.poll_event()).collect();
            for event in &said {
                if let ServerEvent::WorkerGone { session, .. } = event {
                    let session = SessionName { epoch: self.epoch, session: *session };
                    world.oracle.sessions.is_about_to_end(session);
                }
            }
            said.into_iter().try_for_each(|event| self.take(event, world))?;
            if !self.submit_some(world) {
                break;
            }
        }
        while let Some(connection) = self.machine.poll_ready() {
            self.write(world, connection);
        }
        if let Some(time) = self.machine.poll_timeout()
            && self.armed.is_none_or(|armed| time < armed)
        {
            self.armed = Some(time);
            world.queue.push(time.max(world.now), Event::ServerTimer);
        }
        self.steps += 1;
        self.check(world, self.steps % self.clients.len())
    }

    /// Writes to a connection as long as there is room and something to write.
    pub(crate) fn write(&mut self, world: &mut World, connection: ConnectionId) {
        let Some((link, _)) = self.links.get(&connection) else {
            return;
        };
        let link = *link;
        while world.network.has_room(link, Side::Server) {
            if let Some(bytes) = self.machine.poll_transmit(world.now, connection).map(Transmit::into_bytes) {
                world.note("server writes", connection.0, bytes.len() as u64);
                world.write(link, Side::Server, bytes);
                continue;
            }
            if self.machine.is_closing(connection) {
                self.links.remove(&connection);
                if let Some(link) = world.network.get(link) {
                    link.connection = None;
                }
                world.note("server closes", connection.0, 0);
                self.machine.handle_closed(world.now, connection, Loss::Closed, "everything was written");
                world.close(link, Side::Server);
            }
            return;
        }
        // A peer that does not read its last words is not waited for.
        if self.machine.is_closing(connection) {
            world.after(LINGER, Event::Linger { link });
        }
    }

    /// What the machine says.
    fn take(&mut self, event: ServerEvent, world: &mut World) -> Verdict {
        let (now, epoch) = (world.now, self.epoch);
        let named = |session| SessionName { epoch, session };
        match event {
            ServerEvent::WorkerConnected { connection, session, .. } => {
                world.note("connected", session.0, connection.0);
                world.oracle.sessions.connected(named(session), connection)
            }
            ServerEvent::WorkerAway { session, reason } => {
                world.note("away", session.0, 0);
                world.trace.remark(now, || reason.clone());
                world.oracle.sessions.away(now, named(session))
            }
            ServerEvent::WorkerBack { session, connection } => {
                world.note("back", session.0, connection.0);
                world.oracle.sessions.back(now, named(session), connection)
            }
            ServerEvent::WorkerGone { session, reason } => {
                world.note("gone", session.0, 0);
                world.trace.remark(now, || reason.clone());
                world.oracle.gone(now, named(session), &reason)
            }
            ServerEvent::Results { channel, sink, batch } => {
                let index = self.index_of(channel)?;
                world.note("released", index as u64, batch.entries.len() as u64);
                world.trace.bytes(&batch.payload);
                self.results_came(world, index, batch.cost());
                world.oracle.released(now, &world.plan, index, sink, &batch)
            }
            ServerEvent::Finished { channel } => {
                let index = self.index_of(channel)?;
                world.note("finished", index as u64, 0);
                world.oracle.finished(index)
            }
            ServerEvent::Refused {
                code: Code::UnknownChannel | Code::Timeout | Code::Superseded, ..
            } => Ok(()),
            ServerEvent::Refused { connection: Some(connection), .. }
                if self.strangers.contains(&connection) =>
            {
                Ok(())
            }
            ServerEvent::Refused { connection, reason, .. } => {
                Err(format!("the server refused an honest worker on connection {connection:?}: {reason}"))
            }
            _ => Ok(()),
        }
    }

    fn index_of(&self, id: ChannelId) -> Result<usize, String> {
        self.ids.get(&id).copied().ok_or_else(|| format!("no channel {id}"))
    }

    /// What must hold of a channel at any time.
    fn check(&self, world: &World, index: usize) -> Verdict {
        let Some(client) = self.clients.get(index) else { return Ok(()) };
        let Some(id) = client.id else { return Ok(()) };
        world.oracle.check_stats(index, &self.machine.stats(id))
    }

    /// What must hold at the end.
    pub(crate) fn check_end(&self, world: &World) -> Verdict {
        for (id, index) in &self.ids {
            world.oracle.check_end(*index, &self.machine.stats(*id))?;
        }
        if !self.machine.workers().is_empty() || self.machine.poll_timeout().is_some() {
            return Err(format!(
                "something is left behind: workers {:?}, timer {:?}",
                self.machine.workers(),
                self.machine.poll_timeout()
            ));
        }
        Ok(())
    }

    /// Whether nobody is connected, and nothing is awaited.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_read = self.clients.iter().all(Client::is_read);
        is_read && self.machine.workers().is_empty() && self.machine.poll_timeout().is_none()
    }

    /// How it stands, for whoever looks for what is stuck.
    pub(crate) fn describe(&self) -> String {
        let stats = self.ids.keys().map(|id| self.machine.stats(*id));
        let stats: Vec<String> = stats.map(|stats| format!("{stats:?}")).collect();
        let timer = self.machine.poll_timeout();
        format!("timer {timer:?}, workers {:?}, {}", self.machine.workers(), stats.join(", "))
    }
}

/// Tells the oracle whether both directions work. Of what was read, `partial` bytes are the beginning of a frame.
fn note_echo(world: &mut World, no: LinkNo, connection: ConnectionId, partial: u64) {
    let Some(link) = world.network.get(no) else { return };
    let read = link.from(Side::Worker).read - partial;
    if let Some((_, then)) = link.echo.take_if(|(up_to, _)| *up_to < read) {
        world.oracle.sessions.echoed(then, connection);
    }
    let Some(link) = world.network.get(no) else { return };
    if link.last_echo.take_if(|up_to| *up_to < read).is_some() {
        world.oracle.sessions.echo_heard(world.now, connection);
    }
}

/// Tells the oracle which announcements of begun jobs the server has.
fn note_announcements(world: &mut World, link: LinkNo, connection: ConnectionId) {
    let Some(marks) = world.announcements.get_mut(&link) else {
        return;
    };
    let read = world.network.get(link).map_or(0, |link| link.from(Side::Worker).read);
    while marks.front().is_some_and(|(up_to, _)| *up_to <= read)
        && let Some((_, mark)) = marks.pop_front()
    {
        if world.oracle.sessions.is_over(mark.session, connection) {
            world.oracle.announcement_arrived(&mark);
        }
    }
}
