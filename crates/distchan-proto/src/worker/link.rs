//! One channel of a worker.

use std::collections::VecDeque;

use crate::batch::{Batch, Kind, Piece};
use crate::frame::control::Open;
use crate::ids::ChannelNo;
use crate::limits;
use crate::session::compose::Composer;
use crate::session::credit::Allowance;
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

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) spec: ChannelSpec,
    pub(crate) open: Open,
    pub(crate) state: LinkState,
    /// Whether `OPEN` was sent. It waits for the handshake, and for the `LEAVE` of the same channel's previous link.
    pub(crate) is_asked: bool,
    pub(crate) allowance: Allowance,
    pub(crate) max_value: usize,
    /// Jobs that came and are not answered.
    pub(crate) in_hand: u64,
    /// Answers for the connection's writer, and how many entries of the first have been written.
    out: VecDeque<Batch>,
    written: usize,
    /// Whether the link stands in the machine's list of those with something to write.
    pub(crate) is_sending: bool,
}

impl Link {
    pub(crate) const fn new(spec: ChannelSpec, open: Open) -> Self {
        Self {
            spec,
            open,
            state: LinkState::Opening,
            is_asked: false,
            allowance: Allowance::new(),
            max_value: 0,
            in_hand: 0,
            out: VecDeque::new(),
            written: 0,
            is_sending: false,
        }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, LinkState::Open | LinkState::Leaving)
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

    pub(crate) fn submit(&mut self, batch: Batch) {
        for entry in &batch.entries {
            if matches!(entry.kind, Kind::Last | Kind::Done | Kind::Failed | Kind::Returned) {
                self.in_hand = self.in_hand.saturating_sub(entry.run());
            }
        }
        self.out.push_back(batch);
    }

    /// Writes answers as long as there is room and credit.
    pub(crate) fn write(&mut self, composer: &mut Composer<'_>) {
        while let Some(batch) = self.out.front() {
            let Some(entry) = batch.entries.get(self.written) else {
                self.out.pop_front();
                self.written = 0;
                continue;
            };
            let piece = Piece::new(&batch.payload, batch.start(self.written), entry.end);
            if !self.allowance.is_open() || !composer.push(entry, &piece) {
                return;
            }
            self.allowance.spend(limits::ENTRY_COST + piece.len() as u64);
            self.written += 1;
        }
    }

    pub(crate) fn close(&mut self) {
        self.state = LinkState::Closed;
        self.out.clear();
        self.written = 0;
    }
}

/// Channel numbers, from 1.
pub(crate) fn number_after(last: Option<ChannelNo>) -> Option<ChannelNo> {
    last.map_or(Some(1), |last| last.0.checked_add(1))
        .filter(|no| usize::from(*no) <= limits::MAX_CHANNELS_PER_CONNECTION)
        .map(ChannelNo)
}
