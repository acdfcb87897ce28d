//! One channel of a server: its specification, its jobs, and which workers take part.

use std::collections::BTreeSet;

use crate::dispatch::Dispatch;
use crate::dispatch::lease::MemberId;
use crate::dispatch::policy::Policy;
use crate::dispatch::stats::ChannelStats;
use crate::ids::{ChannelNo, SessionId};
use crate::spec::ChannelSpec;

/// How the server uses a channel, beyond what both sides must agree on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelOptions {
    /// Whether results become visible in the order of their jobs.
    pub ordered: bool,
    /// How many jobs a worker may have in hand, always; adaptive when `None`.
    pub credit: Option<u32>,
    /// What becomes of jobs that are not completed at their first attempt.
    pub policy: Policy,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) spec: ChannelSpec,
    pub(crate) options: ChannelOptions,
    /// Jobs and workers. On a channel from the workers it only counts what its user has not read.
    pub(crate) dispatch: Dispatch,
    /// Which worker each member is; indexed by member.
    members: Vec<Option<(SessionId, ChannelNo)>>,
    /// Members whose credit waits until the receiver has caught up.
    pub(crate) owed: BTreeSet<(SessionId, ChannelNo)>,
    /// The user no longer takes what workers send.
    pub(crate) receiver_closed: bool,
    /// Workers have been told that the channel is finished.
    pub(crate) finished: bool,
    /// Values that workers sent unasked.
    pub(crate) received: u64,
}

impl Channel {
    pub(crate) fn new(spec: ChannelSpec, options: ChannelOptions) -> Self {
        Self {
            dispatch: Dispatch::new(options.ordered, options.policy),
            spec,
            options,
            members: Vec::new(),
            owed: BTreeSet::new(),
            receiver_closed: false,
            finished: false,
            received: 0,
        }
    }

    pub(crate) fn set_member(&mut self, member: MemberId, place: Option<(SessionId, ChannelNo)>) {
        let index = member.0 as usize;
        if self.members.len() <= index {
            self.members.resize(index + 1, None);
        }
        if let Some(entry) = self.members.get_mut(index) {
            *entry = place;
        }
    }

    pub(crate) fn member(&self, member: MemberId) -> Option<(SessionId, ChannelNo)> {
        self.members.get(member.0 as usize).copied().flatten()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (SessionId, ChannelNo)> {
        self.members.iter().copied().flatten()
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        let mut stats = self.dispatch.stats();
        stats.submitted += self.received;
        stats
    }
}
