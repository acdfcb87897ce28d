//! What is told of a job that was not completed: how it ended, the history of its attempts, and its value, to look at or to send again.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use distchan_proto::failure::{AttemptEnd, AttemptRecord, Ending, Failure};
use distchan_proto::ids::{Attempt, JobId, SessionId};

use crate::channel::port::{Decode, Port};
use crate::codec::CodecError;

/// A job that has another outcome than completion, with everything that is known of it. Cheap to clone.
///
/// ```no_run
/// # async fn example(jobs: distchan::JobSender<String, u64>, mut results: distchan::Receiver<u64>) -> Result<(), distchan::RecvError> {
/// use distchan::{Outcome, RecvError};
///
/// loop {
///     match results.recv().await {
///         Ok(Some(size)) => println!("{size} bytes"),
///         Ok(None) => break,
///         Err(RecvError::Failed(failed)) => {
///             println!("{failed}"); // says how it ended, why, and what happened at each attempt
///             if failed.outcome() == Outcome::Dead {
///                 println!("never send this again: {:?}", failed.value::<String>());
///             }
///         }
///         Err(other) => return Err(other),
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JobFailed {
    inner: Arc<Inner>,
}

struct Inner {
    job: JobId,
    outcome: Outcome,
    reason: String,
    attempts: Vec<AttemptInfo>,
    value: Bytes,
    origin: Arc<Origin>,
}

/// How a job ended that was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its handler said that it failed, as often as the channel allows: once, unless
    /// [`retry_failures`](crate::ChannelBuilder::retry_failures) says otherwise.
    Failed,
    /// It took its workers with it ([`crash_limit`](crate::ChannelBuilder::crash_limit)), or took too long
    /// ([`job_timeout`](crate::ChannelBuilder::job_timeout)), as often as the channel allows. Sent again, it may do so again.
    Dead,
    /// Whoever sent it no longer wanted it, or its deadline passed.
    Cancelled,
}

/// One attempt at a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptInfo {
    /// Which delivery it was, from 1. A delivery that was given back unstarted has a number as well.
    pub attempt: Attempt,
    /// What the worker calls itself.
    pub worker: String,
    /// The worker's session.
    pub session: SessionId,
    /// When the worker said that it had begun; where it said nothing, when the job was handed to it. By this server's clock.
    pub started: SystemTime,
    /// When the attempt ended, as this server knows it.
    pub ended: SystemTime,
    /// How.
    pub end: AttemptEnd,
}

/// Where failed jobs come from: one channel of one server.
pub(crate) struct Origin {
    /// A [`Decode<J>`].
    decode: Box<dyn Any + Send + Sync>,
    /// `J`.
    type_name: &'static str,
}

/// A failed job's value cannot be had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ValueError {
    /// The jobs of this channel are of another type than was asked for.
    OtherType {
        /// The type that they are of.
        jobs: &'static str,
        /// The type that was asked for.
        asked: &'static str,
    },
    /// It does not decode, although it was encoded here: a `Deserialize` that refuses what `Serialize` wrote.
    Decode(CodecError),
}

