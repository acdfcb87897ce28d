//! The control messages: everything that is not a batch. Fields stand one behind the other; a reader ignores bytes behind
//! the fields it knows, so that a later version of the same protocol may add some.

use bytes::Bytes;

use crate::error::{Code, ProtocolError};
use crate::frame::decode::Frame;
use crate::frame::encode::FrameWriter;
use crate::frame::header::FrameKind;
use crate::ids::{ChannelNo, SessionId};
use crate::limits;
use crate::varint;

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Hello(Hello),
    Welcome(Welcome),
    Goodbye(Goodbye),
    Open(Open),
    Opened(Opened),
    Refused(Refused),
    Schemas(Schemas),
    /// Every job of the channel has its outcome and none will come.
    Finished,
    /// The sum of all costs that may be sent on this channel, since its opening.
    Credit(u64),
    /// The worker takes no part in this channel any more.
    Leave,
    /// The worker wants no further jobs of this channel, and will answer those it has.
    Drain,
}

/// The worker's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) signature: String,
    pub(crate) name: String,
}

/// The server's answer: the worker has a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) session: SessionId,
    /// Differs from run to run of a server, so that a worker notices a restart.
    pub(crate) epoch: u64,
}

/// The last message of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Goodbye {
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// What flows through a channel, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// Jobs out, results back.
    Jobs = 0,
    /// The server only sends: jobs without results.
    Down = 1,
    /// The workers only send, unasked.
    Up = 2,
}

/// A worker opens a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) name: String,
    pub(crate) direction: Direction,
    pub(crate) codec: String,
    pub(crate) job: [u8; 16],
    pub(crate) result: [u8; 16],
    /// The channel's name, transformed; empty without a transform.
    pub(crate) probe: Bytes,
    pub(crate) concurrency: u32,
    pub(crate) max_jobs: u32,
    pub(crate) max_bytes: u64,
    pub(crate) max_value: u64,
    pub(crate) wait_millis: u64,
}

/// The server has let the worker in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) probe: Bytes,
    pub(crate) max_value: u64,
    pub(crate) credit: u64,
}

/// The server has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) text: String,
    /// The server's schemas, where the types differ.
    pub(crate) schemas: Option<Schemas>,
}

/// Both schemas of a channel, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schemas {
    pub(crate) job: Bytes,
    pub(crate) result: Bytes,
}

impl Control {
    /// Appends the message as one frame.
    pub(crate) fn put(&self, out: &mut Vec<u8>, channel: ChannelNo) {
        let frame = FrameWriter::begin(out);
        let kind = match self {
            Self::Hello(hello) => {
                put_text(out, &hello.signature, limits::MAX_NAME);
                put_text(out, &hello.name, limits::MAX_NAME);
                FrameKind::Hello
            }
            Self::Welcome(welcome) => {
                varint::put(out, welcome.session.0);
                varint::put(out, welcome.epoch);
                FrameKind::Welcome
            }
            Self::Goodbye(goodbye) => {
                varint::put(out, goodbye.code as u64);
                put_text(out, &goodbye.text, limits::MAX_FAREWELL);
                FrameKind::Goodbye
            }
            Self::Open(open) => {
                open.put(out);
                FrameKind::Open
            }
            Self::Opened(opened) => {
                put_bytes(out, &opened.probe);
                varint::put(out, opened.max_value);
                varint::put(out, opened.credit);
                FrameKind::Opened
            }
            Self::Refused(refused) => {
                refused.put(out);
                FrameKind::Refused
            }
            Self::Schemas(schemas) => {
                put_bytes(out, &schemas.job);
                put_bytes(out, &schemas.result);
                FrameKind::Schemas
            }
            Self::Finished => FrameKind::Finished,
            Self::Credit(total) => {
                varint::put(out, *total);
                FrameKind::Credit
            }
            Self::Leave => FrameKind::Leave,
            Self::Drain => FrameKind::Drain,
        };
        frame.finish(out, kind, channel);
    }

    /// Reads the message in a frame that is not a batch.
    pub(crate) fn parse(frame: &Frame) -> Result<Self, ProtocolError> {
        let mut fields = Fields { rest: frame.body.clone() };
        let read = match frame.kind {
            FrameKind::Hello => fields.hello().map(Self::Hello).ok_or("HELLO"),
            FrameKind::Welcome => fields.welcome().map(Self::Welcome).ok_or("WELCOME"),
            FrameKind::Goodbye => fields.goodbye().map(Self::Goodbye).ok_or("GOODBYE"),
            FrameKind::Open => fields.open().map(Self::Open).ok_or("OPEN"),
            FrameKind::Opened => fields.opened().map(Self::Opened).ok_or("OPENED"),
            FrameKind::Refused => fields.refused().map(Self::Refused).ok_or("REFUSED"),
            FrameKind::Schemas => fields.schemas().map(Self::Schemas).ok_or("SCHEMAS"),
            FrameKind::Finished => Ok(Self::Finished),
            FrameKind::Credit => fields.number().map(Self::Credit).ok_or("CREDIT"),
            FrameKind::Leave => Ok(Self::Leave),
            FrameKind::Drain => Ok(Self::Drain),
            FrameKind::Batch | FrameKind::Skippable => Err("control frame"),
        };
        read.map_err(ProtocolError::Malformed)
    }
}

