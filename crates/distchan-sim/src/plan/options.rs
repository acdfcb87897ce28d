//! What a person, or the shrinker, asks for instead of what the seed says: fewer workers, fewer jobs, fewer kinds of faults.

use std::fmt;

use crate::plan::faults::Fault;

/// Overrides of a plan. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long the safety phase is, in simulated seconds; 120 where nothing is said.
    pub seconds: Option<u64>,
    /// At most so many workers.
    pub workers: Option<usize>,
    /// At most so many channels: the first ones.
    pub channels: Option<usize>,
    /// At most so many jobs on each channel.
    pub load: Option<u64>,
    /// Kinds of faults that do not happen.
    pub without: Vec<Fault>,
}

/// How long the safety phase is where nothing is said, in simulated seconds.
pub const SECONDS: u64 = 120;

impl Options {
    /// The length of the safety phase in simulated seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(SECONDS)
    }
}

impl fmt::Display for Options {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seconds) = self.seconds {
            write!(f, " --seconds {seconds}")?;
        }
        if let Some(workers) = self.workers {
            write!(f, " --workers {workers}")?;
        }
        if let Some(channels) = self.channels {
            write!(f, " --channels {channels}")?;
        }
        if let Some(load) = self.load {
            write!(f, " --load {load}")?;
        }
        if !self.without.is_empty() {
            let names: Vec<&str> = self.without.iter().map(|fault| fault.name()).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        Ok(())
    }
}
