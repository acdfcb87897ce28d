//! A worker's process: drives its machine by the drain rule, connects and connects again, and dies. What its handlers do is in `handlers`,
//! what its user does with channels is in `channels`.

mod channels;
mod handlers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::carrier::Carrier;
use distchan_proto::error::Code;
use distchan_proto::ids::ChannelNo;
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{WorkerConfig, WorkerEvent as Said, WorkerMachine};
use rand::RngExt;

use crate::network::{LINGER, LinkNo, Side, route_seen_by};
use crate::oracle::Verdict;
use crate::oracle::sessions::SessionName;
use crate::oracle::values::Stream;
use crate::plan::Route;
use crate::plan::faults::Fault;
use crate::worker::channels::{Sent, WorkerChannel};
use crate::worker::handlers::Task;
use crate::world::{Event, WorkerEvent, World};

/// One life of a worker.
#[derive(Debug)]
pub(crate) struct WorkerHost {
    pub(crate) place: usize,
    pub(crate) life: u32,
    machine: WorkerMachine,
    route: Route,
    pub(crate) link: Option<LinkNo>,
    input: BytesMut,
    session: Option<SessionName>,
    /// Between the server's welcome and the end of the connection.
    is_connected: bool,
    /// When it heard something of the server, or could hear again.
    pub(crate) last_heard: Time,
    /// Connections that were tried since the last one that worked.
    tries: u32,
    channels: BTreeMap<ChannelNo, WorkerChannel>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    /// What it sends unasked, by channel.
    values: BTreeMap<usize, Sent>,
    /// Channels that were finished in this session.
    finished: BTreeSet<usize>,
    pub(crate) is_stopped: bool,
    pub(crate) is_stalled: bool,
    /// What happens to it when it continues.
    pub(crate) missed: Vec<Event>,
    is_closing: bool,
    /// Its process has come to its end, or was brought to it by a job.
    pub(crate) is_over: bool,
    pub(crate) has_crashed: bool,
    armed: Option<Time>,
    is_lingering: bool,
}

impl WorkerHost {
    /// A process that has just begun: it asks for channels, and connects.
    pub(crate) fn new(world: &mut World, place: usize, life: u32) -> Self {
        let config = WorkerConfig { signature: "sim".to_owned(), name: format!("life-{life}") };
        let mut worker = Self {
            place,
            life,
            machine: WorkerMachine::new(config),
            route: world.plan.route_of(place),
            link: None,
            input: BytesMut::new(),
            session: None,
            is_connected: false,
            last_heard: world.now,
            tries: 0,
            channels: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            values: BTreeMap::new(),
            finished: BTreeSet::new(),
            is_stopped: false,
            is_stalled: false,
            missed: Vec::new(),
            is_closing: false,
            is_over: false,
            has_crashed: false,
            armed: None,
            is_lingering: false,
        };
        worker.open_some(world);
        worker.after(world, Duration::ZERO, WorkerEvent::Connect);
        worker.after(world, Duration::from_millis(200), WorkerEvent::Values);
        worker
    }

    /// Plans something in this process.
    fn after(&self, world: &mut World, delay: Duration, what: WorkerEvent) {
        world.after(delay, Event::Worker { place: self.place, life: self.life, what });
    }

    /// Something happens in this process.
    pub(crate) fn handle(&mut self, world: &mut World, what: WorkerEvent) -> Verdict {
        match what {
            WorkerEvent::Timer => self.timer(world),
            WorkerEvent::Connect => self.dial(world),
            WorkerEvent::Connected(link) => self.connected(world, link),
            WorkerEvent::Unreachable => self.try_again(world),
            WorkerEvent::Work(task) => self.work(world, task)?,
            WorkerEvent::Announce(task) => self.announce(world, task),
            WorkerEvent::Values => self.send_values(world),
            WorkerEvent::Open => self.open_some(world),
            WorkerEvent::Close => self.close(world),
            WorkerEvent::Linger(link) => {
                if self.link == Some(link) && self.machine.is_closing() {
                    self.disconnect(world, "it could not be written to");
                }
            }
        }
        self.settle(world)
    }

    fn timer(&mut self, world: &World) {
        if self.armed.is_some_and(|time| time <= world.now) {
            self.armed = None;
        }
        if self.machine.poll_timeout().is_some_and(|time| time <= world.now) {
            self.machine.handle_timeout(world.now);
        }
    }

