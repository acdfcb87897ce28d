//! What a server and its workers say to each other, as serde types over channels of the library: jobs with their endings, what workers tell unasked, and
//! to each worker a channel of its own with what it is to know; and what those who watch ask, with a channel for the answers to each. Nothing here does
//! anything.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::report::{Explained, Status};

/// Keeps other applications of the library out, and other versions of this protocol: raised whenever a type here, or its meaning, changes.
pub(crate) const SIGNATURE: &str = "distchan command, protocol 1";

/// The channel of jobs and their endings.
pub(crate) const JOBS: &str = "jobs";

/// The channel of what workers tell unasked.
pub(crate) const NEWS: &str = "news";

/// The channel of what those who watch want to know.
pub(crate) const QUESTIONS: &str = "questions";

/// The largest value on any of the channels: a line of input may be as long as memory allows, and an answer to it too.
pub(crate) const MAX_VALUE: usize = 1024 * 1024 * 1024;

/// Output of a job up to this size travels in its ending. What is larger travels ahead of it, in [`Chunk`]s, and waits on the server's disk.
pub(crate) const INLINE: usize = 1024 * 1024;

/// The channel of what one worker is to know.
pub(crate) fn orders(worker: u64) -> String {
    format!("orders {worker:016x}")
}

/// The channel of the answers to one who watches.
pub(crate) fn answers(asker: u64) -> String {
    format!("answers {asker:016x}")
}

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Its place among all jobs, from 1: what `{#}` stands for.
    pub(crate) seq: u64,
    /// What the replacement strings stand for: `{1}`, `{2}` and so on; all of them together are `{}`.
    pub(crate) args: Vec<Bytes>,
    /// What the process reads on its standard input.
    pub(crate) stdin: Option<Bytes>,
}

/// How a job ended: its process is gone, or was never there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) seq: u64,
    /// Which run of the job it was; names its chunks.
    pub(crate) run: RunId,
    /// Which of the worker's slots ran it, from 1: what `{%}` stands for.
    pub(crate) slot: u32,
    /// When the process was started, in microseconds since 1970, by the worker's clock.
    pub(crate) started: u64,
    /// How long it ran, in microseconds.
    pub(crate) runtime: u64,
    pub(crate) exit: Exit,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// One run of a job by one worker. No two are equal, whatever was run twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RunId {
    /// The number that the worker has given itself.
    pub(crate) worker: u64,
    /// Counted by the worker.
    pub(crate) number: u64,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It was ended by this signal.
    Signal(i32),
    /// It took longer than it may, and was ended by this signal.
    TimedOut(i32),
    /// It could not be started; the status that a shell would give (126, 127), and why.
    NotStarted(i32, String),
    /// It answered otherwise than a persistent process has to: why.
    Misbehaved(String),
    /// Nobody knows: the workers that ran it were lost, one after the other; in words.
    Lost(String),
}

/// What a process wrote to one of its outputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Output {
    /// All of it.
    Whole(Bytes),
    /// So many chunks of it have been sent, with so many bytes.
    Sent { chunks: u64, bytes: u64 },
}

/// One of a process's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A piece of what a process wrote, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) seq: u64,
    pub(crate) run: RunId,
    pub(crate) stream: Stream,
    pub(crate) bytes: Bytes,
}

/// What a worker tells unasked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// It is there, and waits for its [`Plan`].
    Hello(Hello),
    /// It has begun a job.
    Begun { seq: u64, run: RunId, slot: u32, started: u64 },
    /// A process has written something.
    Chunk(Chunk),
    /// It leaves: it was asked to, or its own user does not allow what the plan asks for.
    Bye { worker: u64, reason: String },
}

/// Who a worker is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// A number of its own choice.
    pub(crate) worker: u64,
    /// The machine's name; empty for a worker inside the server's process.
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// How many jobs it runs at once.
    pub(crate) slots: u32,
}

/// What a server tells one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// What all jobs have in common. Comes first, once.
    Plan(Box<Plan>),
    /// From now on a job may take so long, in microseconds.
    TimeLimit(u64),
    /// A job's ending has been seen, and it is not enough: see [`Pauses`].
    GoOn,
    /// Begin nothing more, and finish what was begun.
    Drain,
}

