//! Carries out what a server's machine decides. Called with the lock held; waits for nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use distchan_proto::ChannelStats;
use distchan_proto::batch::Batch;
use distchan_proto::carrier::Carrier;
use distchan_proto::ids::{ChannelId, ConnectionId, JobId, SessionId, SinkId};
use distchan_proto::server::{ChannelOptions, NameTaken, ServerEvent, ServerMachine, WorkerSnapshot};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;

use crate::channel::outgoing::Outgoing;
use crate::driver::clock::LINGER;
use crate::driver::pen::{Pen, Turn, Unwritten};
use crate::driver::pump::{Arrived, Ended, Next, Taken, Wake};
use crate::driver::server::Shared;
use crate::driver::server::crowd::Seat;
use crate::driver::server::ends::Ends;
use crate::driver::server::info::{Refusal, WorkerInfo};
use crate::driver::server::said::Said;
use crate::driver::wakes::Wakes;
use crate::transport::DirectWrite;

/// How many refusals are kept for whoever asks.
const KEPT_REFUSALS: usize = 256;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) machine: ServerMachine,
    /// By channel.
    ends: Vec<Ends>,
    connections: BTreeMap<ConnectionId, Line>,
    joined: BTreeSet<SessionId>,
    pub(crate) refusals: VecDeque<Refusal>,
    /// Finished channels, and until when their receivers wait for all workers to be told.
    patience: VecDeque<(Time, ChannelId)>,
    said: Said,
    is_shut: bool,
    /// Whoever waits for what has come.
    wakes: Wakes,
}

/// What the driver keeps of a connection.
#[derive(Debug)]
struct Line {
    wake: Arc<Wake>,
    pen: Pen,
    peer: String,
    /// Until its handshake is done.
    seat: Option<Seat>,
    /// Channels whose end is being told to this worker: the server's own receiver ends when it is written.
    telling: Vec<ChannelId>,
    /// ... of which these are in the bytes that are being written.
    writing: Vec<ChannelId>,
}

impl Core {
    pub(super) fn new(machine: ServerMachine) -> Self {
        Self {
            machine,
            ends: Vec::new(),
            connections: BTreeMap::new(),
            joined: BTreeSet::new(),
            refusals: VecDeque::new(),
            patience: VecDeque::new(),
            said: Said::default(),
            is_shut: false,
            wakes: Wakes::default(),
        }
    }

    /// Whoever is to be woken, when the lock has been given up.
    pub(super) fn take_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    /// A connection was accepted; `wake` is for its writer. `None` where the server is shut down.
    pub(super) fn add_connection(
        &mut self,
        now: Time,
        wake: Arc<Wake>,
        pen: Pen,
        peer: String,
        seat: Seat,
        carrier: Carrier<'_>,
    ) -> Option<ConnectionId> {
        if self.is_shut {
            return None;
        }
        let id = self.machine.accept(now, carrier);
        let line = Line { wake, pen, peer, seat: Some(seat), telling: Vec::new(), writing: Vec::new() };
        self.connections.insert(id, line);
        Some(id)
    }

    /// Bytes have arrived.
    pub(super) fn handle_arrived(&mut self, now: Time, id: ConnectionId, arrived: Arrived<'_>) -> Taken {
        let is_known = self.is_known(id);
        let landing = match arrived {
            Arrived::Bytes(input) => {
                self.machine.handle_input(now, id, input);
                self.machine.poll_landing(id, input)
            }
            Arrived::Landed(landed, input) => {
                self.machine.handle_landed(now, id, landed, input);
                self.machine.poll_landing(id, input)
            }
        };
        Taken { is_known, landing }
    }

    /// The peer is gone. Its writer sees that the connection is over, and ends.
    pub(super) fn lose_connection(&mut self, now: Time, id: ConnectionId, ended: &Ended) {
        self.machine.handle_closed(now, id, ended.loss, &ended.reason);
        if let Some(line) = self.connections.get(&id) {
            line.wake.closing.notify_one();
            line.wake.output.notify_one();
        }
    }

