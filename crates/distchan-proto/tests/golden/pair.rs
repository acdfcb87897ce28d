//! A server and a worker that talk to each other through `PROTOCOL.md`: what one says must be what stands there, and what stands
//! there is what the other hears.

use bytes::BytesMut;
use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelId, ChannelNo, ConnectionId, JobId};
use distchan_proto::server::{ChannelOptions, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

use crate::document::Document;

/// What a script comes to: the text says where the machines and the document part.
pub(crate) type Check = Result<(), String>;

const NOW: Time = Time::ZERO;

#[derive(Debug)]
pub(crate) struct Pair<'a> {
    document: &'a Document,
    pub(crate) server: ServerMachine,
    pub(crate) worker: WorkerMachine,
    connection: ConnectionId,
}

impl<'a> Pair<'a> {
    /// A worker that has just connected.
    pub(crate) fn connect(document: &'a Document) -> Self {
        let config = ServerConfig { signature: "shop/1".into(), epoch: 2026 };
        let mut server = ServerMachine::new(config);
        let connection = server.accept(NOW);
        let worker = WorkerMachine::new(NOW, WorkerConfig { signature: "shop/1".into(), name: "w1".into() });
        Self { document, server, worker, connection }
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

    /// The server hears these blocks, whoever said them.
    pub(crate) fn server_hears(&mut self, names: &[&str]) {
        let bytes = self.bytes(names);
        self.server_hears_bytes(&bytes);
    }

    pub(crate) fn server_hears_bytes(&mut self, bytes: &[u8]) {
        self.server.handle_input(NOW, self.connection, &mut BytesMut::from(bytes));
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
        drain(|out| self.worker.poll_transmit(NOW, out))
    }

    pub(crate) fn take_from_server(&mut self) -> Vec<u8> {
        while self.server.poll_ready().is_some() {}
        drain(|out| self.server.poll_transmit(NOW, self.connection, out))
    }

    pub(crate) fn worker_hears(&mut self, bytes: &[u8]) {
        self.worker.handle_input(NOW, &mut BytesMut::from(bytes));
    }

    /// What the worker's user was told since the last call: jobs as `job/attempt=payload`.
    pub(crate) fn worker_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.worker.poll_event())
            .map(|event| match event {
                WorkerEvent::Connected { session, epoch } => format!("session {session}, epoch {epoch}"),
                WorkerEvent::Opened { max_value, .. } => format!("opened, {max_value}"),
                WorkerEvent::Refused { code, reason, .. } => format!("refused, {code:?}: {reason}"),
                WorkerEvent::Jobs { batch, .. } => format!("jobs{}", describe(&batch)),
                WorkerEvent::Finished { .. } => "finished".into(),
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

/// `Ok` where the machines' and the document's word are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, machine: &T, document: &T) -> Check {
    if machine == document {
        Ok(())
    } else {
        Err(format!("{what}:\n machine  {machine:?}\n document {document:?}"))
    }
}

/// Entries for [`ServerMachine::submit`] or [`WorkerMachine::submit`]: kind, job, payload, further jobs of a run.
pub(crate) fn batch(attempt: u32, entries: &[(Kind, u64, &str, u32)]) -> Batch {
    let mut open = OpenBatch::default();
    for (kind, job, payload, extra) in entries {
        open.payload.extend_from_slice(payload.as_bytes());
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
        let payload = if payload.len() > 20 { format!("{} bytes", payload.len()) } else { payload };
        let run = if entry.run() > 1 { format!("x{}", entry.run()) } else { String::new() };
        format!(" {:?} {}/{}{run}={payload}", entry.kind, entry.job, entry.attempt)
    };
    batch.iter().map(entry).collect()
}

fn drain(mut poll: impl FnMut(&mut Vec<u8>)) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut out = Vec::new();
        poll(&mut out);
        if out.is_empty() {
            return all;
        }
        all.append(&mut out);
    }
}