    /// Tries to connect: the answer comes as an event.
    fn dial(&mut self, world: &mut World) {
        if self.link.is_none() && !self.machine.is_over() {
            let link = world.network.open(Some((self.place, self.life)), self.route);
            let latency = world.network.latency();
            world.note("dial", self.place as u64, u64::from(link.0));
            world.after(latency, Event::Dial { link });
        }
    }

    fn connected(&mut self, world: &mut World, link: LinkNo) {
        if self.link.is_some() || self.machine.is_over() {
            return world.close(link, Side::Worker);
        }
        world.note("dialled", self.place as u64, u64::from(link.0));
        self.link = Some(link);
        self.is_lingering = false;
        self.last_heard = world.now;
        let route = route_seen_by(Side::Worker, self.route, link);
        let guards_bytes = world.network.guards_bytes();
        self.machine.handle_connected(world.now, Carrier { route: &route, guards_bytes });
    }

    /// Full jitter: as the driver does it.
    fn try_again(&mut self, world: &mut World) {
        let most =
            Duration::from_millis(100).saturating_mul(1 << self.tries.min(10)).min(Duration::from_secs(5));
        self.tries += 1;
        let wait = most.mul_f64(world.dice.workers.random_range(0.0..1.0));
        self.after(world, wait, WorkerEvent::Connect);
    }

    /// Bytes, or the end, have arrived.
    pub(crate) fn read(&mut self, world: &mut World, link: LinkNo) -> Verdict {
        if self.link != Some(link) || self.is_stalled {
            return Ok(());
        }
        let arrived = world.network.read(world.now, link, Side::Worker, &mut world.queue);
        if !arrived.pieces.is_empty() {
            for piece in &arrived.pieces {
                self.input.extend_from_slice(piece);
            }
            self.last_heard = world.now;
            if let Some(link) = world.network.get(link) {
                let written = link.from(Side::Worker).written;
                link.echo.get_or_insert((written, world.now));
                link.last_echo = Some(written);
                if let Some(connection) = link.connection {
                    world.oracle.sessions.worker_heard(world.now, connection);
                }
            }
            self.machine.handle_input(world.now, &mut self.input);
        }
        self.settle(world)?;
        if arrived.has_ended && self.link == Some(link) {
            self.disconnect(world, "the connection was closed");
            return self.settle(world);
        }
        Ok(())
    }

    /// It notices that its connection is gone.
    pub(crate) fn lose(&mut self, world: &mut World, link: LinkNo) -> Verdict {
        if self.link == Some(link) {
            self.disconnect(world, "the connection was cut");
        }
        self.settle(world)
    }

    fn disconnect(&mut self, world: &mut World, reason: &str) {
        let Some(link) = self.link.take() else { return };
        world.note("disconnected", self.place as u64, u64::from(link.0));
        world.close(link, Side::Worker);
        self.input.clear();
        self.is_connected = false;
        self.machine.handle_disconnected(reason);
        if !self.machine.is_over() {
            self.try_again(world);
        }
    }

