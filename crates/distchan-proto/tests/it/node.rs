//! A worker in a cluster: its machine, its inbox, and what its user does with the jobs. It never touches the other end.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use distchan_proto::batch::{Batch, Kind, OpenBatch};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelNo, ConnectionId, JobId};
use distchan_proto::worker::{WorkerEvent, WorkerMachine};

/// A job in a worker's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) no: ChannelNo,
    pub(crate) id: JobId,
    pub(crate) attempt: Attempt,
    pub(crate) bytes: Vec<u8>,
}

/// A worker with its connection.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) machine: WorkerMachine,
    pub(crate) connection: ConnectionId,
    /// Bytes on their way to the server, and to this worker.
    pub(crate) up: VecDeque<u8>,
    pub(crate) down: VecDeque<u8>,
    /// Bytes that have arrived and are not yet a whole frame.
    pub(crate) input: BytesMut,
    pub(crate) server_input: BytesMut,
    /// Whether each end still has its transport.
    pub(crate) is_open: bool,
    pub(crate) server_is_open: bool,
    /// Whether this worker reads from its transport.
    pub(crate) reads: bool,
    pub(crate) inbox: VecDeque<Job>,
    /// Answers that wait until the machine wants them.
    answers: BTreeMap<ChannelNo, VecDeque<Batch>>,
    pub(crate) opened: BTreeMap<ChannelNo, usize>,
    pub(crate) refused: BTreeMap<ChannelNo, (Code, String)>,
    pub(crate) finished: Vec<ChannelNo>,
    pub(crate) closed: Option<(Code, String)>,
}

impl Node {
    pub(crate) fn new(machine: WorkerMachine, connection: ConnectionId) -> Self {
        Self {
            machine,
            connection,
            up: VecDeque::new(),
            down: VecDeque::new(),
            input: BytesMut::new(),
            server_input: BytesMut::new(),
            is_open: true,
            server_is_open: true,
            reads: true,
            inbox: VecDeque::new(),
            answers: BTreeMap::new(),
            opened: BTreeMap::new(),
            refused: BTreeMap::new(),
            finished: Vec::new(),
            closed: None,
        }
    }

    /// The drain rule of the worker's machine, 1 and 2.
    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                WorkerEvent::Opened { no, max_value } => {
                    assert!(self.opened.insert(no, max_value).is_none(), "a channel opens once");
                }
                WorkerEvent::Refused { no, code, reason } => {
                    assert!(self.refused.insert(no, (code, reason)).is_none(), "a channel is refused once");
                }
                WorkerEvent::Jobs { no, batch } => {
                    self.inbox.extend(batch.iter().map(|(start, entry)| Job {
                        no,
                        id: entry.job,
                        attempt: entry.attempt,
                        bytes: batch.payload[start as usize..entry.end as usize].to_vec(),
                    }))
                }
                WorkerEvent::Finished { no } => {
                    assert!(!self.inbox.iter().any(|job| job.no == no), "finished with a job in hand");
                    self.finished.push(no);
                }
                WorkerEvent::Closed { code, reason } => {
                    assert!(self.closed.is_none(), "a connection closes once");
                    self.closed = Some((code, reason));
                }
                _ => {}
            }
        }
        for (no, waiting) in &mut self.answers {
            while self.machine.wants(*no)
                && let Some(batch) = waiting.pop_front()
            {
                self.machine.submit(*no, batch);
            }
        }
    }

    /// Hands over answers (or, on a channel from the workers, values) when the machine wants them.
    pub(crate) fn answer(&mut self, no: ChannelNo, batch: Batch) {
        self.answers.entry(no).or_default().push_back(batch);
        self.drain();
    }

    /// Leaves a channel: what waits is submitted first, for the machine sends what it has before it leaves.
    pub(crate) fn leave(&mut self, no: ChannelNo) {
        for batch in self.answers.remove(&no).unwrap_or_default() {
            self.machine.submit(no, batch);
        }
        self.machine.leave(no);
    }

    /// Leaves everything, and says goodbye.
    pub(crate) fn close(&mut self) {
        for no in self.answers.keys().copied().collect::<Vec<_>>() {
            self.leave(no);
        }
        self.machine.close();
    }

    /// How many batches of answers wait for credit.
    pub(crate) fn held_back(&self) -> usize {
        self.answers.values().map(VecDeque::len).sum()
    }

    /// Completes a job with these results.
    pub(crate) fn complete(&mut self, job: &Job, results: &[&[u8]]) {
        let mut batch = OpenBatch::default();
        let Some((last, earlier)) = results.split_last() else {
            return self.end(job, Kind::Done, b"");
        };
        for result in earlier {
            batch.payload.extend_from_slice(result);
            batch.push(Kind::Result, job.id, job.attempt, 0);
        }
        batch.payload.extend_from_slice(last);
        batch.push(Kind::Last, job.id, job.attempt, 0);
        self.answer(job.no, batch.take());
    }

    /// Sends one entry about a job: a result, its failure, its return.
    pub(crate) fn end(&mut self, job: &Job, kind: Kind, payload: &[u8]) {
        self.answer(job.no, one(job, kind, payload));
    }

    /// Takes everything out of the inbox.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        self.inbox.drain(..).collect()
    }

    /// Completes everything in the inbox: the result is the job's bytes with a `!`.
    pub(crate) fn echo(&mut self) {
        for job in self.take_jobs() {
            self.complete(&job, &[&[&job.bytes, &b"!"[..]].concat()]);
        }
    }
}

/// A batch of one entry.
pub(crate) fn one(job: &Job, kind: Kind, payload: &[u8]) -> Batch {
    let mut batch = OpenBatch::default();
    batch.payload.extend_from_slice(payload);
    batch.push(kind, job.id, job.attempt, 0);
    batch.take()
}
