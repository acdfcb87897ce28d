//! What a peer can do wrong, and the codes under which it is told. Our own mistakes are assertions, never these.

use std::fmt;
use std::time::Duration;

/// A peer broke the protocol; its connection is closed with [`ProtocolError::code`] and the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The first bytes are not distchan's.
    NotDistchan {
        /// The first bytes that arrived, escaped for printing.
        began: String,
    },
    /// The peer begins with TLS, where this side speaks in the clear.
    Encrypted,
    /// The two sides share no version.
    Version {
        /// What this side speaks, lowest and highest.
        ours: (u16, u16),
        /// What the peer speaks.
        theirs: (u16, u16),
    },
    /// A frame says that it is larger than this side accepts.
    FrameTooLarge {
        /// What its header says, in bytes.
        size: usize,
        /// What is accepted at this point.
        limit: usize,
    },
    /// A frame's bytes are not those that were sent.
    Checksum,
    /// A frame does not have the form that its kind prescribes.
    Malformed(&'static str),
    /// A frame that must not come at this point, or in this direction.
    Unexpected(&'static str),
    /// A value, spread over many frames, is larger than the channel allows.
    ValueTooLarge {
        /// The channel's limit in bytes.
        limit: usize,
    },
    /// More was sent than this side had granted.
    Overrun(&'static str),
    /// The handshake took longer than its budget.
    HandshakeTimeout,
    /// Nothing was heard of the peer, or nothing that was sent to it was answered, for so long.
    Silent(Duration),
    /// The bytes do not pass this side's transform backwards: the two sides have different ones, or different keys.
    Transform(String),
    /// A body that was not compressed as was agreed.
    Compression(String),
    /// The peer asks for answers and does not read them.
    ControlBacklog,
    /// The peer does something cheap too often; what.
    TooMuch(&'static str),
}

/// Why a connection or an open was refused, or a connection closed: the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Code {
    /// The other side is done; nothing is wrong.
    Normal = 0,
    /// The peer broke the protocol.
    Protocol = 1,
    /// The two sides share no version.
    Version = 2,
    /// The applications' signatures differ.
    Signature = 3,
    /// No such channel.
    UnknownChannel = 4,
    /// The channel carries other types.
    Types = 5,
    /// The channel has another codec.
    Codec = 6,
    /// The channel has another transform, or another key.
    Transform = 7,
    /// The channel goes the other way, or has results where the worker expects none.
    Direction = 8,
    /// This connection has already opened this channel.
    AlreadyOpen = 9,
    /// The server shuts down.
    Shutdown = 10,
    /// A limit was reached.
    Limit = 11,
    /// Another connection has taken over this worker's session.
    Superseded = 12,
    /// Nothing was heard of the peer for too long, or it was too slow with the handshake. A worker may connect again.
    Timeout = 13,
    /// Bytes changed on their way. A worker may connect again.
    Damaged = 14,
    /// The two sides' security differs: one wants encryption, or something to be shown, that the other does not have.
    Security = 15,
    /// The peer did something cheap too often.
    TooMuch = 16,
    /// A code that this version does not know.
    Other = 0xffff,
}

impl Code {
    /// The code behind a number from the wire.
    #[must_use]
    pub const fn from_wire(number: u64) -> Self {
        match number {
            0 => Self::Normal,
            1 => Self::Protocol,
            2 => Self::Version,
            3 => Self::Signature,
            4 => Self::UnknownChannel,
            5 => Self::Types,
            6 => Self::Codec,
            7 => Self::Transform,
            8 => Self::Direction,
            9 => Self::AlreadyOpen,
            10 => Self::Shutdown,
            11 => Self::Limit,
            12 => Self::Superseded,
            13 => Self::Timeout,
            14 => Self::Damaged,
            15 => Self::Security,
            16 => Self::TooMuch,
            _ => Self::Other,
        }
    }

    /// Whether this is about one connection alone: the session can go on over another.
    pub(crate) const fn is_of_connection(self) -> bool {
        matches!(self, Self::Timeout | Self::Damaged)
    }
}

impl ProtocolError {
    /// What the peer is told.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::Version,
            Self::Encrypted => Code::Security,
            Self::Transform(_) => Code::Transform,
            Self::ControlBacklog => Code::Limit,
            Self::TooMuch(_) => Code::TooMuch,
            Self::FrameTooLarge { .. } | Self::Checksum => Code::Damaged,
            Self::NotDistchan { .. }
            | Self::Malformed(_)
            | Self::Unexpected(_)
            | Self::Compression(_)
            | Self::ValueTooLarge { .. }
            | Self::Overrun(_) => Code::Protocol,
            Self::HandshakeTimeout | Self::Silent(_) => Code::Timeout,
        }
    }
}

impl ProtocolError {
    /// Whether this is about one connection alone: a session can go on over another. What else answers at the server's address, for a
    /// while, is no reason to give up either; nor is a preamble, which no checksum covers.
    pub(crate) const fn is_of_connection(&self) -> bool {
        matches!(self, Self::NotDistchan { .. } | Self::Version { .. }) || self.code().is_of_connection()
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDistchan { began } => {
                write!(f, "this is not a distchan peer: expected the magic \"distchan\", got \"{began}\"")
            }
            Self::Encrypted => f.write_str(
                "the peer speaks TLS, and this side does not: it was started with a ticket or a certificate, for a server with security",
            ),
            Self::Version { ours, theirs } => write!(
                f,
                "no common protocol version: this side speaks {} to {}, the peer {} to {}",
                ours.0, ours.1, theirs.0, theirs.1
            ),
            Self::FrameTooLarge { size, limit } => {
                write!(f, "a frame of {size} bytes where at most {limit} are allowed")
            }
            Self::Checksum => f.write_str("a frame's checksum does not match: bytes changed on the way"),
            Self::Malformed(what) => write!(f, "malformed {what}"),
            Self::Unexpected(what) => write!(f, "unexpected {what}"),
            Self::ValueTooLarge { limit } => {
                write!(f, "a value larger than this channel's limit of {limit} bytes")
            }
            Self::Overrun(what) => write!(f, "the peer sent more {what} than it was granted"),
            Self::HandshakeTimeout => f.write_str("the handshake was not finished within 10 s"),
            Self::Silent(time) => write!(f, "the peer was silent for {time:?}"),
            Self::Transform(why) => {
                write!(
                    f,
                    "the bytes do not pass the transform ({why}); do both sides have the same one, and the same key?"
                )
            }
            Self::Compression(why) => write!(f, "a body cannot be decompressed: {why}"),
            Self::TooMuch(what) => write!(f, "the peer sent too many {what} in too short a time"),
            Self::ControlBacklog => f.write_str("the peer does not read the answers it asked for"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// Text from a peer, made safe to print: control characters escaped, cut to `limit` bytes.
#[must_use]
pub fn printable(bytes: &[u8], limit: usize) -> String {
    let head = bytes.get(..limit).unwrap_or(bytes);
    let mut text = String::with_capacity(head.len());
    for char in String::from_utf8_lossy(head).chars() {
        // Quotes and backslashes harm nobody, and a text that passes here on both sides must not gain any.
        match char {
            '"' | '\'' | '\\' => text.push(char),
            other => text.extend(other.escape_debug()),
        }
    }
    text
}