/// What somebody who watches wants to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// A number of its own choice: names the channel of its answers.
    pub(crate) asker: u64,
    pub(crate) question: Question,
}

/// A question; each gets one [`Answer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// How the run stands.
    Status,
    /// What has become of the job with this number.
    Explain(u64),
}

/// What the server says to a [`Question`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Status(Box<Status>),
    Explained(Box<Explained>),
}

/// What all jobs of a run have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The command; none where each worker has its own.
    pub(crate) command: Option<Command>,
    /// The names of the inputs, for workers with a command of their own.
    pub(crate) names: Vec<Bytes>,
    /// Whether their commands get the inputs as arguments.
    pub(crate) appends: bool,
    /// Variables that jobs get beside those of the worker.
    pub(crate) env: Vec<(Bytes, Bytes)>,
    /// The directory in which jobs run; the worker's own where there is none.
    pub(crate) workdir: Option<Bytes>,
    /// How output comes back.
    pub(crate) delivery: Delivery,
    /// How a job's standard input is used.
    pub(crate) feeding: Feeding,
    /// How long a job may take, in microseconds.
    pub(crate) time_limit: Option<u64>,
    /// The time between two starts on one worker, in microseconds.
    pub(crate) delay: u64,
    /// Bytes of memory that must be free where a job is to start.
    pub(crate) free_memory: u64,
    /// After which endings a worker begins nothing more until it is told to go on: the server may have had enough.
    pub(crate) pauses: Pauses,
}

/// After which endings a worker waits for [`Order::GoOn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pauses {
    pub(crate) on_failure: bool,
    pub(crate) on_success: bool,
}

/// A command with replacement strings, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command {
    /// Its words.
    pub(crate) words: Vec<Bytes>,
    /// Whether the words reach the program as they are, and no shell sees them.
    pub(crate) is_quoted: bool,
    /// The replacement string for all of a job's arguments.
    pub(crate) braces: Bytes,
    /// The names of the arguments, where they have any.
    pub(crate) names: Vec<Bytes>,
    /// Whether arguments that no replacement string asks for are put at the end.
    pub(crate) appends: bool,
}

/// How a job's output comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// At its end.
    Whole,
    /// As it is written, in whole lines.
    Lines,
    /// As it is written.
    AsRead,
}

/// How a job's standard input is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Feeding {
    /// A process for each job reads it to its end.
    Once,
    /// One process after the other reads records, each ended by this byte, and answers each with one.
    Records(u8),
    /// The same, with records that begin with their length: 4 bytes, the highest first.
    Lengths,
}

impl Hello {
    /// What the library calls this worker.
    pub(crate) fn name(&self) -> String {
        worker_name(&self.host, self.pid)
    }
}

/// What the library calls a worker: its machine and its process, or `here` inside the server's.
pub(crate) fn worker_name(host: &str, pid: u32) -> String {
    if host.is_empty() { "here".to_owned() } else { format!("{host} pid {pid}") }
}

impl Exit {
    /// Whether the job did what it should.
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// As a shell would say it.
    pub(crate) const fn status(&self) -> i32 {
        match self {
            Self::Code(code) | Self::NotStarted(code, _) => *code,
            Self::Signal(signal) => 128 + *signal,
            Self::TimedOut(_) => 124,
            Self::Misbehaved(_) => 1,
            Self::Lost(_) => 255,
        }
    }

    /// Why, in words, where the status alone does not say it.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::NotStarted(_, reason) | Self::Misbehaved(reason) | Self::Lost(reason) => Some(reason),
            Self::Code(_) | Self::Signal(_) | Self::TimedOut(_) => None,
        }
    }
}

impl Pauses {
    /// Whether a worker waits after this.
    pub(crate) const fn after(self, exit: &Exit) -> bool {
        if exit.is_success() { self.on_success } else { self.on_failure }
    }
}

impl Output {
    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Sent { bytes, .. } => *bytes,
        }
    }
}
