//! One channel of a worker.

use std::collections::VecDeque;

use crate::batch::{Kind, Submission};
use crate::frame::control::{Direction, Open};
use crate::frame::runs::{RunList, Runs};
use crate::ids::ChannelNo;
use crate::limits;
use crate::scattered::Scattered;
use crate::session::compose::Composer;
use crate::session::credit::Allowance;
use crate::session::envelope::Envelope;
use crate::spec::ChannelSpec;

/// Where a channel stands, on the worker's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Asked for.
    Opening,
    /// Open.
    Open,
    /// Open for answers on their way; the user has left, and `LEAVE` follows them.
    Leaving,
    /// Refused or left.
    Closed,
}

/// What a lost session means for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    Nothing,
    /// Every job that came is with other workers.
    Jobs,
    /// Values that were sent unasked may not have arrived.
    ValuesLost,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) spec: ChannelSpec,
    pub(crate) open: Open,
    pub(crate) state: LinkState,
    /// Whether `OPEN` was sent. It waits for the handshake, and for the `LEAVE` of the same channel's previous link.
    pub(crate) is_asked: bool,
    pub(crate) allowance: Allowance,
    pub(crate) max_value: usize,
    /// How bodies travel here, both ways, once it is open.
    pub(crate) envelope: Envelope,
    /// Jobs that came and are not answered.
    pub(crate) in_hand: u64,
    /// Deliveries that the user has begun, for the connection's writer.
    pub(crate) begun: RunList,
    /// Cancelled while a body was still arriving: they may be in it.
    pub(crate) cancelled_early: Vec<Runs>,
    /// Answers for the connection's writer, and how many entries of the first have been written.
    out: VecDeque<Submission>,
    written: usize,
    /// Whether the link stands in the machine's list of those with something to write.
    pub(crate) is_sending: bool,
    /// Whether the server was told that this worker takes no further jobs.
    pub(crate) is_drained: bool,
    /// Whether the server has said that every job has its outcome.
    pub(crate) is_finished: bool,
    /// Whether it is left as soon as it is open, and what waits has been sent.
    pub(crate) leaves_when_open: bool,
    /// Values unasked have been written since [`Link::sent_by`] was noted.
    pub(crate) has_new_values: bool,
    /// The frame of the session with which the newest values unasked had left.
    pub(crate) sent_by: u64,
}

impl Link {
    pub(crate) fn new(spec: ChannelSpec, open: Open) -> Self {
        Self {
            spec,
            open,
            state: LinkState::Opening,
            is_asked: false,
            allowance: Allowance::new(),
            max_value: 0,
            envelope: Envelope::default(),
            in_hand: 0,
            begun: RunList::default(),
            cancelled_early: Vec::new(),
            out: VecDeque::new(),
            written: 0,
            is_sending: false,
            is_drained: false,
            is_finished: false,
            leaves_when_open: false,
            has_new_values: false,
            sent_by: 0,
        }
    }

    /// The session is lost. Says whether the channel is asked for again: what came of it is with other workers, what was said of it is
    /// void. Values unasked that were not sent yet go out in the next session.
    pub(crate) fn reset(&mut self, acknowledged: u64) -> Reset {
        self.is_sending = false;
        self.in_hand = 0;
        self.begun = RunList::default();
        self.cancelled_early.clear();
        self.allowance = Allowance::new();
        let is_up = self.spec.direction == Direction::Up;
        let may_lack =
            std::mem::take(&mut self.has_new_values) || std::mem::take(&mut self.sent_by) > acknowledged;
        match self.state {
            // It was left, and what it had sent before is lost all the same.
            LinkState::Closed if is_up && may_lack => Reset::ValuesLost,
            LinkState::Closed => Reset::Nothing,
            LinkState::Opening => {
                self.is_asked = false;
                Reset::Nothing
            }
            LinkState::Leaving => {
                let is_lost = may_lack || !self.out.is_empty();
                self.close();
                if is_up && is_lost { Reset::ValuesLost } else { Reset::Nothing }
            }
            LinkState::Open if self.is_finished => {
                self.close();
                Reset::Nothing
            }
            LinkState::Open if is_up && may_lack => {
                self.close();
                Reset::ValuesLost
            }
            LinkState::Open if self.is_drained => {
                self.close();
                Reset::Jobs
            }
            LinkState::Open => {
                self.state = LinkState::Opening;
                self.is_asked = false;
                // Whoever served this channel serves it again, however long a server takes to open it.
                self.open.wait_millis = u64::MAX;
                if is_up {
                    self.drop_written();
                    return Reset::Nothing;
                }
                self.out.clear();
                self.written = 0;
                Reset::Jobs
            }
        }
    }

    /// Drops the values that have been sent of a batch.
    fn drop_written(&mut self) {
        if let Some(batch) = self.out.front_mut() {
            *batch = batch.part(self.written..batch.entries.len(), Scattered::slice);
        }
        self.written = 0;
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, LinkState::Open | LinkState::Leaving)
    }

    /// Whether something can be said here: answers where the channel is open, values unasked also while it is asked for again.
    pub(crate) fn takes(&self) -> bool {
        let is_up = self.spec.direction == Direction::Up;
        self.is_open() || (is_up && self.state == LinkState::Opening && !self.leaves_when_open)
    }

    /// Whether the writer could send more than it has.
    pub(crate) fn wants(&self) -> bool {
        self.is_open() && self.out.is_empty() && self.allowance.is_open()
    }

    /// Whether an answer could be written now.
    pub(crate) fn can_write(&self) -> bool {
        !self.out.is_empty() && self.allowance.is_open()
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.out.is_empty()
    }

    pub(crate) fn submit(&mut self, batch: Submission) {
        for entry in &batch.entries {
            let is_end = !matches!(entry.kind, Kind::Value | Kind::Result | Kind::Void);
            if is_end {
                self.in_hand = self.in_hand.saturating_sub(entry.run());
            }
        }
        self.out.push_back(batch);
    }

    /// Writes answers as long as there is room and credit.
    pub(crate) fn write(&mut self, composer: &mut Composer<'_>) {
        while let Some(batch) = self.out.front() {
            let left = batch.entries.len() - self.written;
            let taken = composer.push_answers(batch, self.written, &mut self.allowance);
            self.written += taken;
            if taken < left {
                return;
            }
            self.out.pop_front();
            self.written = 0;
        }
    }

    pub(crate) fn close(&mut self) {
        self.state = LinkState::Closed;
        self.out.clear();
        self.begun = RunList::default();
        self.cancelled_early.clear();
        self.written = 0;
    }
}

/// Channel numbers, from 1.
pub(crate) fn number_after(last: Option<ChannelNo>) -> Option<ChannelNo> {
    last.map_or(Some(1), |last| last.0.checked_add(1))
        .filter(|no| usize::from(*no) <= limits::MAX_CHANNELS_PER_CONNECTION)
        .map(ChannelNo)
}
