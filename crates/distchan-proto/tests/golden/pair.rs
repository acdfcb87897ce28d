//! A server and a worker that talk to each other through `PROTOCOL.md`: what one says must be what stands there, and what stands
//! there is what the other hears.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use distchan_proto::batch::{Batch, Kind, OpenBatch, Submission};
use distchan_proto::carrier::Carrier;
use distchan_proto::error::Code;
use distchan_proto::failure::Failure;
use distchan_proto::ids::{Attempt, ChannelId, ChannelNo, ConnectionId, JobId};
use distchan_proto::server::{ChannelOptions, Loss, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::document::Document;

/// What a script comes to: the text says where the machines and the document part.
pub(crate) type Check = Result<(), String>;

pub(crate) const NOW: Time = Time::ZERO;

/// What both sides see of the first connection's two ends, and of the second's.
const ROUTE: &str = "10.0.0.7:40312>10.0.0.1:5678";
const SECOND_ROUTE: &str = "10.0.0.7:40313>10.0.0.1:5678";

#[derive(Debug)]
pub(crate) struct Pair<'a> {
    document: &'a Document,
    pub(crate) server: ServerMachine,
    pub(crate) worker: WorkerMachine,
    connection: ConnectionId,
    now: Time,
}

/// Another worker of the same server, which is not spoken to at the moment.
#[derive(Debug)]
pub(crate) struct Absent {
    worker: WorkerMachine,
    connection: ConnectionId,
}

impl<'a> Pair<'a> {
    /// A worker that has just connected.
    pub(crate) fn connect(document: &'a Document) -> Self {
        Self::connect_over(document, ROUTE.into())
    }

    /// The same, over TLS.
    pub(crate) fn connect_over_tls(document: &'a Document) -> Self {
        Self::connect_over(document, Carrier { route: ROUTE, guards_bytes: true })
    }

    fn connect_over(document: &'a Document, carrier: Carrier<'_>) -> Self {
        let mut server = server_of_run(2026);
        let connection = server.accept(NOW, carrier);
        let mut worker = WorkerMachine::new(WorkerConfig { signature: "shop/1".into(), name: "w1".into() });
        worker.handle_connected(NOW, carrier);
        Self { document, server, worker, connection, now: NOW }
    }