    /// When [`Core::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let told = self.patience.front().map(|(time, _)| *time);
        [self.machine.poll_timeout(), told].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
        while let Some(&(time, channel)) = self.patience.front()
            && time <= now
        {
            self.patience.pop_front();
            // One worker that does not read must not keep the server's receiver from its end.
            if let Some(ends) = self.ends.get_mut(channel.0 as usize) {
                ends.finish(BTreeSet::new());
            }
        }
    }

    /// Nobody wants a job's results any more. The machine is given it first, where it still waits here.
    pub(super) fn cancel(&mut self, now: Time, channel: ChannelId, job: JobId) {
        if let Some(jobs) = self.ends.get(channel.0 as usize).and_then(|ends| ends.jobs.as_ref()) {
            jobs.hurry(job);
            self.feed(now);
            self.machine.cancel(now, channel, job);
        }
    }

    /// Nobody wants the results of a sink's jobs any more.
    pub(super) fn cancel_sink(&mut self, now: Time, channel: ChannelId, sink: SinkId) {
        if let Some(jobs) = self.ends.get(channel.0 as usize).and_then(|ends| ends.jobs.as_ref()) {
            jobs.hurry_all();
            self.feed(now);
            self.machine.cancel_sink(now, channel, sink);
        }
    }

    /// Says goodbye to everybody: senders can send no more, receivers learn that the work is not done.
    pub(super) fn shutdown(&mut self) {
        self.is_shut = true;
        self.machine.shutdown();
        self.ends.iter().for_each(Ends::break_off);
    }

    /// Lets go of the channels' ends, which know this server as it knows them.
    pub(super) fn forget_ends(&mut self) {
        self.ends.clear();
    }

    /// Opens a channel; its ends are numbered as the machine numbers channels.
    pub(crate) fn open(
        &mut self,
        now: Time,
        spec: ChannelSpec,
        options: ChannelOptions,
        ends: Ends,
    ) -> Result<ChannelId, OpenFailed> {
        if self.is_shut {
            return Err(OpenFailed::Shutdown);
        }
        let id = self.machine.open_channel(now, spec, options).map_err(|NameTaken| OpenFailed::Exists)?;
        assert_eq!(id.0 as usize, self.ends.len(), "every channel of the machine was opened here");
        self.ends.push(ends);
        Ok(id)
    }

    /// Every channel's name and counters.
    pub(crate) fn channel_stats(&self) -> Vec<(String, ChannelStats)> {
        let mut channels = self.machine.channels();
        for ((_, stats), ends) in channels.iter_mut().zip(&self.ends) {
            ends.add_to(stats);
        }
        channels
    }

    /// Whether no job of a channel is on its way or being worked on.
    pub(super) fn is_quiet(&self, channel: ChannelId) -> bool {
        self.machine.is_quiet(channel)
    }

    pub(crate) fn senders(&self) -> impl Iterator<Item = &Arc<Outgoing>> {
        self.ends.iter().filter_map(|ends| ends.jobs.as_ref())
    }

    /// The workers, with where they connect from.
    pub(crate) fn workers(&self) -> Vec<WorkerInfo> {
        let line = |worker: &WorkerSnapshot| self.connections.get(&worker.connection?);
        let known = |worker: WorkerSnapshot| WorkerInfo {
            peer: line(&worker).map_or_else(String::new, |line| line.peer.clone()),
            is_connected: worker.connection.is_some(),
            session: worker.session,
            name: worker.name,
            channels: worker.channels,
            in_flight: worker.in_flight,
            completed: worker.completed,
        };
        self.machine.workers().into_iter().map(known).collect()
    }

    /// The drain rule of [`ServerMachine`]; the connections' writers are woken.
    pub(super) fn drain(&mut self, now: Time, shared: &Shared) {
        self.settle(now, shared);
        while let Some(id) = self.machine.poll_ready() {
            self.wake_writer(id);
        }
    }

    /// The drain rule, where whoever calls may write to one connection itself: see [`Core::next_directly`].
    pub(super) fn drain_but_for_one(&mut self, now: Time, shared: &Shared) -> Option<ConnectionId> {
        self.settle(now, shared);
        let first = self.machine.poll_ready()?;
        while let Some(id) = self.machine.poll_ready() {
            self.wake_writer(id);
        }
        Some(first)
    }

    fn wake_writer(&self, id: ConnectionId) {
        if let Some(line) = self.connections.get(&id) {
            line.wake.output.notify_one();
            if self.machine.is_closing(id) {
                line.wake.closing.notify_one();
            }
        }
    }

    fn settle(&mut self, now: Time, shared: &Shared) {
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.carry_out(event, shared);
            }
            if !self.feed(now) {
                break;
            }
        }
    }

    /// Hands jobs to channels whose workers wait for some; true where a channel's end may have brought events.
    fn feed(&mut self, now: Time) -> bool {
        let mut has_closed = false;
        for (index, ends) in self.ends.iter_mut().enumerate() {
            let id = ChannelId(u32::try_from(index).expect("channels are opened by hand"));
            has_closed |= ends.feed(id, &mut self.machine, now);
        }
        has_closed
    }

    fn carry_out(&mut self, event: ServerEvent, shared: &Shared) {
        match event {
            ServerEvent::Results { channel, sink, batch } => self.deliver(channel, sink, batch),
            ServerEvent::Finished { channel } => self.finish(channel, shared),
            ServerEvent::WorkerConnected { connection, session, name } => {
                self.end_handshake(connection);
                tracing::debug!(%connection, %session, name, "worker connected");
            }
            ServerEvent::WorkerJoined { session, .. } | ServerEvent::WorkerWaiting { session } => {
                tracing::debug!(%session, "worker opens a channel");
                self.joined.insert(session);
                shared.counts.send_modify(|counts| counts.workers = self.joined.len());
            }
            ServerEvent::WorkerAway { session, reason } => {
                tracing::info!(%session, reason, "worker away; it keeps its jobs, and may come back");
            }
            ServerEvent::WorkerBack { session, connection } => {
                self.end_handshake(connection);
                tracing::info!(%session, "worker back");
            }
            ServerEvent::WorkerGone { session, reason } => {
                tracing::debug!(%session, reason, "worker gone");
                self.joined.remove(&session);
                shared.counts.send_modify(|counts| counts.workers = self.joined.len());
            }
            ServerEvent::Refused { connection, channel, code: _, reason } => {
                let line = connection.and_then(|connection| self.connections.get(&connection));
                let peer = line.map_or_else(String::new, |line| line.peer.clone());
                self.refuse(shared.now(), shared, Refusal { peer, channel, reason });
            }
            // The machine's events may grow; one that this driver does not know changes nothing here.
            _ => {}
        }
    }

    /// A connection's handshake is done.
    fn end_handshake(&mut self, id: ConnectionId) {
        if let Some(line) = self.connections.get_mut(&id) {
            line.seat = None;
        }
    }

    /// Whether a connection's handshake is done.
    fn is_known(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|line| line.seat.is_none())
    }

    /// Keeps a refusal for whoever asks, and says it, if not too much has been said.
    pub(super) fn refuse(&mut self, now: Time, shared: &Shared, refusal: Refusal) {
        let Refusal { peer, channel, reason } = &refusal;
        if let Some(unsaid) = self.said.may_say(now) {
            tracing::warn!(peer, channel, reason, unsaid, "refused");
        }
        if self.refusals.len() == KEPT_REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back(refusal);
        shared.refused.notify_one();
    }

    fn deliver(&mut self, channel: ChannelId, sink: SinkId, batch: Batch) {
        let Some(ends) = self.ends.get(channel.0 as usize) else {
            return;
        };
        match ends.deliver(sink, batch) {
            Ok(waker) => self.wakes.add(waker),
            Err(batch) => self.machine.consumed(channel, batch.cost()),
        }
    }

    /// Every job has its outcome. The server's receiver ends when every worker has been told, so that a program that ends with it
    /// leaves no worker behind that takes a closed connection for a lost one.
    fn finish(&mut self, channel: ChannelId, shared: &Shared) {
        let Some(ends) = self.ends.get_mut(channel.0 as usize) else {
            return;
        };
        let joined: BTreeSet<ConnectionId> = self.machine.members(channel).into_iter().collect();
        for id in &joined {
            if let Some(line) = self.connections.get_mut(id) {
                line.telling.push(channel);
            }
        }
        if !joined.is_empty() {
            self.patience.push_back((shared.now() + LINGER, channel));
        }
        ends.finish(joined);
        if ends.jobs.is_some() {
            shared.counts.send_modify(|counts| counts.unfinished -= 1);
        }
    }

    /// What a connection's writer does next. Whatever it was given before has been written.
    pub(super) fn next(&mut self, id: ConnectionId, now: Time) -> Next {
        let Some(line) = self.connections.get_mut(&id) else {
            return Next::Close;
        };
        match line.pen.take_for_writer() {
            Turn::GoOn(unwritten) => return Next::Write(unwritten),
            Turn::Wait => return Next::Sleep,
            Turn::Begin => {}
        }
        match self.compose(id, now) {
            Some(bytes) => Next::Write(bytes),
            None if self.machine.is_closing(id) => Next::Close,
            None => {
                if let Some(line) = self.connections.get_mut(&id) {
                    line.pen.put_down();
                }
                Next::Sleep
            }
        }
    }

    /// What is to be written to a connection whose writer sleeps, by whoever calls; else the writer is woken.
    pub(super) fn next_directly(&mut self, id: ConnectionId, now: Time) -> Option<(DirectWrite, Unwritten)> {
        let socket = self.connections.get_mut(&id).and_then(|line| line.pen.take());
        let Some(socket) = socket else {
            self.wake_writer(id);
            return None;
        };
        let bytes = self.compose(id, now);
        if bytes.is_none() {
            self.put_down(id);
        }
        Some((socket, bytes?))
    }

    /// So much of that was written: the writer is woken for the rest, and for what has come since.
    pub(super) fn wrote_directly(&mut self, id: ConnectionId, now: Time, bytes: Unwritten) {
        let rest = if bytes.is_done() { self.compose(id, now) } else { Some(bytes) };
        match rest {
            None => self.put_down(id),
            Some(rest) => {
                if let Some(line) = self.connections.get_mut(&id) {
                    line.pen.pass_on(rest);
                }
                self.wake_writer(id);
            }
        }
    }

    fn put_down(&mut self, id: ConnectionId) {
        let is_closing = self.machine.is_closing(id);
        if let Some(line) = self.connections.get_mut(&id)
            && (line.pen.put_down() || is_closing)
        {
            line.wake.output.notify_one();
        }
    }

    /// The next bytes for a connection, if there are any.
    fn compose(&mut self, id: ConnectionId, now: Time) -> Option<Unwritten> {
        let line = self.connections.get_mut(&id)?;
        let told = std::mem::take(&mut line.writing);
        line.writing = std::mem::take(&mut line.telling);
        self.told(id, &told);
        self.machine.poll_transmit(now, id).map(Unwritten::new)
    }

    fn told(&mut self, id: ConnectionId, channels: &[ChannelId]) {
        for channel in channels {
            if let Some(ends) = self.ends.get_mut(channel.0 as usize) {
                ends.told(id);
            }
        }
    }

    pub(super) fn remove_connection(&mut self, now: Time, id: ConnectionId, ended: &Ended) {
        self.machine.handle_closed(now, id, ended.loss, &ended.reason);
        if let Some(line) = self.connections.remove(&id) {
            self.told(id, &line.writing);
            self.told(id, &line.telling);
        }
    }
}

/// Why a channel was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailed {
    Exists,
    Shutdown,
}
