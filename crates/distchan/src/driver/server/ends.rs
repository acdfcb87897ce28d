//! The library's ends of one channel, as the server's core holds them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use distchan_proto::ChannelStats;
use distchan_proto::batch::Batch;
use distchan_proto::ids::{ChannelId, ConnectionId, SinkId};
use distchan_proto::server::ServerMachine;
use distchan_proto::time::Time;

use crate::channel::inbox::{End, Inbox};
use crate::channel::outgoing::{Fetched, Outgoing};
use crate::channel::sinks::Sinks;
use crate::channel::{RecvError, SendErrorKind};

/// The library's ends of one channel.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(super) jobs: Option<Arc<Outgoing>>,
    inbox: Arc<Inbox>,
    sinks: Arc<Sinks>,
    /// What the user has taken and the machine was not told of.
    taken: Arc<AtomicU64>,
    /// There was nothing to hand over when that was looked for last, and whoever sends something says so.
    is_dry: bool,
    /// The machine knows that no more jobs come.
    is_closed: bool,
    /// Connections that have not been told of the end yet; `None` while there is no end.
    untold: Option<BTreeSet<ConnectionId>>,
}

impl Ends {
    pub(crate) fn new(
        jobs: Option<Arc<Outgoing>>,
        inbox: Arc<Inbox>,
        sinks: Arc<Sinks>,
        taken: Arc<AtomicU64>,
    ) -> Self {
        Self { jobs, inbox, sinks, taken, is_dry: false, is_closed: false, untold: None }
    }

    /// Hands jobs to the machine where its workers wait for some; true where the channel's end may have brought events.
    pub(super) fn feed(&mut self, id: ChannelId, machine: &mut ServerMachine, now: Time) -> bool {
        let Some(jobs) = self.jobs.as_ref().filter(|_| !self.is_closed) else {
            return false;
        };
        if self.is_dry && !jobs.take_news() {
            return false;
        }
        let (has_lent, is_spent) = loop {
            let wants = machine.is_hungry(id);
            let Fetched { batch, has_lent, is_spent } = jobs.fetch(wants);
            let Some(batch) = batch else {
                self.is_dry = wants;
                break (has_lent, is_spent);
            };
            machine.submit(now, id, batch);
        };
        if has_lent {
            let stats = machine.stats(id);
            jobs.limit_lent(stats.queued, stats.kept_bytes);
            self.is_dry = false;
        }
        if is_spent {
            self.is_closed = true;
            machine.close(id);
        }
        is_spent
    }

    /// Results for whoever wants them; given back where nobody does.
    pub(super) fn deliver(&self, sink: SinkId, batch: Batch) -> Result<Option<Waker>, Batch> {
        if sink == SinkId::RECEIVER {
            return self.inbox.push(batch);
        }
        match self.sinks.get(sink) {
            Some(inbox) => inbox.push(batch),
            None => Err(batch),
        }
    }

    /// Adds what the machine does not know of: jobs that wait for it to take them are queued like those that it has.
    pub(super) fn add_to(&self, stats: &mut ChannelStats) {
        let waiting = self.jobs.as_ref().map_or(0, |jobs| jobs.len()) as u64;
        stats.submitted += waiting;
        stats.queued += waiting;
        stats.unread_bytes = stats.unread_bytes.saturating_sub(self.taken.load(Ordering::Acquire));
    }

    /// Every job has its outcome: the receivers end when all of these connections have been told.
    pub(super) fn finish(&mut self, untold: BTreeSet<ConnectionId>) {
        self.untold = Some(untold);
        self.finish_if_told();
    }

    /// A connection has been told of the end, or is gone.
    pub(super) fn told(&mut self, id: ConnectionId) {
        if let Some(untold) = &mut self.untold {
            untold.remove(&id);
        }
        self.finish_if_told();
    }

    fn finish_if_told(&mut self) {
        if self.untold.as_ref().is_some_and(BTreeSet::is_empty) {
            self.inbox.end(End::Finished);
            self.sinks.end(&End::Finished);
        }
    }

    /// The server is shut down.
    pub(super) fn break_off(&self) {
        // A channel that is finished stays so, also while its workers are being told.
        let end = if self.untold.is_some() { End::Finished } else { End::Error(RecvError::Shutdown) };
        if let Some(jobs) = &self.jobs {
            jobs.end(SendErrorKind::Closed);
        }
        self.inbox.end(end.clone());
        self.sinks.end(&end);
    }
}
