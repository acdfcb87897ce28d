//! Raw bytes against one machine: what a peer can send that is no machine of ours. It says only what it is told to say.

use bytes::BytesMut;
use distchan_proto::error::Code;
use distchan_proto::ids::{ChannelId, ConnectionId};
use distchan_proto::server::{ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{WorkerConfig, WorkerEvent, WorkerMachine};

use crate::wire;

/// A server, and a connection whose bytes are written by hand.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) server: ServerMachine,
    pub(crate) connection: ConnectionId,
    pub(crate) now: Time,
    input: BytesMut,
    /// Everything that the server wrote to this connection.
    pub(crate) output: Vec<u8>,
    pub(crate) refused: Option<(Code, String)>,
    /// Results that came out, as cost.
    pub(crate) released: u64,
}

impl Stranger {
    pub(crate) fn new() -> Self {
        let config = ServerConfig { signature: "app".into(), epoch: 7, ..ServerConfig::default() };
        let mut server = ServerMachine::new(config);
        let connection = server.accept(Time::ZERO, "");
        Self {
            server,
            connection,
            now: Time::ZERO,
            input: BytesMut::new(),
            output: Vec::new(),
            refused: None,
            released: 0,
        }
    }

    /// A stranger that has shaken hands and opened the first channel, `work`, which has `jobs` jobs named by their number.
    pub(crate) fn with_jobs(jobs: u64) -> (Self, ChannelId) {
        let mut stranger = Self::new();
        let options = distchan_proto::server::ChannelOptions::default();
        let channel =
            stranger.server.open_channel(Time::ZERO, crate::harness::spec("work"), options).unwrap();
        stranger.say(&wire::preamble(1, 1));
        stranger.say(&wire::hello("app", "stranger"));
        stranger.say(&wire::open(1, "work", 0));
        let mut batch = distchan_proto::batch::OpenBatch::default();
        for job in 1..=jobs {
            batch.payload.own().extend_from_slice(job.to_string().as_bytes());
            let (kind, id) = (distchan_proto::batch::Kind::Value, distchan_proto::ids::JobId(0));
            batch.push(kind, id, distchan_proto::ids::Attempt::FIRST, 0);
        }
        stranger.server.submit(stranger.now, channel, batch.take());
        stranger.hear();
        assert_eq!(stranger.refused, None);
        (stranger, channel)
    }

    /// Sends bytes, and takes what comes of it except the server's answer.
    pub(crate) fn say_deaf(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.server.handle_input(self.now, self.connection, &mut self.input);
        self.note();
    }

    /// Sends bytes and reads the answer.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.say_deaf(bytes);
        self.hear();
    }

    /// Reads what the server writes; returns just that.
    pub(crate) fn hear(&mut self) -> Vec<u8> {
        while self.server.poll_ready().is_some() {}
        let began = self.output.len();
        while let Some(out) = self.server.poll_transmit(self.now, self.connection).map(Transmit::into_bytes) {
            self.output.extend_from_slice(&out);
        }
        self.output[began..].to_vec()
    }

    pub(crate) fn note(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Refused { channel: None, code, reason, .. } => {
                    assert!(self.refused.is_none(), "refused once");
                    self.refused = Some((code, reason));
                }
                ServerEvent::Results { channel, batch, .. } => {
                    self.released += batch.cost();
                    self.server.consumed(channel, batch.cost());
                }
                _ => {}
            }
        }
    }

    /// The frames that the server has written so far.
    pub(crate) fn frames(&self) -> Vec<wire::Read> {
        wire::split(self.output.get(12..).unwrap_or_default())
    }

    /// Why the server has turned this peer away.
    pub(crate) fn reason(&self) -> &str {
        let (_, reason) = self.refused.as_ref().expect("refused");
        assert!(self.server.is_closing(self.connection));
        reason
    }
}

/// A worker's machine that is told `bytes` by its server; returns why it closed, if it did.
pub(crate) fn tell_worker(bytes: &[u8]) -> Option<(Code, String)> {
    let config = WorkerConfig { signature: "app".into(), name: "w".into() };
    let mut worker = WorkerMachine::new(config);
    worker.handle_connected(Time::ZERO, "");
    worker.poll_transmit(Time::ZERO);
    worker.handle_input(Time::ZERO, &mut BytesMut::from(bytes));
    while let Some(event) = worker.poll_event() {
        if let WorkerEvent::Closed { code, reason } = event {
            assert!(worker.is_closing());
            return Some((code, reason));
        }
    }
    None
}