impl Open {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, &self.name, limits::MAX_NAME);
        out.push(self.direction as u8);
        put_text(out, &self.codec, limits::MAX_NAME);
        out.extend_from_slice(&self.job);
        out.extend_from_slice(&self.result);
        put_bytes(out, &self.probe);
        varint::put(out, u64::from(self.concurrency));
        varint::put(out, u64::from(self.max_jobs));
        varint::put(out, self.max_bytes);
        varint::put(out, self.max_value);
        varint::put(out, self.wait_millis);
    }
}

impl Refused {
    fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.code as u64);
        put_text(out, &self.text, limits::MAX_REASON);
        out.push(u8::from(self.schemas.is_some()));
        if let Some(schemas) = &self.schemas {
            put_bytes(out, &schemas.job);
            put_bytes(out, &schemas.result);
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Text longer than `limit` is cut, at a character.
fn put_text(out: &mut Vec<u8>, text: &str, limit: usize) {
    put_bytes(out, cut(text, limit).as_bytes());
}

/// The longest head of `text` that has at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Reads fields off the front; `None` as soon as one is not there.
struct Fields {
    rest: Bytes,
}

impl Fields {
    fn number(&mut self) -> Option<u64> {
        let mut rest: &[u8] = &self.rest;
        let value = varint::take(&mut rest)?;
        let used = self.rest.len() - rest.len();
        let _ = self.rest.split_to(used);
        Some(value)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn raw(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.rest.len()).then(|| self.rest.split_to(length))
    }

    fn bytes(&mut self, limit: usize) -> Option<Bytes> {
        let length = usize::try_from(self.number()?).ok()?;
        (length <= limit).then(|| self.raw(length)).flatten()
    }

    fn text(&mut self, limit: usize) -> Option<String> {
        String::from_utf8(self.bytes(limit)?.to_vec()).ok()
    }

    fn fingerprint(&mut self) -> Option<[u8; 16]> {
        self.raw(16)?.as_ref().try_into().ok()
    }

    fn hello(&mut self) -> Option<Hello> {
        Some(Hello { signature: self.text(limits::MAX_NAME)?, name: self.text(limits::MAX_NAME)? })
    }

    fn welcome(&mut self) -> Option<Welcome> {
        Some(Welcome { session: SessionId(self.number()?), epoch: self.number()? })
    }

    fn goodbye(&mut self) -> Option<Goodbye> {
        Some(Goodbye { code: Code::from_wire(self.number()?), text: self.text(limits::MAX_REASON)? })
    }

    fn open(&mut self) -> Option<Open> {
        Some(Open {
            name: self.text(limits::MAX_NAME)?,
            direction: match self.raw(1)?.first()? {
                0 => Direction::Jobs,
                1 => Direction::Down,
                2 => Direction::Up,
                _ => return None,
            },
            codec: self.text(limits::MAX_NAME)?,
            job: self.fingerprint()?,
            result: self.fingerprint()?,
            probe: self.bytes(limits::MAX_REASON)?,
            concurrency: self.small()?,
            max_jobs: self.small()?,
            max_bytes: self.number()?,
            max_value: self.number()?,
            wait_millis: self.number()?,
        })
    }

    fn opened(&mut self) -> Option<Opened> {
        Some(Opened {
            probe: self.bytes(limits::MAX_REASON)?,
            max_value: self.number()?,
            credit: self.number()?,
        })
    }

    fn refused(&mut self) -> Option<Refused> {
        let code = Code::from_wire(self.number()?);
        let text = self.text(limits::MAX_REASON)?;
        let schemas = if *self.raw(1)?.first()? == 0 { None } else { Some(self.schemas()?) };
        Some(Refused { code, text, schemas })
    }

    fn schemas(&mut self) -> Option<Schemas> {
        Some(Schemas { job: self.bytes(limits::MAX_SCHEMA)?, result: self.bytes(limits::MAX_SCHEMA)? })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::frame::decode;

    fn round_trip(message: &Control) {
        let mut out = Vec::new();
        message.put(&mut out, ChannelNo(3));
        let frame =
            decode::take(&mut BytesMut::from(out.as_slice()), limits::MAX_FRAME_BODY).unwrap().unwrap();
        assert_eq!(Control::parse(&frame).unwrap(), *message);
        for end in 0..frame.body.len() {
            let short = Frame {
                body: frame.body.slice(..end),
                kind: frame.kind,
                more: false,
                channel: frame.channel,
            };
            assert!(Control::parse(&short).is_err(), "{message:?} cut at {end}");
        }
    }

    #[test]
    fn every_message_reads_as_it_was_written_and_never_when_cut_short() {
        let schemas = Schemas { job: Bytes::from_static(b"job"), result: Bytes::from_static(b"result") };
        let open = Open {
            name: "capitalize".into(),
            direction: Direction::Up,
            codec: "postcard".into(),
            job: [1; 16],
            result: [2; 16],
            probe: Bytes::from_static(b"probe"),
            concurrency: 2,
            max_jobs: 300,
            max_bytes: 1 << 40,
            max_value: 5,
            wait_millis: 10_000,
        };
        for message in [
            Control::Hello(Hello { signature: "app/v1".into(), name: "host:7".into() }),
            Control::Welcome(Welcome { session: SessionId(9), epoch: u64::MAX }),
            Control::Goodbye(Goodbye { code: Code::Shutdown, text: "bye".into() }),
            Control::Open(open),
            Control::Opened(Opened { probe: Bytes::new(), max_value: 1, credit: 2 }),
            Control::Refused(Refused {
                code: Code::Types,
                text: "no".into(),
                schemas: Some(schemas.clone()),
            }),
            Control::Schemas(schemas),
            Control::Credit(77),
        ] {
            round_trip(&message);
        }
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
    }
}
