//! What must come of a run, whatever happens in it. The oracle knows every job by its number and is shown everything that becomes
//! visible; it never sees a machine.

use std::collections::BTreeMap;

use distchan_proto::Direction;
use distchan_proto::batch::{Batch, Kind};
use distchan_proto::ids::{JobId, SinkId};

use crate::plan::{ChannelPlan, Plan};

/// Says what was promised and not kept.
pub type Verdict = Result<(), String>;

/// The judge of one run.
#[derive(Debug)]
pub struct Oracle {
    seed: u64,
    channels: Vec<Record>,
    /// Values that each life of a worker has sent and that have arrived, by channel and life.
    values: BTreeMap<(usize, u64), u64>,
}

#[derive(Debug)]
struct Record {
    plan: ChannelPlan,
    ended: Vec<bool>,
    open: u64,
    next: u64,
    is_finished: bool,
}

/// How a job must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Its results, in order; none where it fails.
    pub results: Vec<Vec<u8>>,
    /// Whether its handler says that it failed.
    pub fails: bool,
}

impl Oracle {
    /// A judge who has seen nothing yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let record = |channel: &ChannelPlan| {
            let jobs = if channel.direction == Direction::Up { 0 } else { channel.jobs };
            let ended = vec![false; usize::try_from(jobs).unwrap_or(0)];
            Record { plan: channel.clone(), ended, open: jobs, next: 1, is_finished: false }
        };
        let channels = plan.channels.iter().map(record).collect();
        Self { seed: plan.seed, channels, values: BTreeMap::new() }
    }

    fn draw(&self, channel: usize, job: JobId, what: u64) -> u64 {
        let mut x = self.seed ^ (channel as u64) << 56 ^ job.0 << 16 ^ what;
        for _ in 0..2 {
            x = (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        x ^ (x >> 29)
    }

    fn bytes(&self, channel: usize, job: JobId, what: u64) -> Vec<u8> {
        let largest = self.channels.get(channel).map_or(0, |record| record.plan.largest) as u64;
        let first = self.draw(channel, job, what);
        // Most values are small, some as large as they may be.
        let length = if first.is_multiple_of(8) { largest } else { first % (largest / 10 + 1) };
        let name = [job.0.to_le_bytes(), what.to_le_bytes()].concat();
        name.into_iter().chain((0..length).map(|at| at.wrapping_mul(first | 1).to_le_bytes()[3])).collect()
    }

    /// What a job's value is.
    #[must_use]
    pub fn payload(&self, channel: usize, job: JobId) -> Vec<u8> {
        self.bytes(channel, job, 1)
    }

    /// Where a job's results go.
    #[must_use]
    pub fn sink(&self, channel: usize, job: JobId) -> SinkId {
        let draw = self.draw(channel, job, 2);
        SinkId(if draw.is_multiple_of(4) { u32::from((draw >> 8).to_le_bytes()[0] % 3) } else { 0 })
    }

    /// How a job must end, whoever works on it and however often.
    #[must_use]
    pub fn fate(&self, channel: usize, job: JobId) -> Fate {
        let draw = self.draw(channel, job, 3);
        let fails = draw.is_multiple_of(16);
        let count = [0, 0, 1, 1, 1, 1, 2, 7][usize::from((draw >> 8).to_le_bytes()[0] % 8)];
        let results =
            (0..if fails { 0 } else { count }).map(|index| self.bytes(channel, job, 10 + index)).collect();
        Fate { results, fails }
    }

    /// A worker has a job.
    ///
    /// # Errors
    /// It is not the job that was sent under this number.
    pub fn delivered(&self, channel: usize, job: JobId, bytes: &[u8]) -> Verdict {
        if bytes == self.payload(channel, job) {
            Ok(())
        } else {
            Err(format!("job {job} of {channel} arrived changed"))
        }
    }

    /// The server's receiver sees outcomes.
    ///
    /// # Errors
    /// An outcome that is wrong, incomplete, doubled, out of order or late.
    pub fn released(&mut self, channel: usize, sink: SinkId, batch: &Batch) -> Verdict {
        let mut results: Vec<Vec<u8>> = Vec::new();
        let mut of = None;
        for (start, entry) in batch.iter() {
            let payload =
                batch.payload.get(start as usize..entry.end as usize).ok_or("a range outside its batch")?;
            match entry.kind {
                Kind::Void => continue,
                Kind::Value => {
                    self.value(channel, payload)?;
                    continue;
                }
                Kind::Returned => return Err(format!("a return of job {} for a receiver", entry.job)),
                Kind::Result | Kind::Last => results.push(payload.to_vec()),
                Kind::Done | Kind::Failed => {}
            }
            if of.replace(entry.job).is_some_and(|other| other != entry.job) {
                return Err(format!("job {} begins before another's end", entry.job));
            }
            if entry.kind == Kind::Result {
                continue;
            }
            of = None;
            for job in (entry.job.0..entry.job.0.saturating_add(entry.run())).map(JobId) {
                let fate = Fate { results: std::mem::take(&mut results), fails: entry.kind == Kind::Failed };
                self.ended(channel, sink, job, &fate)?;
            }
        }
        if of.is_some() { Err("results without an end".to_owned()) } else { Ok(()) }
    }

    fn ended(&mut self, channel: usize, sink: SinkId, job: JobId, fate: &Fate) -> Verdict {
        if *fate != self.fate(channel, job) {
            return Err(format!(
                "job {job} of {channel} ended with {} results, not as it must",
                fate.results.len()
            ));
        }
        if sink != self.sink(channel, job) {
            return Err(format!("job {job} of {channel} ended in sink {sink}"));
        }
        let record = self.channels.get_mut(channel).ok_or("no such channel")?;
        let index = usize::try_from(job.0 - 1).map_err(|_| "no such job")?;
        let ended = record.ended.get_mut(index).ok_or_else(|| format!("job {job} was never sent"))?;
        if std::mem::replace(ended, true) {
            return Err(format!("job {job} of {channel} has two outcomes"));
        }
        record.open -= 1;
        if record.is_finished {
            return Err(format!("job {job} ended after its channel was finished"));
        }
        if record.plan.ordered && record.next != job.0 {
            return Err(format!("job {job} ended where {} was next", record.next));
        }
        record.next += 1;
        Ok(())
    }

    /// The bytes of a value that a life of a worker sends unasked.
    #[must_use]
    pub fn value_of(life: u64, index: u64) -> Vec<u8> {
        [life.to_le_bytes(), index.to_le_bytes()].concat()
    }

    fn value(&mut self, channel: usize, bytes: &[u8]) -> Verdict {
        let (words, rest) = bytes.as_chunks::<8>();
        let ([life, index], []) = (words, rest) else {
            return Err("a value that nobody sent".to_owned());
        };
        let (life, index) = (u64::from_le_bytes(*life), u64::from_le_bytes(*index));
        let next = self.values.entry((channel, life)).or_default();
        if *next != index {
            return Err(format!("value {index} of life {life} arrived where {next} was next"));
        }
        *next += 1;
        Ok(())
    }

    /// A worker has closed politely, after so many values.
    ///
    /// # Errors
    /// Not all of them have arrived.
    pub fn values_done(&self, channel: usize, life: u64, count: u64) -> Verdict {
        let arrived = self.values.get(&(channel, life)).copied().unwrap_or_default();
        if arrived == count {
            Ok(())
        } else {
            Err(format!("{arrived} of {count} values of life {life} arrived"))
        }
    }

    /// The server says that a channel is finished.
    ///
    /// # Errors
    /// It is not, or was before.
    pub fn finished(&mut self, channel: usize) -> Verdict {
        let record = self.channels.get_mut(channel).ok_or("no such channel")?;
        if std::mem::replace(&mut record.is_finished, true) {
            return Err(format!("channel {channel} is finished twice"));
        }
        if record.open > 0 {
            Err(format!("channel {channel} is finished with {} jobs open", record.open))
        } else {
            Ok(())
        }
    }

    /// A worker was told that a channel is finished.
    ///
    /// # Errors
    /// It is not.
    pub fn told_finished(&self, channel: usize) -> Verdict {
        let is_finished = self.channels.get(channel).is_some_and(|record| record.is_finished);
        if is_finished {
            Ok(())
        } else {
            Err(format!("a worker was told that channel {channel} is finished"))
        }
    }

    /// Whether every channel with jobs is finished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.channels.iter().all(|record| record.is_finished || record.plan.direction == Direction::Up)
    }
}
