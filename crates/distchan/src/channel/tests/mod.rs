//! The untyped ends without a driver: what a reset drops, what is announced when, and when the driver is woken.

mod announcing;
mod gathering;
mod generations;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use distchan_proto::batch::{Batch, Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::time::Time;

use crate::channel::delivery::Delivery;
use crate::channel::inbox::Inbox;
use crate::channel::intake::Intake;
use crate::channel::outgoing::{Bounds, Claim, Outgoing, Room, Taking};
use crate::channel::port::{Keep, Port};
use crate::channel::stopper;
use crate::codec::{Codec, Postcard};

/// Counts how often it is woken.
#[derive(Debug, Default)]
struct Counting {
    wakes: AtomicU32,
    begun: AtomicU32,
}

impl Port for Counting {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }

    fn consumed(&self, _cost: u64) {}

    fn close_receiver(&self) {}

    fn begun(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn cancel(&self, _job: JobId) {
        unreachable!("a worker sends no jobs");
    }

    fn cancel_sink(&self, _sink: SinkId) {
        unreachable!("a worker sends no jobs");
    }

    fn wall_clock(&self, _time: Time) -> SystemTime {
        unreachable!("a worker is told of no failed job");
    }
}

impl Keep for Counting {}

/// A worker's ends of one channel, as a driver has them.
struct Channel {
    port: Arc<Counting>,
    inbox: Arc<Inbox>,
    answers: Arc<Outgoing>,
}

impl Channel {
    fn new() -> Self {
        Self::with_room_for(4)
    }

    fn with_room_for(values: usize) -> Self {
        let port = Arc::new(Counting::default());
        let bounds = Bounds { values, bytes: 8192, max_value: 2048 };
        let answers = Outgoing::new(Arc::clone(&port) as Arc<dyn Port>, bounds);
        Self { port, inbox: Inbox::new(), answers }
    }

    fn intake(&self) -> Intake<u32> {
        let (inbox, answers) = (Arc::clone(&self.inbox), Some(Arc::clone(&self.answers)));
        let port = Arc::clone(&self.port);
        Intake::new::<Postcard>(inbox, answers, Arc::clone(&port) as Arc<dyn Port>, port)
    }

    /// Jobs come, whose values are their numbers.
    fn bring(&self, jobs: std::ops::Range<u64>, attempt: u32) {
        let mut batch = OpenBatch::default();
        for job in jobs {
            Postcard::encode(&job, batch.payload.own()).unwrap();
            batch.push(Kind::Value, JobId(job), Attempt(attempt), 0);
        }
        let Submission { payload, entries, .. } = batch.take();
        let batch = Batch { payload: payload.into_bytes(), entries, ..Batch::default() };
        let woken = self.inbox.push(batch).unwrap();
        woken.into_iter().for_each(std::task::Waker::wake);
    }

    /// A handle takes a job in hand.
    fn begin(&self, delivery: Delivery) {
        self.bring(delivery.job.0..delivery.job.0 + 1, delivery.attempt.0);
        let cursor = self.inbox.try_next(|arrived| self.answers.adopt(arrived));
        let cursor = cursor.expect("it was brought").expect("nothing has ended");
        assert_eq!(cursor.delivery(cursor.entry().expect("a job")), delivery);
        assert_eq!(self.answers.claim(0, delivery, Taking::Handle, None), Claim::Granted(1));
    }

    /// What was said so far: job, attempt, and how far the run of it goes.
    fn said(&self) -> Vec<(Kind, u64, u32, u64)> {
        let batches: Vec<Submission> = std::iter::from_fn(|| self.answers.fetch(true).batch).collect();
        let entries = batches.iter().flat_map(|batch| &batch.entries);
        entries.map(|entry| (entry.kind, entry.job.0, entry.attempt.0, entry.run())).collect()
    }

    fn result(&self, value: u32) {
        self.answers.push_result(&value, Postcard::encode_scattered::<u32>, Room::Free).unwrap();
    }

    /// A result of as many bytes as are allowed.
    fn large_result(&self) {
        let value = "x".repeat(2046);
        self.answers.push_result(&value, Postcard::encode_scattered::<String>, Room::Free).unwrap();
    }

    fn cancel(&self, job: u64, attempt: u32) -> bool {
        stopper::cancel(&self.inbox, &self.answers, JobId(job), Attempt(attempt))
    }

    fn reset(&self) {
        self.inbox.reset();
        self.answers.reset();
    }
}

fn delivery(job: u64, attempt: u32, generation: u32) -> Delivery {
    Delivery { job: JobId(job), attempt: Attempt(attempt), generation }
}
