//! A peer that knows the protocol and keeps to nothing. It remembers what it was told, to lie better.

use bytes::BytesMut;
use distchan_proto::ids::ConnectionId;

use crate::wire;

/// What it was told of its session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) session: u64,
    pub(super) epoch: u64,
    pub(super) key: [u8; 16],
    /// How many frames of the session have come.
    pub(super) received: u64,
}

#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) connection: ConnectionId,
    guards_bytes: bool,
    /// What the server has not yet read.
    pub(super) input: BytesMut,
    pub(super) told: Told,
    heard: Vec<u8>,
    has_preamble: bool,
}

impl Stranger {
    pub(super) fn new(connection: ConnectionId, guards_bytes: bool) -> Self {
        Self {
            connection,
            guards_bytes,
            input: BytesMut::new(),
            told: Told::default(),
            heard: Vec::new(),
            has_preamble: false,
        }
    }

    /// It goes on over another connection, with what it was told.
    pub(super) fn reconnect(&mut self, connection: ConnectionId, guards_bytes: bool) {
        *self = Self { told: self.told, ..Self::new(connection, guards_bytes) };
    }

    /// Reads what the server writes, which is well formed whatever was said to it.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        if !self.has_preamble && self.heard.len() >= wire::PREAMBLE.len() {
            assert!(self.heard.starts_with(&wire::PREAMBLE), "{:?}", self.heard);
            self.heard.drain(..wire::PREAMBLE.len());
            self.has_preamble = true;
        }
        let mut rest = self.heard.as_slice();
        while self.has_preamble
            && let Some(header) = rest.first_chunk::<{ wire::HEADER }>()
        {
            let (frame, behind) = rest.split_at(wire::HEADER + wire::body_length(header));
            let (kind, flags, no) = (header[8], header[9], u16::from_le_bytes([header[10], header[11]]));
            let mut expected = wire::frame(kind, flags, no, &frame[wire::HEADER..]);
            if self.guards_bytes && kind == wire::BATCH {
                expected[wire::CHECKSUM].fill(0);
            }
            assert_eq!(frame, expected, "a wrong checksum");
            if kind == wire::WELCOME {
                self.told = welcome(&frame[wire::HEADER..]).expect("a WELCOME is well formed");
            }
            self.told.received += u64::from(kind >= wire::FIRST_OF_SESSION);
            rest = behind;
        }
        let left = rest.len();
        self.heard.drain(..self.heard.len() - left);
    }
}

fn welcome(mut body: &[u8]) -> Option<Told> {
    let (session, epoch) = (wire::take_varint(&mut body)?, wire::take_varint(&mut body)?);
    let key = *body.first_chunk::<16>()?;
    Some(Told { session, epoch, key, received: 0 })
}
