//! What a job is, and what must come of it: all of it follows from the seed, the server's run, the channel and the number. Its bytes name it,
//! so that whatever appears anywhere shows where it came from.

use std::time::Duration;

use bytes::Bytes;
use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::scattered::ScatteredMut;

use crate::dice::draw;
use crate::plan::Plan;
use crate::plan::faults::Fault;

/// A job of one channel in one run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobName {
    pub(crate) epoch: u32,
    pub(crate) channel: u32,
    pub(crate) job: JobId,
}

/// Whose result a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResultName {
    pub(crate) name: JobName,
    pub(crate) attempt: Attempt,
    /// The worker's process.
    pub(crate) life: u32,
    pub(crate) index: u32,
}

/// What a handler does with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Works, and completes it.
    Complete,
    /// Works, and says that it failed.
    Fail,
    /// Kills its process.
    Crash,
    /// Never comes back by itself.
    Hang,
}

/// What must come of a job, whoever works on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// How many results it has.
    pub(crate) results: u32,
    /// What its first executions come to, and of how many attempts that holds; then it completes.
    trouble: Behaviour,
    troubled: u32,
    /// How long a handler works on it.
    pub(crate) work: Duration,
    /// Where its results go.
    pub(crate) sink: SinkId,
    /// When its client cancels it, after it was sent.
    pub(crate) cancel: Option<Duration>,
    /// How long it may take, from when it was sent.
    pub(crate) within: Option<Duration>,
    /// How long its handler goes on when it is cancelled.
    pub(crate) deafness: Duration,
}

impl Fate {
    pub(crate) fn of(plan: &Plan, name: JobName) -> Self {
        let draw =
            |what| draw(plan.seed, &[u64::from(name.epoch), u64::from(name.channel), name.job.0, what]);
        let happens = |fault, what| draw(what) % 1000 < plan.faults.share(fault);
        let channel = plan.channels.get(name.channel as usize);
        let scale = channel.map_or(Duration::ZERO, |channel| channel.work);
        let can_hang = channel.is_some_and(|channel| channel.policy.job_timeout.is_some());
        let trouble = if happens(Fault::Poison, 1) {
            Behaviour::Crash
        } else if happens(Fault::Fail, 2) {
            Behaviour::Fail
        } else if can_hang && happens(Fault::Hang, 3) {
            Behaviour::Hang
        } else {
            Behaviour::Complete
        };
        let work = match draw(4) % 64 {
            0 => scale * 10,
            1..8 => scale / 100,
            other => scale * u32::try_from(other).unwrap_or(0) / 32,
        };
        let spread = |what: u64, most: u64| Duration::from_micros(draw(what) % (most * 1_000_000).max(1));
        let ignores = happens(Fault::Ignore, 8);
        Self {
            results: [0, 1, 1, 1, 1, 1, 2, 7][(draw(5) % 8) as usize],
            trouble,
            troubled: [1, 2, u32::MAX][(draw(6) % 3) as usize],
            work,
            sink: SinkId(if draw(7).is_multiple_of(4) {
                u32::from((draw(7) >> 8).to_le_bytes()[0] % 3)
            } else {
                0
            }),
            cancel: happens(Fault::Cancel, 9).then(|| spread(10, [1, 10, 60][(draw(11) % 3) as usize])),
            within: happens(Fault::Deadline, 12).then(|| spread(13, [1, 10, 60][(draw(14) % 3) as usize])),
            deafness: if ignores { spread(15, 60) } else { Duration::ZERO },
        }
    }

    /// What a handler does in this attempt.
    pub(crate) const fn behaviour(&self, attempt: Attempt) -> Behaviour {
        if attempt.0 <= self.troubled { self.trouble } else { Behaviour::Complete }
    }

    /// How long into its work a crash comes: at once, or after a while.
    pub(crate) const fn crash_after(&self) -> Duration {
        if self.results.is_multiple_of(2) { Duration::ZERO } else { self.work }
    }
}

/// The bytes of a job.
pub(crate) fn payload(plan: &Plan, name: JobName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    put_name(&mut bytes, name);
    fill(plan, name, 100, &mut bytes);
    bytes
}

/// The bytes of a result.
pub(crate) fn result(plan: &Plan, of: ResultName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    put_name(&mut bytes, of.name);
    bytes.extend_from_slice(&of.attempt.0.to_le_bytes());
    bytes.extend_from_slice(&of.life.to_le_bytes());
    bytes.extend_from_slice(&of.index.to_le_bytes());
    fill(plan, of.name, 200 + u64::from(of.index), &mut bytes);
    bytes
}

/// Appends bytes as a codec does that leaves large ones where they are: those that name the job are copied, the others lie in two pieces.
pub(crate) fn put(bytes: impl Into<Bytes>, out: &mut ScatteredMut) {
    let bytes = bytes.into();
    let name = bytes.len().min(16);
    let middle = name + (bytes.len() - name) / 3;
    out.put(&bytes.slice(..name));
    out.put(&bytes.slice(name..middle));
    out.put(&bytes.slice(middle..));
}

/// Which job these bytes are said to be of.
pub(crate) fn name_of(bytes: &[u8]) -> Option<JobName> {
    Some(JobName { epoch: word(bytes, 0)?, channel: word(bytes, 4)?, job: JobId(long(bytes, 8)?) })
}

/// Whose result these bytes are said to be.
pub(crate) fn result_name_of(bytes: &[u8]) -> Option<ResultName> {
    Some(ResultName {
        name: name_of(bytes)?,
        attempt: Attempt(word(bytes, 16)?),
        life: word(bytes, 20)?,
        index: word(bytes, 24)?,
    })
}

fn put_name(bytes: &mut Vec<u8>, name: JobName) {
    bytes.extend_from_slice(&name.epoch.to_le_bytes());
    bytes.extend_from_slice(&name.channel.to_le_bytes());
    bytes.extend_from_slice(&name.job.0.to_le_bytes());
}

/// Most values are small, some as large as they may be.
fn fill(plan: &Plan, name: JobName, what: u64, bytes: &mut Vec<u8>) {
    let largest = plan.channels.get(name.channel as usize).map_or(0, |channel| channel.largest) as u64;
    let first = draw(plan.seed, &[u64::from(name.epoch), u64::from(name.channel), name.job.0, what]);
    let length = if first.is_multiple_of(8) { largest } else { first % (largest / 10 + 1) };
    let end = bytes.len() + usize::try_from(length).unwrap_or(0);
    let mut word = first | 1;
    while bytes.len() < end {
        word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(end);
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// A number of channels, or of anything else that a plan has a few of.
pub(crate) fn few(index: usize) -> u32 {
    u32::try_from(index).expect("a plan has a few of each")
}

/// A plan's time in milliseconds.
pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a plan ends before the world does")
}

/// The key of a job, where jobs have keys: one of a few.
pub(crate) const fn key(name: JobName) -> u64 {
    name.job.0 % 7
}
