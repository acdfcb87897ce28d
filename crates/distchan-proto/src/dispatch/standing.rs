//! How a worker that can take a job stands beside the others. A leaf: the turns are taken in `placement`.

/// Which workers are preferred, of those that can take a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Whoever has a handler that is free; else all in turn. The default.
    #[default]
    RoundRobin,
    /// Whoever has the fewest jobs in hand for each of its handlers.
    LeastLoaded,
}

/// A worker's place in the ring: those of a lower rank are asked first, and among equals the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) standing: Standing,
    pub(crate) number: u64,
}

/// What is known of a worker that can take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) rank: u32,
    /// Whether it has a free handler.
    pub(crate) is_idle: bool,
}

/// The rank of a worker that has said nothing for a while: what it is given may wait long.
pub(crate) const QUIET: u32 = u32::MAX - 1;

/// The rank of a worker that has just given a job back: not the next to be asked.
pub(crate) const LAST: u32 = u32::MAX;

impl Distribution {
    /// The rank of a worker with so many jobs in hand, which works on so many at once.
    pub(crate) fn rank(self, in_hand: u32, concurrency: u32) -> u32 {
        /// Steps between no job and one for each handler.
        const STEPS: u32 = 16;
        match self {
            Self::RoundRobin => u32::from(in_hand >= concurrency),
            Self::LeastLoaded => (in_hand.saturating_mul(STEPS) / concurrency.max(1)).min(QUIET - 1),
        }
    }
}
