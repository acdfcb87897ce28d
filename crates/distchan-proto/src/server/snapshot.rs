//! How the server stands, for whoever looks. It changes nothing.

use crate::dispatch::stats::ChannelStats;
use crate::ids::{ChannelId, ConnectionId, SessionId};
use crate::server::ServerMachine;
use crate::server::channel::Channel;
use crate::server::peer::Peer;

/// A worker as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its session.
    pub session: SessionId,
    /// Its connection; `None` while it is away, and may come back.
    pub connection: Option<ConnectionId>,
    /// What it calls itself.
    pub name: String,
    /// How many channels it has open.
    pub channels: usize,
    /// Jobs it is working on, or that are on their way to it.
    pub in_flight: u64,
    /// Jobs it has completed.
    pub completed: u64,
    /// Bytes that were sent to it and are kept until it has said that they have arrived.
    pub unacknowledged: usize,
}

impl ServerMachine {
    /// The connections whose workers have a channel open.
    #[must_use]
    pub fn members(&self, channel: ChannelId) -> Vec<ConnectionId> {
        let members = self.channel(channel).into_iter().flat_map(Channel::members);
        members.filter_map(|(id, _)| self.peers.get(&id)?.connection).collect()
    }

    /// Every channel's name and how it stands, in the order of opening.
    #[must_use]
    pub fn channels(&self) -> Vec<(String, ChannelStats)> {
        self.channels.iter().map(|channel| (channel.spec.name.clone(), channel.stats())).collect()
    }

    /// How a channel stands.
    #[must_use]
    pub fn stats(&self, channel: ChannelId) -> ChannelStats {
        self.channel(channel).map(Channel::stats).unwrap_or_default()
    }

    /// The workers, in the order in which they connected.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerSnapshot> {
        let snapshot = |(id, peer): (&SessionId, &Peer)| {
            let mut worker = WorkerSnapshot {
                session: *id,
                connection: peer.connection,
                name: peer.name.clone(),
                channels: 0,
                in_flight: 0,
                completed: 0,
                unacknowledged: peer.session.replay.kept_bytes(),
            };
            for link in peer.open_links() {
                let (in_flight, completed) = self
                    .channel(link.channel)
                    .map_or((0, 0), |channel| channel.dispatch.of_member(link.member));
                worker.channels += 1;
                worker.in_flight += in_flight;
                worker.completed += completed;
            }
            worker
        };
        self.peers.iter().filter(|(_, peer)| peer.is_worker()).map(snapshot).collect()
    }
}
