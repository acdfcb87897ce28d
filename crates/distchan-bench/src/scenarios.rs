//! What is asked of every system. The words here are the definition of a figure; a system's file only says how that
//! system does it. Nothing here knows a system.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

/// How long a side waits while nothing arrives before it counts the rest as lost. The rate of such a run includes the wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The work to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One-way: the server sends jobs, the worker decodes and checks each; done when the server has read the worker's count.
    W1,
    /// There and back: the worker changes each job and returns it; done when the server has decoded and checked every result.
    W2,
    /// As W2 with one job in flight, each round trip timed.
    W4,
}

impl Scenario {
    /// How many jobs make a run of a second or more on an ordinary machine.
    pub(crate) fn usual_n(self) -> u64 {
        match self {
            Self::W1 => 20_000_000,
            Self::W2 => 10_000_000,
            Self::W4 => 20_000,
        }
    }
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SystemName {
    /// This project.
    Distchan,
    /// A blocking socket and large batches: no channel, no guarantees, the ceiling.
    Raw,
    /// ZeroMQ, one PUSH/PULL pair for each direction.
    Zmq,
}

/// What carries the bytes between the two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// TCP over loopback.
    Tcp,
    /// A Unix socket.
    Unix,
}

/// One run: who does what, how often, over what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) scenario: Scenario,
    pub(crate) system: SystemName,
    pub(crate) transport: Transport,
    pub(crate) n: u64,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(self, f)
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(self, f)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(self, f)
    }
}

/// Writes a choice as it is typed on the command line, which is also how the report shows it.
fn write_name(choice: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    choice.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
}
