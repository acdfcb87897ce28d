//! What the server keeps of one worker: its session, its connection where it has one, and its links to channels.

use std::collections::{BTreeMap, VecDeque};

use crate::carrier::Carrier;
use crate::dispatch::lease::MemberId;
use crate::frame::control::Open;
use crate::ids::{ChannelId, ChannelNo, ConnectionId};
use crate::session::Session;
use crate::session::credit::Window;
use crate::session::envelope::Envelope;
use crate::time::Time;

/// A worker, or a stranger who has not shown yet that it is one.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) standing: Standing,
    pub(crate) name: String,
    /// What this side sees of the connection's two ends.
    pub(crate) route: String,
    /// Whether the worker sees the same: then nobody stands between, and a connection that closes is a worker that has ended.
    pub(crate) is_direct: bool,
    /// Whether it can come back over another connection.
    pub(crate) can_resume: bool,
    pub(crate) links: BTreeMap<ChannelNo, Link>,
    /// Links with jobs to write, in turn.
    pub(crate) sending: VecDeque<ChannelNo>,
    /// Whether its connection is in the machine's list of those with something to write.
    pub(crate) is_listed: bool,
    /// What its timer is set to: the handshake's end, the next heartbeat, or the end of its grace.
    pub(crate) timer: Option<Time>,
}

/// Where a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The handshake is not done.
    Stranger,
    /// A worker, connected.
    Here,
    /// A worker whose connection broke: it may come back until its timer ends.
    Away,
    /// No worker any more: its last words are being written.
    Gone,
}

/// A channel number's meaning in this session. Numbers are never used twice.
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
    /// How bodies travel here, both ways.
    pub(crate) envelope: Envelope,
    /// The worker takes no further jobs here, and may open the channel again under another number.
    pub(crate) is_drained: bool,
    /// Whether the link stands in `sending`.
    pub(crate) is_sending: bool,
    /// Received, credit for it withheld.
    pub(crate) withheld: u64,
}

impl Peer {
    pub(crate) fn new(connection: ConnectionId, carrier: &Carrier<'_>) -> Self {
        Self {
            session: Session::server(carrier),
            connection: Some(connection),
            standing: Standing::Stranger,
            name: String::new(),
            route: carrier.route.to_owned(),
            is_direct: false,
            can_resume: false,
            links: BTreeMap::new(),
            sending: VecDeque::new(),
            is_listed: false,
            timer: None,
        }
    }

    /// Whether it is a worker, connected or not.
    pub(crate) const fn is_worker(&self) -> bool {
        matches!(self.standing, Standing::Here | Standing::Away)
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
        self.session.has_output() || (self.session.may_send() && !self.sending.is_empty())
    }
}
