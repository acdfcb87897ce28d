//! The numbers that tell things apart. Leaves: nothing here knows what it numbers, and nothing mixes two kinds.

use std::fmt;

use subtle::ConstantTimeEq;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// One transport connection of a server, from accept to close. Never used twice by one server.
    ConnectionId(u64)
}
id! {
    /// One worker's relation with one server, which survives its connections. Given by the server in `WELCOME`; never used twice by
    /// one run of a server.
    SessionId(u64)
}
id! {
    /// One channel of a server machine.
    ChannelId(u32)
}
id! {
    /// A channel's number on one connection, chosen by the worker that opens it. 0 is the connection itself.
    ChannelNo(u16)
}
id! {
    /// One job of a channel, numbered from 1 in the order of sending.
    JobId(u64)
}
id! {
    /// Which delivery of a job this is, from 1. An answer that carries another number than the job's newest is refused.
    Attempt(u32)
}
id! {
    /// Where a job's results go on the server: 0 is the channel's receiver, every other number one call or one map.
    SinkId(u32)
}

/// Shows that a worker is the one that was given a session. Not shown in logs; compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct SessionKey(pub [u8; 16]);

impl PartialEq for SessionKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

impl Attempt {
    /// The first delivery.
    pub const FIRST: Self = Self(1);
}

impl SinkId {
    /// The channel's own receiver.
    pub const RECEIVER: Self = Self(0);
}
