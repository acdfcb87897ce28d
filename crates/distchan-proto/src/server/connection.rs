//! What the server keeps of one connection: its session, and its links to channels.

use std::collections::{BTreeMap, VecDeque};

use crate::dispatch::lease::MemberId;
use crate::frame::control::Open;
use crate::ids::{ChannelId, ChannelNo, SessionId};
use crate::session::Session;
use crate::session::credit::Window;
use crate::time::Time;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    /// Given with `WELCOME`.
    pub(crate) id: Option<SessionId>,
    pub(crate) name: String,
    pub(crate) links: BTreeMap<ChannelNo, Link>,
    /// Links with jobs to write, in turn.
    pub(crate) sending: VecDeque<ChannelNo>,
    /// Whether this connection is in the machine's list of those with something to write.
    pub(crate) is_listed: bool,
    /// When a handshake that is not done is given up.
    pub(crate) deadline: Time,
}

/// A channel number's meaning on this connection. Numbers are never used twice.
#[derive(Debug)]
pub(crate) enum Link {
    /// The channel does not exist yet; until `deadline` it may come.
    Waiting { open: Open, deadline: Time },
    /// Refused because of its types; the worker's schemas may follow, for the server's own message.
    Mismatched { channel: ChannelId },
    /// Open.
    Open(OpenLink),
    /// Refused, or left.
    Closed,
}

#[derive(Debug)]
pub(crate) struct OpenLink {
    pub(crate) channel: ChannelId,
    pub(crate) member: MemberId,
    /// What the worker may send.
    pub(crate) window: Window,
    pub(crate) max_value: usize,
    /// The worker takes no further jobs here, and may open the channel again under another number.
    pub(crate) is_drained: bool,
    /// Whether the link stands in `sending`.
    pub(crate) is_sending: bool,
    /// Received, credit for it withheld.
    pub(crate) withheld: u64,
}

impl Connection {
    pub(crate) fn new(deadline: Time) -> Self {
        Self {
            session: Session::server(),
            id: None,
            name: String::new(),
            links: BTreeMap::new(),
            sending: VecDeque::new(),
            is_listed: false,
            deadline,
        }
    }

    pub(crate) fn link(&mut self, no: ChannelNo) -> Option<&mut OpenLink> {
        match self.links.get_mut(&no) {
            Some(Link::Open(link)) => Some(link),
            Some(Link::Waiting { .. } | Link::Mismatched { .. } | Link::Closed) | None => None,
        }
    }

    pub(crate) fn open_links(&self) -> impl Iterator<Item = &OpenLink> {
        self.links.values().filter_map(|link| match link {
            Link::Open(link) => Some(link),
            Link::Waiting { .. } | Link::Mismatched { .. } | Link::Closed => None,
        })
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.session.outbox.is_empty() || !self.sending.is_empty()
    }
}
