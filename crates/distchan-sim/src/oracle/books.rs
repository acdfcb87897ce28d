//! The server's own figures against what has happened: what it counts, and what it keeps.

use distchan_proto::batch::Submission;
use distchan_proto::ids::JobId;
use distchan_proto::{ChannelStats, Direction};

use crate::oracle::{Oracle, Verdict};

/// The figures of one channel.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) submitted: u64,
    /// Jobs with a visible outcome.
    pub(super) ended: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) dead: u64,
    pub(super) cancelled: u64,
    /// Values that came unasked.
    pub(super) values: u64,
    /// What was released and not read.
    pub(super) unread: u64,
    /// Workers that were lost while they had begun a job, for certain, or perhaps.
    pub(super) certain_crashes: u64,
    pub(super) possible_crashes: u64,
    lots: Vec<Lot>,
    kept: u64,
}

/// Jobs that were handed over together, and are kept together.
#[derive(Debug)]
struct Lot {
    first: u64,
    bytes: u64,
    open: u64,
}

impl Books {
    fn submit(&mut self, batch: &Submission) {
        let (open, bytes) = (batch.entries.len() as u64, batch.payload.len() as u64);
        self.lots.push(Lot { first: self.submitted + 1, bytes, open });
        self.submitted += open;
        self.kept += bytes;
    }

    /// A job has its outcome.
    pub(super) fn end(&mut self, job: JobId) {
        self.ended += 1;
        let behind = self.lots.partition_point(|lot| lot.first <= job.0);
        if let Some(lot) = behind.checked_sub(1).and_then(|index| self.lots.get_mut(index)) {
            lot.open = lot.open.saturating_sub(1);
            if lot.open == 0 {
                self.kept -= std::mem::take(&mut lot.bytes);
            }
        }
    }
}

impl Oracle {
    /// Jobs were handed to the machine.
    pub(crate) fn submitted(&mut self, index: usize, batch: &Submission) {
        if let Some(channel) = self.channels.get_mut(index) {
            channel.books.submit(batch);
        }
    }

    /// The figures of a channel, at any time.
    pub(crate) fn check_stats(&self, index: usize, stats: &ChannelStats) -> Verdict {
        let Some(channel) = self.channels.get(index) else { return Ok(()) };
        let books = &channel.books;
        let ended = stats.completed + stats.failed + stats.dead + stats.cancelled;
        let outcomes = [stats.completed, stats.failed, stats.dead, stats.cancelled];
        let seen = [books.completed, books.failed, books.dead, books.cancelled];
        let is_visible = channel.plan.direction == Direction::Jobs;
        let rules = [
            ("unread", stats.unread_bytes == books.unread),
            ("submitted", stats.submitted == books.submitted + books.values),
            (
                "open",
                channel.plan.direction == Direction::Up
                    || stats.queued + stats.in_flight == stats.submitted - ended,
            ),
            ("outcomes", !is_visible || channel.plan.ordered || outcomes == seen),
            (
                "outcomes in order",
                !is_visible || outcomes.iter().zip(&seen).all(|(counted, seen)| counted >= seen),
            ),
            ("kept", !is_visible || stats.kept_bytes <= books.kept),
            (
                "in flight",
                channel.plan.credit.is_none_or(|credit| stats.in_flight <= stats.workers * u64::from(credit)),
            ),
            ("crashes", stats.crashes <= books.possible_crashes),
        ];
        match rules.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((rule, _)) => Err(format!(
                "{rule} of {}: {stats:?} against {seen:?}, {} unread, {} kept, {}..{} crashes",
                channel.plan.name, books.unread, books.kept, books.certain_crashes, books.possible_crashes
            )),
        }
    }

    /// The figures of a channel when all is done.
    pub(crate) fn check_end(&self, index: usize, stats: &ChannelStats) -> Verdict {
        self.check_stats(index, stats)?;
        let Some(channel) = self.channels.get(index) else { return Ok(()) };
        let left = [
            stats.queued,
            stats.in_flight,
            stats.kept_bytes,
            stats.held_bytes,
            stats.unread_bytes,
            stats.workers,
        ];
        if left != [0; 6] || (channel.plan.direction != Direction::Up && stats.submitted != channel.plan.jobs)
        {
            return Err(format!("{} leaves something behind: {stats:?}", channel.plan.name));
        }
        if stats.crashes < channel.books.certain_crashes {
            return Err(format!(
                "{} has {} crashes: {stats:?}",
                channel.plan.name, channel.books.certain_crashes
            ));
        }
        Ok(())
    }
}
