//! What goes wrong, and how often. A rule gives a verdict on one moment of the run; it never acts.

use rand::{Rng, RngExt};

/// How often each thing goes wrong, in parts of 10 000 steps.
#[derive(Clone, Debug)]
pub struct Faults {
    /// A connection is cut, and what is on its way is lost.
    pub cut: u32,
    /// A worker leaves politely.
    pub leave: u32,
    /// A worker leaves one channel, and may open it again.
    pub leave_channel: u32,
    /// A worker takes no further jobs of a channel.
    pub drain: u32,
    /// A worker stops reading for a while, or begins again.
    pub stall: u32,
    /// A job is given back, in parts of 10 000 jobs.
    pub give_back: u32,
    /// The server's user reads results, in parts of 10 000 steps: the slower, the more piles up.
    pub read: u32,
}

/// A moment at which something may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A step of the cluster.
    Step,
    /// A worker takes up a job.
    Job,
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing unusual.
    Pass,
    /// A worker's connection is cut.
    Cut,
    /// A worker leaves politely.
    Leave,
    /// A worker leaves one channel.
    LeaveChannel,
    /// A worker takes no further jobs of a channel.
    Drain,
    /// A worker stops reading, or begins again.
    Stall,
    /// The job is given back.
    GiveBack,
}

impl Faults {
    /// The weather of a run: each kind of fault is absent, rare or frequent.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let mut level = |levels: [u32; 3]| levels[rng.random_range(0..3)];
        Self {
            cut: level([0, 10, 100]),
            leave: level([0, 10, 60]),
            leave_channel: level([0, 10, 60]),
            drain: level([0, 5, 30]),
            stall: level([0, 20, 100]),
            give_back: level([0, 100, 2000]),
            read: level([10_000, 2000, 200]),
        }
    }

    /// The weather after the storm.
    #[must_use]
    pub const fn none() -> Self {
        Self { cut: 0, leave: 0, leave_channel: 0, drain: 0, stall: 0, give_back: 0, read: 10_000 }
    }

    /// Decides what happens at a moment.
    pub fn judge(&self, moment: Moment, rng: &mut impl Rng) -> Verdict {
        let mut draw = rng.random_range(0..10_000);
        let rules: &[(u32, Verdict)] = match moment {
            Moment::Step => &[
                (self.cut, Verdict::Cut),
                (self.leave, Verdict::Leave),
                (self.leave_channel, Verdict::LeaveChannel),
                (self.drain, Verdict::Drain),
                (self.stall, Verdict::Stall),
            ],
            Moment::Job => &[(self.give_back, Verdict::GiveBack)],
        };
        for (share, verdict) in rules {
            if draw < *share {
                return *verdict;
            }
            draw -= share;
        }
        Verdict::Pass
    }
}
