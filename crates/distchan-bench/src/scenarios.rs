//! What is asked of every system. The words here are the definition of a figure; a system's file only says how that
//! system does it. Nothing here knows how a system works.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

/// How long a side waits while nothing arrives before it counts the rest as lost. The rate of such a run includes the wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The work to be done. Workers are processes of their own, and share the jobs of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One-way: the server sends jobs, the worker decodes and checks each; done when the server has read the worker's count.
    W1,
    /// There and back: the worker changes each job and returns it; done when the server has decoded and checked every result.
    W2,
    /// As W2 with 8 workers.
    W3,
    /// As W2 with 64 workers.
    W3x,
    /// As W2 with one job in flight, each round trip timed.
    W4,
    /// As W4 with all processes on one core, so that no round trip waits for an idle core to wake.
    W4pin,
    /// As W1 with values of 1 MiB: the worker has an owned value, of which it checks the length and a few bytes.
    W5,
    /// As W5 with values of 64 MiB.
    W5x,
    /// One job of 1 KiB in flight, each round trip timed: first alone, then beside a value of 1 GiB that goes to the same worker
    /// over the same connection, from before it is sent until its worker's answer to it is here.
    W6,
    /// As W1, sent by 1 task (or thread) beside the main one.
    W7a,
    /// As W1, sent by 2 tasks (or threads) that share the channel.
    W7b,
    /// As W1, sent by 4 tasks (or threads) that share the channel.
    W7c,
    /// As W2 under TLS 1.3, each side as its user would set that up.
    W8,
    /// As W5 under TLS 1.3.
    W8x,
}

/// What a system has to be able to do for a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Values flow to one worker, which counts them.
    OneWay,
    /// Jobs flow to the workers, results back.
    ThereAndBack,
    /// The next job leaves when the result of the one before is here.
    OneInFlight,
    /// Two flows on one connection.
    Beside,
}

impl Scenario {
    /// What has to be done.
    pub(crate) fn work(self) -> Work {
        match self {
            Self::W1 | Self::W5 | Self::W5x | Self::W7a | Self::W7b | Self::W7c | Self::W8x => Work::OneWay,
            Self::W2 | Self::W3 | Self::W3x | Self::W8 => Work::ThereAndBack,
            Self::W4 | Self::W4pin => Work::OneInFlight,
            Self::W6 => Work::Beside,
        }
    }

    /// Whether the connections are encrypted.
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::W8 | Self::W8x)
    }

    /// How many worker processes share the jobs.
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::W3 => 8,
            Self::W3x => 64,
            _ => 1,
        }
    }

    /// How many tasks send, beside the main one; none where that one sends itself, as it would in a program without tasks.
    pub(crate) fn sending_tasks(self) -> u64 {
        match self {
            Self::W7a => 1,
            Self::W7b => 2,
            Self::W7c => 4,
            _ => 0,
        }
    }

    /// The bytes of a large value; none where all values are small structs.
    pub(crate) fn usual_size(self) -> Option<usize> {
        match self {
            Self::W5 | Self::W8x => Some(1 << 20),
            Self::W5x => Some(64 << 20),
            Self::W6 => Some(1 << 30),
            _ => None,
        }
    }

    /// How many jobs make a run of one to three seconds on an ordinary machine.
    pub(crate) fn usual_n(self, system: SystemName) -> u64 {
        let slowness = system.slowness();
        match self {
            Self::W1 => 20_000_000 / slowness,
            Self::W2 | Self::W3 | Self::W3x | Self::W7a | Self::W7b | Self::W7c | Self::W8 => {
                10_000_000 / slowness
            }
            Self::W4 | Self::W4pin => 20_000,
            Self::W5 | Self::W8x => 4_000 / slowness.min(4),
            Self::W5x => 32,
            Self::W6 => 5_000,
        }
    }

    /// One line for the head of a table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::W1 => "one-way, 1 worker",
            Self::W2 => "job and result, 1 worker",
            Self::W3 => "job and result, 8 workers",
            Self::W3x => "job and result, 64 workers",
            Self::W4 => "one job in flight: round trip",
            Self::W4pin => "one job in flight, all processes on one core: round trip",
            Self::W5 => "one-way, values of 1 MiB",
            Self::W5x => "one-way, values of 64 MiB",
            Self::W6 => "round trip of 1 KiB jobs, alone and beside a value of 1 GiB on the same connection",
            Self::W7a => "one-way, sent by 1 task",
            Self::W7b => "one-way, sent by 2 tasks",
            Self::W7c => "one-way, sent by 4 tasks",
            Self::W8 => "job and result under TLS, 1 worker",
            Self::W8x => "one-way under TLS, values of 1 MiB",
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
    /// A tokio socket, as a user would write a ping-pong: the ceiling of what is async.
    RawTokio,
    /// gRPC: streams both ways, into which tasks send.
    Tonic,
    /// The same, where the stream makes each job itself: nobody can send.
    TonicPolled,
    /// ZeroMQ, one PUSH/PULL pair for each direction.
    Zmq,
    /// Remote channels.
    Remoc,
    /// Calls.
    Tarpc,
    /// NATS without its streams: subjects and a queue group.
    Nats,
    /// NATS with its streams: a work queue in memory, acknowledged.
    Jetstream,
}

impl SystemName {
    /// How many times fewer jobs than others a system gets, so that its run lasts as long as theirs.
    fn slowness(self) -> u64 {
        match self {
            Self::Distchan | Self::Raw | Self::RawTokio => 1,
            Self::Tonic | Self::TonicPolled => 2,
            Self::Zmq => 4,
            Self::Nats => 10,
            Self::Tarpc => 20,
            Self::Remoc | Self::Jetstream => 100,
        }
    }
}

/// What carries the bytes between the processes.
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
    /// How many jobs; in W6, how many of those that are alone.
    pub(crate) n: u64,
    /// The bytes of a large value, where the scenario has one.
    pub(crate) size: usize,
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
