//! What a connection has to write besides the batches that are composed on the spot: control messages, and large bodies
//! that leave a piece at a time.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::frame::control::Control;
use crate::frame::encode::FrameWriter;
use crate::frame::header::{FLAG_IMMEDIATE_ACK, FLAG_MORE, Integrity};
use crate::ids::ChannelNo;
use crate::limits;
use crate::scattered::{Scattered, ScatteredMut};
use crate::session::sharing::Cut;

/// Bytes and bodies that wait for the writer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: Vec<u8>,
    large: BTreeMap<ChannelNo, LargeBody>,
    /// The channel whose large body was written of last.
    last: Option<ChannelNo>,
}

/// A body of more than one frame: the payload is shared with whoever keeps the value, only the table is new.
#[derive(Debug)]
struct LargeBody {
    payload: Scattered,
    table: Bytes,
}

impl Outbox {
    /// Queues a message. A peer that makes us answer without reading the answers reaches the limit.
    pub(crate) fn put(&mut self, channel: ChannelNo, message: &Control) -> Result<(), ProtocolError> {
        if self.control.len() > limits::MAX_CONTROL_BACKLOG {
            return Err(ProtocolError::ControlBacklog);
        }
        message.put(&mut self.control, channel);
        Ok(())
    }

    /// Drops what is left of large bodies.
    pub(crate) fn drop_large(&mut self) {
        self.large.clear();
    }

    /// Queues a body that is larger than a frame.
    pub(crate) fn put_large(&mut self, channel: ChannelNo, payload: Scattered, table: Vec<u8>) {
        let previous = self.large.insert(channel, LargeBody { payload, table: Bytes::from(table) });
        assert!(previous.is_none(), "a channel's bodies leave one after the other");
    }

    /// Whether the channel's next batch has to wait for its large body.
    pub(crate) fn is_busy(&self, channel: ChannelNo) -> bool {
        self.large.contains_key(&channel)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.has_control() && !self.has_large()
    }

    /// Whether a control message waits.
    pub(crate) const fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Whether something is left of a large body.
    pub(crate) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Moves all control messages to `out`.
    pub(crate) fn take_control(&mut self, out: &mut ScatteredMut) {
        out.own().append(&mut self.control);
    }

    /// Moves a frame of a large body, one channel after the other, to `out`; returns the channel where its body has left whole.
    pub(crate) fn take_piece(
        &mut self,
        out: &mut ScatteredMut,
        integrity: Integrity,
        cut: Cut,
    ) -> Option<ChannelNo> {
        let behind = (self.last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let next = self.large.range(behind).next().or_else(|| self.large.first_key_value());
        let channel = next.map(|(channel, _)| *channel)?;
        self.last = Some(channel);
        let body = self.large.get_mut(&channel)?;
        let payload = body.payload.split_to(body.payload.len().min(cut.most));
        let room = cut.most - payload.len();
        let table = body.table.split_to(body.table.len().min(room));
        let more = !(body.payload.is_empty() && body.table.is_empty());
        let frame = FrameWriter::begin(out);
        out.put_part_of(&payload, 0..payload.len());
        out.put(&table);
        let asks = if cut.asks { FLAG_IMMEDIATE_ACK } else { 0 };
        frame.finish(out, channel, asks | if more { FLAG_MORE } else { 0 }, integrity);
        if more {
            return None;
        }
        self.large.remove(&channel);
        Some(channel)
    }
}
