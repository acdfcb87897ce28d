//! How a server stands, as plain data.

use distchan_proto::ChannelStats;

use crate::driver::server::{Core, Shared, WorkerInfo};

/// A server at one point in time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Every channel's name and counters, in the order of opening.
    pub channels: Vec<(String, ChannelStats)>,
    /// The workers that are connected.
    pub workers: Vec<WorkerInfo>,
}

impl Stats {
    /// The counters of one channel.
    pub fn channel(&self, name: &str) -> Option<&ChannelStats> {
        self.channels.iter().find(|(other, _)| other == name).map(|(_, stats)| stats)
    }
}

pub(crate) fn workers(shared: &Shared) -> Vec<WorkerInfo> {
    shared.look(Core::workers)
}

pub(crate) fn stats(shared: &Shared) -> Stats {
    shared.look(|core| Stats { channels: core.channel_stats(), workers: core.workers() })
}
