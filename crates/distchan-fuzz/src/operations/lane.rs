//! A channel as the server's user has it: what was sent, and what has come of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use distchan_proto::batch::{Batch, Kind, OpenBatch, Submission};
use distchan_proto::failure::Failure;
use distchan_proto::ids::{Attempt, ChannelId, JobId, SinkId};
use distchan_proto::limits;
use distchan_proto::scattered::ScatteredMut;
use distchan_proto::schema::Schema;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::{Direction, Distribution, Policy};

use crate::script::Script;

/// The channels' names. The last is opened late, or never.
pub(super) const NAMES: [&str; 4] = ["work", "care", "way", "seal"];

/// A job as it was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    sink: u32,
    size: usize,
    outcomes: u8,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: ChannelId,
    pub(super) spec: ChannelSpec,
    pub(super) options: ChannelOptions,
    number: u8,
    jobs: Vec<Sent>,
    /// Sent, and not yet taken by the machine.
    pub(super) waiting: VecDeque<Submission>,
    /// Results that were released and not read.
    pub(super) unread: u64,
    pub(super) is_closed: bool,
    pub(super) is_deaf: bool,
    pub(super) is_finished: bool,
    /// The last job whose outcome the receiver has seen.
    last_seen: u64,
}

impl Lane {
    pub(super) const fn new(number: u8, id: ChannelId, spec: ChannelSpec, options: ChannelOptions) -> Self {
        Self {
            id,
            spec,
            options,
            number,
            jobs: Vec::new(),
            waiting: VecDeque::new(),
            unread: 0,
            is_closed: false,
            is_deaf: false,
            is_finished: false,
            last_seen: 0,
        }
    }

    /// The user sends some jobs.
    pub(super) fn send(&mut self, script: &mut Script<'_>, left: &mut usize) {
        let count = script.below(12) + 1;
        let (sink, shape) = (script.byte(), script.byte());
        let size = [0, 9, 10, 40, 300, 4_096, 9, 66_000][usize::from(shape & 7)];
        if self.is_closed || self.spec.direction == Direction::Up || size * count > *left {
            return;
        }
        *left -= size * count;
        let sink = if sink < 0xc0 { 0 } else { u32::from(sink & 3) };
        let mut batch = OpenBatch::default();
        for _ in 0..count {
            self.jobs.push(Sent { sink, size, outcomes: 0 });
            put(&self.payload(self.jobs.len() as u64, size), &mut batch.payload);
            batch.push(Kind::Value, JobId(0), Attempt::FIRST, sink);
            if self.options.policy.by_key {
                batch.keys.push(u64::from(script.byte() & 7));
            }
        }
        let mut batch = batch.take();
        if shape & 0x18 == 0x18 {
            let left = Duration::from_millis(u64::from(script.byte()) * u64::from(script.byte()));
            batch.deadlines = (0..).take(count).step_by(2).map(|index| (index, left)).collect();
        }
        self.waiting.push_back(batch);
    }

