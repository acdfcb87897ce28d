//! The control messages: everything that is not a batch. Fields stand one behind the other; a reader ignores bytes behind
//! the fields it knows, so that a later version of the same protocol may add some.

use std::time::Duration;

use bytes::Bytes;

use crate::error::{Code, ProtocolError};
use crate::frame::decode::Frame;
use crate::frame::encode;
use crate::frame::header::FrameKind;
use crate::frame::runs::Runs;
use crate::ids::{ChannelNo, SessionId, SessionKey};
use crate::limits;
use crate::session::pulse::Rhythm;
use crate::varint;

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Hello(Hello),
    Welcome(Welcome),
    Goodbye(Goodbye),
    /// Asks for an [`Control::Ack`] at once: the number of this question.
    Ping(u64),
    Ack(Ack),
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
    /// The worker has begun to work on these.
    Started(Runs),
    /// Nobody wants these any more.
    Cancel(Runs),
    /// The worker is asked to give back so many of the newest jobs that it has not begun.
    Recall(u32),
}

/// The worker's first message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) signature: String,
    pub(crate) name: String,
    /// Which ends the worker sees of this connection; empty where it cannot resume a session.
    pub(crate) route: String,
    /// The session that it wants to go on with, if any.
    pub(crate) resume: Option<Resume>,
}

/// A session that a worker had, and wants to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) session: SessionId,
    pub(crate) epoch: u64,
    pub(crate) key: SessionKey,
    /// How many of the server's frames have arrived.
    pub(crate) received: u64,
}

/// The server's answer: the worker has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    /// The one that was asked for, or a new one.
    pub(crate) session: SessionId,
    /// Differs from run to run of a server, so that a worker notices a restart.
    pub(crate) epoch: u64,
    pub(crate) key: SessionKey,
    /// How many of the worker's frames have arrived.
    pub(crate) received: u64,
    pub(crate) rhythm: Rhythm,
    /// How long a session is kept without a connection.
    pub(crate) grace: Duration,
}

/// What has arrived, and which question this answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// How many of the session's frames have arrived.
    pub(crate) received: u64,
    /// The newest [`Control::Ping`] that has arrived.
    pub(crate) ping: u64,
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
    /// The compressions that the worker knows: bit n for number n.
    pub(crate) compressions: u64,
}

/// The server has let the worker in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) probe: Bytes,
    pub(crate) max_value: u64,
    pub(crate) credit: u64,
    /// The compression of this channel's bodies, both ways; 0 for none.
    pub(crate) compression: u8,
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
        encode::put_with(out, channel, |out| self.put_body(out));
    }

    fn put_body(&self, out: &mut Vec<u8>) -> FrameKind {
        match self {
            Self::Hello(hello) => {
                hello.put(out);
                FrameKind::Hello
            }
            Self::Welcome(welcome) => {
                welcome.put(out);
                FrameKind::Welcome
            }
            Self::Ping(number) => {
                varint::put(out, *number);
                FrameKind::Ping
            }
            Self::Ack(ack) => {
                varint::put(out, ack.received);
                varint::put(out, ack.ping);
                FrameKind::Ack
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
                put_unless_zero(out, opened.compression.into());
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
            Self::Started(runs) => {
                runs.put(out);
                FrameKind::Started
            }
            Self::Cancel(runs) => {
                runs.put(out);
                FrameKind::Cancel
            }
            Self::Recall(count) => {
                varint::put(out, u64::from(*count));
                FrameKind::Recall
            }
        }
    }

    /// Reads the message in a frame that is not a batch.
    pub(crate) fn parse(frame: &Frame) -> Result<Self, ProtocolError> {
        let mut fields = Fields { rest: frame.body.clone() };
        let read = match frame.kind {
            FrameKind::Hello => fields.hello().map(Self::Hello).ok_or("HELLO"),
            FrameKind::Welcome => fields.welcome().map(Self::Welcome).ok_or("WELCOME"),
            FrameKind::Goodbye => fields.goodbye().map(Self::Goodbye).ok_or("GOODBYE"),
            FrameKind::Ping => fields.number().map(Self::Ping).ok_or("PING"),
            FrameKind::Ack => fields.ack().map(Self::Ack).ok_or("ACK"),
            FrameKind::Open => fields.open().map(Self::Open).ok_or("OPEN"),
            FrameKind::Opened => fields.opened().map(Self::Opened).ok_or("OPENED"),
            FrameKind::Refused => fields.refused().map(Self::Refused).ok_or("REFUSED"),
            FrameKind::Schemas => fields.schemas().map(Self::Schemas).ok_or("SCHEMAS"),
            FrameKind::Finished => Ok(Self::Finished),
            FrameKind::Credit => fields.number().map(Self::Credit).ok_or("CREDIT"),
            FrameKind::Leave => Ok(Self::Leave),
            FrameKind::Drain => Ok(Self::Drain),
            FrameKind::Started => Runs::take(&frame.body).map(Self::Started).ok_or("STARTED"),
            FrameKind::Cancel => Runs::take(&frame.body).map(Self::Cancel).ok_or("CANCEL"),
            FrameKind::Recall => fields.small().map(Self::Recall).ok_or("RECALL"),
            FrameKind::Batch | FrameKind::Skippable => Err("control frame"),
        };
        read.map_err(ProtocolError::Malformed)
    }
}