impl JobFailed {
    /// Reads what the server's machine has written.
    pub(crate) fn read(job: JobId, payload: &Bytes, origin: &Arc<Origin>, port: &dyn Port) -> Self {
        let failure = Failure::decode(payload).expect("the machine writes what it can read");
        let told = |record: &AttemptRecord| AttemptInfo {
            attempt: record.attempt,
            worker: record.worker.to_string(),
            session: record.session,
            started: port.wall_clock(record.started),
            ended: port.wall_clock(record.ended),
            end: record.end.clone(),
        };
        let inner = Inner {
            job,
            outcome: match failure.ending {
                Ending::Failed => Outcome::Failed,
                Ending::Dead => Outcome::Dead,
                Ending::Cancelled => Outcome::Cancelled,
            },
            reason: reason(&failure),
            attempts: failure.attempts.iter().map(told).collect(),
            // Copied, or a failed job that is kept would keep its whole batch.
            value: Bytes::copy_from_slice(&failure.value),
            origin: Arc::clone(origin),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which job, counted from 1 in the order of sending.
    pub fn job(&self) -> JobId {
        self.inner.job
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.inner.outcome
    }

    /// Why, in words: what the handler said at the last attempt, or what became of it. A worker's words are not to be trusted further than the worker.
    pub fn reason(&self) -> &str {
        &self.inner.reason
    }

    /// All attempts, the oldest first; of very many, the newest 16. None where the job never was with a worker.
    pub fn attempts(&self) -> &[AttemptInfo] {
        &self.inner.attempts
    }

    /// The job's value, decoded again.
    ///
    /// # Errors
    /// [`ValueError`]: the channel's jobs are not of type `J`, or it does not decode.
    pub fn value<J: 'static>(&self) -> Result<J, ValueError> {
        let origin = &self.inner.origin;
        let Some(decode) = origin.decode.downcast_ref::<Decode<J>>() else {
            let asked = std::any::type_name::<J>();
            return Err(ValueError::OtherType { jobs: origin.type_name, asked });
        };
        decode(&self.inner.value).map_err(ValueError::Decode)
    }

    /// The job's value as it was sent, where it was sent on the channel of `origin`.
    pub(crate) fn encoded(&self, origin: &Arc<Origin>) -> Option<&Bytes> {
        Arc::ptr_eq(&self.inner.origin, origin).then_some(&self.inner.value)
    }
}

impl Origin {
    pub(crate) fn new<J: 'static>(decode: Decode<J>) -> Arc<Self> {
        Arc::new(Self { decode: Box::new(decode), type_name: std::any::type_name::<J>() })
    }
}

/// Why a job has its outcome, in words.
fn reason(failure: &Failure) -> String {
    let last = failure.attempts.last().map(|record| &record.end);
    match (failure.ending, last) {
        (Ending::Cancelled, _) if failure.is_overdue => "its deadline passed".to_owned(),
        (Ending::Cancelled, _) => "whoever sent it no longer wants it".to_owned(),
        (Ending::Failed | Ending::Dead, Some(end)) => describe(end).to_owned(),
        (Ending::Failed | Ending::Dead, None) => "nothing is known of its attempts".to_owned(),
    }
}

/// How an attempt ended, in words.
fn describe(end: &AttemptEnd) -> &str {
    match end {
        AttemptEnd::Failed(reason) => reason,
        AttemptEnd::Crashed { started: true } => "its worker was lost while it worked on it",
        AttemptEnd::Crashed { started: false } => "its worker was lost; it may have begun it",
        AttemptEnd::TimedOut => "it took longer than the channel's job timeout",
        AttemptEnd::Returned => "its worker gave it back unstarted",
        AttemptEnd::Cancelled => "it was cancelled",
        _ => "it ended in a way that this version has no words for",
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Dead => "is dead",
            Self::Cancelled => "was cancelled",
        })
    }
}

impl fmt::Display for AttemptInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, worker, session, end, .. } = self;
        let took = self.ended.duration_since(self.started).unwrap_or(Duration::ZERO);
        write!(f, "attempt {attempt}: {} (worker {worker:?}, session {session}, {took:.1?})", describe(end))
    }
}

/// One line; where there were several attempts, one more for each.
impl fmt::Display for JobFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { job, outcome, reason, attempts, .. } = &*self.inner;
        match attempts.as_slice() {
            [] => write!(f, "job {job} {outcome} before any attempt: {reason}"),
            [one] => write!(f, "job {job} {outcome} in attempt {}: {reason}", one.attempt),
            several => {
                write!(f, "job {job} {outcome} after {} attempts: {reason}", several.len())?;
                several.iter().try_for_each(|attempt| write!(f, "\n  {attempt}"))
            }
        }
    }
}

impl fmt::Debug for JobFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is the user's own business.
        f.debug_struct("JobFailed")
            .field("job", &self.inner.job)
            .field("outcome", &self.inner.outcome)
            .field("reason", &self.inner.reason)
            .field("attempts", &self.inner.attempts)
            .finish_non_exhaustive()
    }
}

impl Error for JobFailed {}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("jobs", &self.type_name).finish_non_exhaustive()
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType { jobs, asked } => {
                write!(f, "the jobs of this channel are `{jobs}`, and not `{asked}`")
            }
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl Error for ValueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Decode(error) = self { error.source() } else { None }
    }
}
