//! What policies bring about at the server's machine: jobs that are cancelled, tried again or given up, and who is told. It decides nothing.

use crate::frame::control::{Control, Direction};
use crate::frame::runs::{RunList, Runs};
use crate::ids::{ChannelId, ChannelNo, JobId, SessionId, SinkId};
use crate::server::ServerMachine;
use crate::server::channel::Channel;
use crate::server::event::ServerEvent;
use crate::time::Time;

impl ServerMachine {
    /// Ends a job as cancelled, whether it was submitted already or is to come under this number. Where a worker has it, the worker is
    /// told to stop. No effect where the job has its outcome.
    pub fn cancel(&mut self, now: Time, channel: ChannelId, job: JobId) {
        self.now = now;
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.cancel(now, job);
        }
        self.carry_out(channel);
        self.after_call();
    }

    /// Ends every job as cancelled that was submitted for a sink and has no outcome. What is submitted for it later is not meant.
    pub fn cancel_sink(&mut self, now: Time, channel: ChannelId, sink: SinkId) {
        self.now = now;
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.cancel_sink(now, sink);
        }
        self.carry_out(channel);
        self.after_call();
    }

    /// A worker has begun to work on some of its jobs.
    pub(super) fn handle_started(&mut self, now: Time, id: SessionId, no: ChannelNo, runs: &Runs) {
        let Some(link) = self.peers.get_mut(&id).and_then(|peer| peer.link(no)) else {
            // Said on the way to the end of the link.
            return;
        };
        let (channel, member) = (link.channel, link.member);
        if let Some(entry) = self.channel_mut(channel) {
            entry.dispatch.started(now, member, runs.attempt, runs.runs.iter().copied());
        }
        self.place(channel);
    }

    /// Deadlines, timeouts and waits that are over.
    pub(super) fn handle_due(&mut self, now: Time) {
        let is_due = |entry: &Channel| entry.dispatch.poll_timeout().is_some_and(|time| time <= now);
        let due: Vec<usize> = self
            .channels
            .iter()
            .enumerate()
            .filter(|(_, entry)| is_due(entry))
            .map(|(index, _)| index)
            .collect();
        for index in due {
            let Some(channel) = u32::try_from(index).ok().map(ChannelId) else {
                continue;
            };
            if let Some(entry) = self.channel_mut(channel) {
                entry.dispatch.handle_timeout(now);
            }
            self.carry_out(channel);
        }
    }

    /// When [`ServerMachine::handle_due`] has something to do.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.channels.iter().filter_map(|entry| entry.dispatch.poll_timeout()).min()
    }

    /// Does what dispatch has decided since the last call: shows outcomes, tells workers to stop, gives out jobs, and ends the channel
    /// when all is done.
    pub(super) fn carry_out(&mut self, channel: ChannelId) {
        self.show(channel);
        self.tell_cancelled(channel);
        self.tell_recalled(channel);
        self.place(channel);
        self.finish_if_done(channel);
    }

    /// Passes outcomes on to the user.
    pub(super) fn show(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0 as usize) else {
            return;
        };
        while let Some(release) = channel.dispatch.pop_release() {
            let is_dropped = channel.receiver_closed && release.sink == SinkId::RECEIVER;
            if is_dropped || channel.spec.direction == Direction::Down {
                channel.dispatch.consumed(release.batch.cost());
                continue;
            }
            let (sink, batch) = (release.sink, release.batch);
            self.events.push_back(ServerEvent::Results { channel: id, sink, batch });
        }
    }

    /// Asks workers for jobs that they have not begun.
    fn tell_recalled(&mut self, channel: ChannelId) {
        let recalls = self.channel_mut(channel).map(|entry| entry.dispatch.take_recalls());
        for (member, count) in recalls.unwrap_or_default() {
            if let Some((id, no)) = self.channel(channel).and_then(|entry| entry.member(member)) {
                self.tell(id, no, &Control::Recall(count));
            }
        }
    }

    /// Tells workers which of their deliveries nobody wants any more.
    fn tell_cancelled(&mut self, channel: ChannelId) {
        let Some(entry) = self.channel_mut(channel) else {
            return;
        };
        let mut revoked = entry.dispatch.take_revoked();
        if revoked.is_empty() {
            return;
        }
        // One list a worker, in the order of jobs: what is consecutive becomes one run.
        revoked.sort_unstable();
        for of_member in revoked.chunk_by(|(a, ..), (b, ..)| a == b) {
            let mut list = RunList::default();
            let mut place = None;
            for (member, attempt, job) in of_member {
                list.push(*job, *attempt);
                place = self.channel(channel).and_then(|entry| entry.member(*member));
            }
            if let Some((id, no)) = place {
                for runs in list.take() {
                    self.tell(id, no, &Control::Cancel(runs));
                }
            }
        }
    }
}
