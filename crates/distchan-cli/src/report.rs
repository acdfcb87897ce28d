//! How a run stands, as others are told: over the wire, as JSON, and on screens. Leaves only; nothing here finds out anything.
//!
//! The JSON has a version, `schema`: it is raised when a field is taken away or changes its meaning, not when one is added.

use serde::{Deserialize, Serialize};

/// The version of the JSON.
pub(crate) const SCHEMA: u32 = 1;

/// How a run stands, at one point in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) schema: u32,
    /// Seconds since the run began.
    pub(crate) elapsed_s: f64,
    pub(crate) jobs: Jobs,
    /// Jobs that ended, in a second: of the last few seconds.
    pub(crate) rate_per_s: f64,
    /// Seconds until all is done if it goes on like this; none where the number of jobs is not known yet, or nothing ends.
    pub(crate) eta_s: Option<f64>,
    pub(crate) bottleneck: Bottleneck,
    pub(crate) workers: Vec<WorkerStatus>,
    /// What runs now, the oldest first, so many at most as [`MOST_RUNNING`] says.
    pub(crate) running: Vec<RunningJob>,
}

/// How many running jobs are listed.
pub(crate) const MOST_RUNNING: usize = 256;

/// How many jobs there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Jobs {
    /// Read so far: of all, once `is_total`.
    pub(crate) read: u64,
    pub(crate) is_total: bool,
    /// They wait for a slot.
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Runs beyond a job's first, because it had failed.
    pub(crate) retried: u64,
    /// Passed over, because they are in the job log.
    pub(crate) skipped: u64,
}

/// What more of would make it faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bottleneck {
    /// No worker is there.
    NoWorkers,
    /// Jobs wait, and every slot is taken.
    Workers,
    /// Whoever reads the output is slower than the workers.
    Reader,
    /// Slots are free, and the inputs come slower than they are done.
    Inputs,
    /// All jobs that are left are running.
    LastJobs,
    /// All is done.
    Nothing,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerStatus {
    /// The machine; `:` for the server's own.
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// Where it connects from.
    pub(crate) peer: String,
    pub(crate) slots: u32,
    /// Jobs that it has, begun or not.
    pub(crate) in_flight: u64,
    pub(crate) completed: u64,
    /// A worker whose connection broke keeps its jobs for a while, and may come back.
    pub(crate) is_connected: bool,
}

/// A job that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunningJob {
    pub(crate) job: u64,
    pub(crate) host: String,
    pub(crate) slot: u32,
    /// Seconds since it was started.
    pub(crate) runtime_s: f64,
    /// Which run of it this is, from 1.
    pub(crate) run: u32,
    pub(crate) command: String,
}

/// What has become of one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Explained {
    pub(crate) schema: u32,
    pub(crate) job: u64,
    pub(crate) state: State,
    /// Why it is in that state, in words.
    pub(crate) reason: String,
    pub(crate) command: Option<String>,
    /// The oldest first.
    pub(crate) attempts: Vec<AttemptReport>,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Its input has not been read.
    Unknown,
    Queued,
    Running,
    Succeeded,
    Failed,
    /// It ended, or was passed over, too long ago to be remembered.
    Forgotten,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttemptReport {
    pub(crate) host: String,
    pub(crate) slot: u32,
    /// Seconds since 1970, by the worker's clock.
    pub(crate) started: f64,
    /// None while it runs, and where its worker was lost.
    pub(crate) runtime_s: Option<f64>,
    /// How it ended, in words.
    pub(crate) outcome: String,
    /// As a shell would say it.
    pub(crate) status: Option<i32>,
}

impl Bottleneck {
    /// In words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NoWorkers => "waiting for workers: none is there",
            Self::Workers => "waiting for workers: every slot is taken",
            Self::Reader => "waiting for the results' reader",
            Self::Inputs => "waiting for inputs",
            Self::LastJobs => "waiting for the last jobs",
            Self::Nothing => "nothing: all is done",
        }
    }
}

impl State {
    /// In a word.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Forgotten => "forgotten",
        }
    }
}