    /// Time passes, on both sides.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.server.handle_timeout(self.now);
        self.worker.handle_timeout(self.now);
    }

    /// The connection is cut on its way: what was said on it, and was not heard, is lost.
    pub(crate) fn cut(&mut self) {
        self.server.handle_closed(self.now, self.connection, Loss::Broken, "cut");
        self.worker.handle_disconnected("cut");
    }

    /// The server's end of the connection sees that the worker's is closed.
    pub(crate) fn worker_closes(&mut self) {
        self.server.handle_closed(self.now, self.connection, Loss::Closed, "closed");
    }

    /// The server has ended, and another run of it begun.
    pub(crate) fn restart_server(&mut self) {
        self.worker.handle_disconnected("cut");
        self.server = server_of_run(2027);
    }

    /// The worker connects again, whether the server knows that the connection before is gone or not.
    pub(crate) fn connect_again(&mut self) {
        self.worker.handle_disconnected("cut");
        self.connection = self.server.accept(self.now, SECOND_ROUTE);
        self.worker.handle_connected(self.now, SECOND_ROUTE);
    }

    /// Another worker connects, opens the channel, and takes the first one's place here; the first one's number is returned.
    pub(crate) fn connect_another(&mut self, spec: ChannelSpec) -> (Absent, ChannelNo) {
        let mut other = Absent {
            connection: self.server.accept(self.now, SECOND_ROUTE),
            worker: WorkerMachine::new(WorkerConfig { signature: "shop/1".into(), name: "w2".into() }),
        };
        other.worker.handle_connected(self.now, SECOND_ROUTE);
        let no = other.worker.open(spec, OpenOptions::default()).expect("the first channel number");
        self.swap(&mut other);
        self.talk();
        (other, no)
    }

    /// The absent worker takes the place of the one that is here.
    pub(crate) fn swap(&mut self, other: &mut Absent) {
        std::mem::swap(&mut self.worker, &mut other.worker);
        std::mem::swap(&mut self.connection, &mut other.connection);
    }

    /// Opens a channel on the server and asks for it on the worker, whose `spec` may differ.
    pub(crate) fn open(&mut self, server: ChannelSpec, worker: ChannelSpec) -> (ChannelId, ChannelNo) {
        let options = OpenOptions { max_jobs: 100, max_bytes: 1 << 20, ..OpenOptions::default() };
        let id = self.server.open_channel(NOW, server, ChannelOptions::default()).expect("the only channel");
        (id, self.worker.open(worker, options).expect("the first channel number"))
    }

    /// The worker writes exactly these blocks, and the server hears them.
    pub(crate) fn worker_says(&mut self, names: &[&str]) -> Check {
        let said = self.take_from_worker();
        self.compare("the worker", names, &said)?;
        self.server_hears(names);
        Ok(())
    }

    /// The server writes exactly these blocks, and the worker hears them.
    pub(crate) fn server_says(&mut self, names: &[&str]) -> Check {
        let said = self.take_from_server();
        self.compare("the server", names, &said)?;
        let bytes = self.bytes(names);
        self.worker_hears(&bytes);
        Ok(())
    }

    /// The worker writes exactly these blocks, and they are lost.
    pub(crate) fn worker_says_in_vain(&mut self, names: &[&str]) -> Check {
        let said = self.take_from_worker();
        self.compare("the worker", names, &said)
    }

    /// The server writes exactly these blocks, and they are lost.
    pub(crate) fn server_says_in_vain(&mut self, names: &[&str]) -> Check {
        self.server_says_on(self.connection, names)
    }

    /// The server writes exactly these blocks on a connection, and nobody hears them.
    pub(crate) fn server_says_on(&mut self, connection: ConnectionId, names: &[&str]) -> Check {
        let said = self.take_from_server_on(connection);
        self.compare("the server", names, &said)
    }

    /// The server hears these blocks, whoever said them.
    pub(crate) fn server_hears(&mut self, names: &[&str]) {
        let bytes = self.bytes(names);
        self.server_hears_bytes(&bytes);
    }

    pub(crate) fn server_hears_bytes(&mut self, bytes: &[u8]) {
        self.server.handle_input(self.now, self.connection, &mut BytesMut::from(bytes));
    }

    /// Lets both sides talk, whatever they say, until both are silent.
    pub(crate) fn talk(&mut self) {
        loop {
            let (up, down) = (self.take_from_worker(), self.take_from_server());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.server_hears_bytes(&up);
            self.worker_hears(&down);
        }
    }

    /// Talks until the worker has asked for its channel, and the server has heard it.
    pub(crate) fn talk_until_open(&mut self) {
        for _ in 0..2 {
            let up = self.take_from_worker();
            self.server_hears_bytes(&up);
            let down = self.take_from_server();
            self.worker_hears(&down);
        }
        let open = self.take_from_worker();
        self.server_hears_bytes(&open);
    }

    pub(crate) fn take_from_worker(&mut self) -> Vec<u8> {
        drain(|| self.worker.poll_transmit(self.now).map(Transmit::into_bytes))
    }

    pub(crate) fn take_from_server(&mut self) -> Vec<u8> {
        self.take_from_server_on(self.connection)
    }

    fn take_from_server_on(&mut self, connection: ConnectionId) -> Vec<u8> {
        while self.server.poll_ready().is_some() {}
        drain(|| self.server.poll_transmit(self.now, connection).map(Transmit::into_bytes))
    }

    pub(crate) const fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(crate) fn worker_hears(&mut self, bytes: &[u8]) {
        self.worker.handle_input(self.now, &mut BytesMut::from(bytes));
    }

    /// What the worker's user was told since the last call: jobs as `job/attempt=payload`.
    pub(crate) fn worker_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.worker.poll_event())
            .map(|event| match event {
                WorkerEvent::Connected { session, epoch, resumed, .. } => {
                    let again = if resumed { ", again" } else { "" };
                    format!("session {session}, epoch {epoch}{again}")
                }
                WorkerEvent::Opened { max_value, .. } => format!("opened, {max_value}"),
                WorkerEvent::Refused { code, reason, .. } => format!("refused, {code:?}: {reason}"),
                WorkerEvent::Jobs { batch, .. } => format!("jobs{}", describe(&batch)),
                WorkerEvent::Cancelled { job, further, attempt, .. } => {
                    format!("cancelled {job}/{attempt}, {further} more")
                }
                WorkerEvent::Recalled { count, .. } => format!("recalled {count}"),
                WorkerEvent::Finished { .. } => "finished".into(),
                WorkerEvent::Disconnected { .. } => "disconnected".into(),
                WorkerEvent::Reset { .. } => "reset".into(),
                WorkerEvent::Closed { code, .. } => format!("closed, {code:?}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    /// What the server's user was told since the last call.
    pub(crate) fn server_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.server.poll_event())
            .map(|event| match event {
                ServerEvent::WorkerConnected { name, .. } => format!("worker {name}"),
                ServerEvent::WorkerJoined { .. } => "joined".into(),
                ServerEvent::WorkerAway { .. } => "away".into(),
                ServerEvent::WorkerBack { .. } => "back".into(),
                ServerEvent::WorkerGone { .. } => "gone".into(),
                ServerEvent::Refused { code, reason, .. } => format!("refused, {code:?}: {reason}"),
                ServerEvent::Results { batch, .. } => format!("results{}", describe(&batch)),
                ServerEvent::Finished { .. } => "finished".into(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn bytes(&self, names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| self.document.block(name)).copied().collect()
    }

    fn compare(&self, who: &str, names: &[&str], said: &[u8]) -> Check {
        same(&format!("{who} says {names:?}"), &hex(said), &hex(&self.bytes(names)))
    }
}

fn server_of_run(epoch: u64) -> ServerMachine {
    ServerMachine::new(ServerConfig { signature: "shop/1".into(), epoch, ..ServerConfig::default() })
}

/// `Ok` where the machines' and the document's word are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, machine: &T, document: &T) -> Check {
    if machine == document {
        Ok(())
    } else {
        Err(format!("{what}:\n machine  {machine:?}\n document {document:?}"))
    }
}

/// Entries for [`ServerMachine::submit`] or [`WorkerMachine::submit`]: kind, job, payload, further jobs of a run.
pub(crate) fn batch(attempt: u32, entries: &[(Kind, u64, &str, u32)]) -> Submission {
    let mut open = OpenBatch::default();
    for (kind, job, payload, extra) in entries {
        open.payload.own().extend_from_slice(payload.as_bytes());
        open.push(*kind, JobId(*job), Attempt(attempt), *extra);
    }
    open.take()
}

/// How a code of the wire is called.
pub(crate) fn code_name(number: u64) -> String {
    format!("{:?}", Code::from_wire(number))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>().trim_end().to_owned()
}

fn describe(batch: &Batch) -> String {
    let entry = |(start, entry): (u32, &distchan_proto::batch::Entry)| {
        let payload =
            String::from_utf8_lossy(&batch.payload[start as usize..entry.end as usize]).into_owned();
        let payload = match Failure::decode(&batch.payload.slice(start as usize..entry.end as usize)) {
            Some(failure) if entry.kind == Kind::Failed => {
                format!("{:?}, {:?}", failure.ending, failure.attempts.last().map(|last| &last.end))
            }
            _ => payload,
        };
        let payload = if payload.len() > 60 { format!("{} bytes", payload.len()) } else { payload };
        let run = if entry.run() > 1 { format!("x{}", entry.run()) } else { String::new() };
        format!(" {:?} {}/{}{run}={payload}", entry.kind, entry.job, entry.attempt)
    };
    let deadline = |(index, left): &(u32, std::time::Duration)| format!(" [{index}: {left:?} left]");
    batch.iter().map(entry).chain(batch.deadlines.iter().map(deadline)).collect()
}

fn drain(poll: impl FnMut() -> Option<Bytes>) -> Vec<u8> {
    std::iter::from_fn(poll).flatten().collect()
}
