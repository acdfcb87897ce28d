//! What an entry says besides its bytes. A leaf: whoever pushes makes one.

use std::time::Duration;

use distchan_proto::batch::Kind;
use distchan_proto::ids::SinkId;

use crate::channel::delivery::Delivery;

/// What is pushed, besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) kind: Kind,
    pub(crate) delivery: Delivery,
    pub(crate) extra: u32,
    /// By when a job must be done.
    pub(crate) within: Option<Duration>,
    /// A job's key, where the channel's jobs have keys.
    pub(crate) key: Option<u64>,
}

impl Label {
    /// A value that needs no more than its place in the order.
    pub(crate) const VALUE: Self =
        Self { kind: Kind::Value, delivery: Delivery::NONE, extra: 0, within: None, key: None };

    pub(crate) const fn answer(kind: Kind, delivery: Delivery) -> Self {
        Self { kind, delivery, extra: 0, within: None, key: None }
    }

    /// A job whose results go to `sink`.
    pub(crate) const fn job(sink: SinkId, within: Option<Duration>) -> Self {
        Self { extra: sink.0, within, ..Self::VALUE }
    }
}
