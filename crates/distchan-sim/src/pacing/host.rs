//! A worker that does one job after the other, and gives back what it has not begun when it is asked.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::ids::{Attempt, ChannelNo, JobId};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::worker::{OpenOptions, WorkerConfig, WorkerEvent, WorkerMachine};

/// Short jobs are done in slices of this length, at whose end the answers of all leave together: a write takes about as long.
const SLICE: Duration = Duration::from_micros(10);

#[derive(Debug)]
pub(super) struct Host {
    machine: WorkerMachine,
    no: ChannelNo,
    waiting: VecDeque<(JobId, Attempt)>,
    /// What it is busy with.
    slice: Vec<(JobId, Attempt)>,
    answers: OpenBatch,
}

impl Host {
    pub(super) fn new(now: Time, spec: ChannelSpec) -> Self {
        let mut machine = WorkerMachine::new(WorkerConfig::default());
        machine.handle_connected(now, "");
        let no = machine.open(spec, OpenOptions::default()).expect("the first channel");
        let (waiting, slice, answers) = (VecDeque::new(), Vec::new(), OpenBatch::default());
        Self { machine, no, waiting, slice, answers }
    }

    pub(super) fn hear(&mut self, now: Time, bytes: &mut BytesMut) {
        self.machine.handle_input(now, bytes);
        while let Some(event) = self.machine.poll_event() {
            match event {
                WorkerEvent::Jobs { batch, .. } => {
                    self.waiting.extend(batch.entries.iter().map(|entry| (entry.job, entry.attempt)));
                }
                WorkerEvent::Recalled { count, .. } => {
                    let at = self.waiting.len().saturating_sub(count as usize);
                    for (job, attempt) in self.waiting.split_off(at) {
                        self.say(Kind::Unbegun, job, attempt);
                    }
                }
                _ => {}
            }
        }
    }

    /// Begins with what waits, if it is not busy; how long that takes.
    pub(super) fn begin(&mut self, length: fn(u64) -> Duration) -> Option<Duration> {
        if !self.slice.is_empty() {
            return None;
        }
        let mut takes = Duration::ZERO;
        while takes < SLICE
            && let Some((job, attempt)) = self.waiting.pop_front()
        {
            takes += length(job.0);
            self.slice.push((job, attempt));
        }
        (!self.slice.is_empty()).then_some(takes)
    }

    /// What it was busy with is done.
    pub(super) fn done(&mut self) {
        for (job, attempt) in std::mem::take(&mut self.slice) {
            self.say(Kind::Done, job, attempt);
        }
    }

    fn say(&mut self, kind: Kind, job: JobId, attempt: Attempt) {
        match self.answers.last_mut() {
            Some(last) if last.kind == kind && last.job.0 + u64::from(last.extra) + 1 == job.0 => {
                last.extra += 1;
            }
            _ => self.answers.push(kind, job, attempt, 0),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }

    /// What it writes.
    pub(super) fn write(&mut self, now: Time) -> Option<BytesMut> {
        if !self.answers.is_empty() && self.machine.wants(self.no) {
            self.machine.submit(self.no, self.answers.take());
        }
        self.machine.poll_transmit(now).map(Transmit::into_bytes).map(BytesMut::from)
    }
}