    /// How many jobs were sent.
    pub(super) const fn sent(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// What the job of this number is: the channel, the number, and a filling.
    fn payload(&self, job: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![self.number];
        bytes.extend(job.to_le_bytes());
        bytes.resize(size.max(9), 0x5a);
        bytes.truncate(size);
        bytes
    }

    /// What an honest worker was given is what was sent.
    pub(super) fn check_job(&self, job: JobId, payload: &[u8]) {
        let sent = job.0.checked_sub(1).and_then(|index| self.jobs.get(usize::try_from(index).ok()?));
        let sent = sent.unwrap_or_else(|| panic!("job {job} was never sent"));
        assert_eq!(payload, self.payload(job.0, sent.size), "job {job} is another one");
    }

    /// What was released to a receiver: each job's results, then its end, once.
    pub(super) fn take(&mut self, sink: SinkId, batch: &Batch, is_pure: bool) {
        assert!(!self.is_finished, "results behind the end");
        self.unread += batch.cost();
        if self.spec.direction == Direction::Up {
            return assert!(batch.entries.iter().all(|entry| entry.kind == Kind::Value));
        }
        let mut before: Option<JobId> = None;
        for (start, entry) in batch.iter() {
            let payload = &batch.payload[start as usize..entry.end as usize];
            assert!(before.is_none_or(|job| job == entry.job), "results of two jobs are mixed");
            match entry.kind {
                Kind::Void => continue,
                Kind::Result | Kind::Last => self.check_result(entry.job, payload, is_pure),
                Kind::Done => {}
                Kind::Failed => {
                    let failure = Failure::decode(&payload.to_vec().into()).expect("a failure's payload");
                    assert!(failure.attempts.len() <= limits::MAX_HISTORY);
                }
                Kind::Value | Kind::Returned | Kind::Unbegun => panic!("{entry:?} for a receiver"),
            }
            before = (entry.kind == Kind::Result).then_some(entry.job);
            if entry.kind != Kind::Result {
                (0..entry.run()).for_each(|further| self.end(sink, entry.job.0 + further));
            }
        }
        assert!(before.is_none(), "results without an end");
    }

    fn check_result(&self, job: JobId, payload: &[u8], is_pure: bool) {
        if is_pure {
            let (last, payload) = payload.split_last().expect("a result has a mark");
            assert_eq!(*last, b'!');
            self.check_job(job, payload);
        }
    }

    fn end(&mut self, sink: SinkId, job: u64) {
        let index = usize::try_from(job - 1).expect("few jobs were sent");
        let sent = self.jobs.get_mut(index).unwrap_or_else(|| panic!("job {job} was never sent"));
        assert_eq!(sent.sink, sink.0, "job {job} has come to another sink");
        sent.outcomes += 1;
        assert_eq!(sent.outcomes, 1, "job {job} has two outcomes");
        if self.options.ordered && sink == SinkId::RECEIVER {
            assert!(self.last_seen < job, "job {job} comes behind {}", self.last_seen);
            self.last_seen = job;
        }
    }

    /// When all is over, every job has its outcome.
    pub(super) fn check_end(&self) {
        if self.spec.direction == Direction::Jobs {
            for (job, sent) in (1..).zip(&self.jobs) {
                let is_heard = sent.sink != 0 || !self.is_deaf;
                assert!(!is_heard || sent.outcomes == 1, "job {job} has no outcome");
            }
        }
    }
}

/// How a channel is used, on both sides.
pub(super) fn spec(number: usize, is_up: bool) -> ChannelSpec {
    let direction = match (number, is_up) {
        (2, false) => Direction::Down,
        (2, true) => Direction::Up,
        _ => Direction::Jobs,
    };
    ChannelSpec {
        name: NAMES[number].into(),
        direction,
        codec: "plain".into(),
        job: Schema::of::<String>(false),
        result: Schema::of::<String>(false),
        compressors: Vec::new(),
        transform: (number == 3).then(|| SharedTransform(Arc::new(Mask))),
        max_value: 100_000,
    }
}

/// The channel that has policies: what they are is in four bytes.
pub(super) fn options(script: &mut Script<'_>) -> ChannelOptions {
    let millis = Duration::from_millis;
    let (limits, times, others) = (script.byte(), script.byte(), script.byte());
    let pick = |shift: u8| u32::from(limits >> shift & 3).max(1);
    ChannelOptions {
        ordered: others & 1 != 0,
        credit: [None, Some(1), Some(3), Some(1000)][usize::from(others >> 1 & 3)],
        policy: Policy {
            crash_limit: pick(0),
            failure_limit: pick(2),
            timeout_limit: pick(4),
            job_timeout: [None, Some(millis(50)), Some(millis(2000)), None][usize::from(times & 3)],
            backoff: [(millis(100), millis(10_000)), (millis(0), millis(0)), (millis(1), millis(5))]
                [usize::from(times >> 2) % 3],
            distribution: if others & 8 == 0 { Distribution::RoundRobin } else { Distribution::LeastLoaded },
            by_key: others & 16 != 0,
            speculate_after: (others & 32 != 0).then_some(millis(10)),
        },
    }
}

/// Appends a payload as a codec does that leaves large bytes where they are: in three pieces.
pub(super) fn put(payload: &[u8], out: &mut ScatteredMut) {
    let bytes = Bytes::copy_from_slice(payload);
    let head = bytes.len().min(9);
    let middle = head + (bytes.len() - head) / 3;
    out.put(&bytes.slice(..head));
    out.put(&bytes.slice(head..middle));
    out.put(&bytes.slice(middle..));
}

/// A transform that can be undone, and says so where it cannot.
struct Mask;

impl Transform for Mask {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.push(0x4d);
        out.extend(plain.iter().map(|byte| byte ^ 0xa5));
    }

    fn decode(&self, coded: &[u8], _: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let rest = coded.strip_prefix(&[0x4d]).ok_or("no mask")?;
        out.extend(rest.iter().map(|byte| byte ^ 0xa5));
        Ok(())
    }
}