impl Hello {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, &self.signature, limits::MAX_NAME);
        put_text(out, &self.name, limits::MAX_NAME);
        put_text(out, &self.route, limits::MAX_NAME);
        varint::put(out, self.resume.map_or(0, |resume| resume.session.0));
        if let Some(resume) = &self.resume {
            varint::put(out, resume.epoch);
            out.extend_from_slice(&resume.key.0);
            varint::put(out, resume.received);
        }
    }
}

impl Welcome {
    fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.session.0);
        varint::put(out, self.epoch);
        out.extend_from_slice(&self.key.0);
        varint::put(out, self.received);
        for time in [self.rhythm.heartbeat, self.rhythm.lost_after, self.grace] {
            varint::put(out, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
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
        put_unless_zero(out, self.compressions);
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

/// A last field that may be left out.
fn put_unless_zero(out: &mut Vec<u8>, value: u64) {
    if value != 0 {
        varint::put(out, value);
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

    /// A last field that may have been left out.
    fn number_or_zero(&mut self) -> Option<u64> {
        if self.rest.is_empty() { Some(0) } else { self.number() }
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

    fn sixteen(&mut self) -> Option<[u8; 16]> {
        self.raw(16)?.as_ref().try_into().ok()
    }

    fn millis(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_millis)
    }

    fn hello(&mut self) -> Option<Hello> {
        let (signature, name) = (self.text(limits::MAX_NAME)?, self.text(limits::MAX_NAME)?);
        let route = self.text(limits::MAX_NAME)?;
        let resume = match self.number()? {
            0 => None,
            session => Some(Resume {
                session: SessionId(session),
                epoch: self.number()?,
                key: SessionKey(self.sixteen()?),
                received: self.number()?,
            }),
        };
        Some(Hello { signature, name, route, resume })
    }

    fn welcome(&mut self) -> Option<Welcome> {
        Some(Welcome {
            session: SessionId(self.number()?),
            epoch: self.number()?,
            key: SessionKey(self.sixteen()?),
            received: self.number()?,
            rhythm: Rhythm { heartbeat: self.millis()?, lost_after: self.millis()? },
            grace: self.millis()?,
        })
    }

    fn ack(&mut self) -> Option<Ack> {
        Some(Ack { received: self.number()?, ping: self.number()? })
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
            job: self.sixteen()?,
            result: self.sixteen()?,
            probe: self.bytes(limits::MAX_REASON)?,
            concurrency: self.small()?,
            max_jobs: self.small()?,
            max_bytes: self.number()?,
            max_value: self.number()?,
            wait_millis: self.number()?,
            compressions: self.number_or_zero()?,
        })
    }

    fn opened(&mut self) -> Option<Opened> {
        Some(Opened {
            probe: self.bytes(limits::MAX_REASON)?,
            max_value: self.number()?,
            credit: self.number()?,
            compression: u8::try_from(self.number_or_zero()?).ok()?,
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
    use crate::frame::header::Integrity;
    use crate::ids::{Attempt, JobId};

    fn round_trip(message: &Control) {
        let mut out = Vec::new();
        message.put(&mut out, ChannelNo(3));
        let frame =
            decode::take(&mut BytesMut::from(out.as_slice()), limits::MAX_FRAME_BODY, Integrity::Checksums)
                .unwrap()
                .unwrap();
        assert_eq!(Control::parse(&frame).unwrap(), *message);
        for end in 0..frame.body.len() {
            let short = Frame {
                body: frame.body.slice(..end),
                kind: frame.kind,
                is_of_session: frame.is_of_session,
                flags: 0,
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
            compressions: 0,
        };
        for message in [
            Control::Hello(Hello { signature: "app/v1".into(), name: "host:7".into(), ..Hello::default() }),
            Control::Hello(Hello {
                signature: String::new(),
                name: String::new(),
                route: "10.0.0.1:4>10.0.0.2:5".into(),
                resume: Some(Resume {
                    session: SessionId(9),
                    epoch: u64::MAX,
                    key: SessionKey([3; 16]),
                    received: 300,
                }),
            }),
            Control::Welcome(Welcome {
                session: SessionId(9),
                epoch: u64::MAX,
                key: SessionKey([7; 16]),
                received: 1 << 40,
                rhythm: Rhythm {
                    heartbeat: Duration::from_millis(5001),
                    lost_after: Duration::from_secs(15),
                },
                grace: Duration::from_secs(30),
            }),
            Control::Ping(300),
            Control::Ack(Ack { received: 1 << 33, ping: 0 }),
            Control::Goodbye(Goodbye { code: Code::Shutdown, text: "bye".into() }),
            Control::Open(open),
            Control::Opened(Opened { probe: Bytes::new(), max_value: 1, credit: 2, compression: 0 }),
            Control::Refused(Refused {
                code: Code::Types,
                text: "no".into(),
                schemas: Some(schemas.clone()),
            }),
            Control::Schemas(schemas),
            Control::Credit(77),
            Control::Started(Runs { attempt: Attempt(2), runs: vec![(JobId(7), 300)] }),
            Control::Cancel(Runs { attempt: Attempt(1), runs: vec![(JobId(7), 0), (JobId(3), 2)] }),
            Control::Recall(300),
        ] {
            round_trip(&message);
        }
    }

    #[test]
    fn what_is_left_out_at_the_end_is_zero() {
        let opened = |compression| Opened { probe: Bytes::new(), max_value: 1, credit: 2, compression };
        let (mut short, mut long) = (Vec::new(), Vec::new());
        Control::Opened(opened(0)).put(&mut short, ChannelNo(1));
        Control::Opened(opened(2)).put(&mut long, ChannelNo(1));
        assert_eq!(long.len(), short.len() + 1);
        let mut long = BytesMut::from(&*long);
        let frame = decode::take(&mut long, limits::MAX_FRAME_BODY, Integrity::Checksums).unwrap().unwrap();
        assert_eq!(Control::parse(&frame), Ok(Control::Opened(opened(2))));
        let zero = Bytes::from([&[0, 1, 2], &[0][..]].concat());
        assert_eq!(
            Control::parse(&Frame { body: zero, ..frame }),
            Ok(Control::Opened(opened(0))),
            "it may be written, too"
        );
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("aä", 3), "aä");
    }
}