    /// The drain rule, and the user's part of it.
    pub(crate) fn settle(&mut self, world: &mut World) -> Verdict {
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.take(world, event)?;
            }
            self.start_some(world)?;
            self.submit_some();
            if !self.write(world) {
                break;
            }
        }
        if let Some(time) = self.machine.poll_timeout()
            && self.armed.is_none_or(|armed| time < armed)
        {
            self.armed = Some(time);
            let event = Event::Worker { place: self.place, life: self.life, what: WorkerEvent::Timer };
            world.queue.push(time.max(world.now), event);
        }
        Ok(())
    }

    /// Writes what there is room for. Whether that may have brought about anything else.
    fn write(&mut self, world: &mut World) -> bool {
        let Some(link) = self.link else { return false };
        if self.machine.is_closing() && !std::mem::replace(&mut self.is_lingering, true) {
            self.after(world, LINGER, WorkerEvent::Linger(link));
            if let Some(connection) = world.network.get(link).and_then(|link| link.connection) {
                world.oracle.sessions.parts_with(connection);
            }
        }
        while world.network.has_room(link, Side::Worker) {
            if let Some(bytes) = self.machine.poll_transmit(world.now).map(Transmit::into_bytes) {
                world.note("worker writes", self.place as u64, bytes.len() as u64);
                world.write(link, Side::Worker, bytes);
                continue;
            }
            if self.machine.is_closing() {
                self.disconnect(world, "everything was written");
                return true;
            }
            return self.is_connected
                && !self.machine.has_output()
                && self.announcements_written(world, link);
        }
        false
    }

    fn take(&mut self, world: &mut World, event: Said) -> Verdict {
        match event {
            Said::Connected { session, epoch, resumed, .. } => {
                let epoch = u32::try_from(epoch).unwrap_or(0);
                let session = SessionName { epoch, session };
                world.note("welcome", self.place as u64, session.session.0);
                self.tries = 0;
                self.is_connected = true;
                let before = self.session.replace(session);
                if resumed != (before == Some(session)) {
                    return Err(format!("worker {} had {before:?}, has {session:?}", self.life));
                }
                if self.is_closing {
                    world.oracle.sessions.ends(session);
                }
                if !resumed {
                    self.ask_again();
                    self.finished.clear();
                    self.after(world, Duration::from_secs(1), WorkerEvent::Open);
                }
                Ok(())
            }
            Said::Disconnected { .. } => {
                self.is_connected = false;
                Ok(())
            }
            Said::Closed { code, reason } => self.closed(world, code, &reason),
            other => self.take_of_channel(world, other),
        }
    }

    fn closed(&mut self, world: &mut World, code: Code, reason: &str) -> Verdict {
        world.note("closed", self.place as u64, code as u64);
        self.is_over = true;
        self.say_it_ends(world);
        match code {
            Code::Normal if self.is_closing => {
                let mut sent = self.values.iter();
                sent.try_for_each(|(channel, Sent { number, count, .. })| {
                    let stream = Stream { channel: *channel, life: self.life, number: *number };
                    world.oracle.values.all_arrived(stream, *count)
                })
            }
            // It had no session yet, or lost it while it was closing; or somebody else has it.
            Code::Timeout | Code::Other | Code::Damaged => Ok(()),
            Code::Superseded if world.plan.faults.has(Fault::Twin) => Ok(()),
            _ => Err(format!("worker {} was closed: {reason}", self.life)),
        }
    }

    /// The user closes: what it has in hand goes back.
    pub(crate) fn close(&mut self, world: &mut World) {
        if std::mem::replace(&mut self.is_closing, true) {
            return;
        }
        let all: Vec<ChannelNo> = self.channels.keys().copied().collect();
        for no in all {
            self.leave(world, no);
        }
        self.say_it_ends(world);
        self.machine.close();
    }

    /// The oracle knows that this worker's session will end, also where the worker does not know it yet.
    fn say_it_ends(&self, world: &mut World) {
        if let Some(session) = self.session {
            world.oracle.sessions.ends(session);
        }
        if let Some(link) = self.link.and_then(|link| world.network.get(link)) {
            link.is_ending = true;
            if let Some(connection) = link.connection {
                world.oracle.sessions.ends_over(connection);
            }
        }
    }

    /// The process ends, however that came.
    pub(crate) fn end(&mut self, world: &mut World, how: End) {
        world.note("process ends", self.place as u64, how as u64);
        let Some(link) = self.link.take() else { return };
        match how {
            End::Quietly => world.close(link, Side::Worker),
            End::Abruptly => {
                // What it had not read makes the system reset the connection, and what was on its way is lost.
                if let Some(link) = world.network.get(link) {
                    link.from(Side::Worker).forget();
                }
                world.close(link, Side::Worker);
            }
            End::WithItsMachine => {
                world.network.kill(link);
                world.network.drop_end(link, Side::Worker);
            }
        }
    }

    /// Looks whether it has noticed what it should have.
    pub(crate) fn audit(&self, world: &World) -> Verdict {
        let silence = world.now - self.last_heard;
        let patience = world.plan.liveness.lost_after + Duration::from_secs(2);
        if self.link.is_some()
            && self.is_connected
            && !self.is_stopped
            && !self.is_stalled
            && silence > patience
        {
            return Err(format!(
                "worker {} has heard nothing for {silence:?} and has not noticed",
                self.life
            ));
        }
        Ok(())
    }

    /// How it stands, for whoever looks for what is stuck.
    pub(crate) fn describe(&self) -> String {
        let channels: Vec<String> = self.channels.values().map(WorkerChannel::describe).collect();
        format!(
            "life {} at {}: link {:?}, connected {}, session {:?}, closing {}, tasks {:?}, channels [{}]",
            self.life,
            self.place,
            self.link,
            self.is_connected,
            self.session,
            self.is_closing,
            self.tasks,
            channels.join(", ")
        )
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What it has written arrives, then the end.
    Quietly,
    /// The end arrives, and what was on its way is lost.
    Abruptly,
    /// Nothing arrives, ever.
    WithItsMachine,
}
