//! What all hosts share: the clock, the network, the dice, the oracle, and what is planned to happen. It knows no machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::server::Loss;
use distchan_proto::time::Time;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::dice::draw;
use crate::job::JobName;
use crate::network::{Due, LinkNo, Network, Side};
use crate::oracle::Oracle;
use crate::oracle::sessions::SessionName;
use crate::plan::Plan;
use crate::plan::faults::Fault;
use crate::queue::Queue;
use crate::trace::Trace;

/// Something that happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Network(Due),
    /// A side notices that its connection was cut.
    Notice {
        link: LinkNo,
        side: Side,
        loss: Loss,
    },
    /// Somebody asks the server's machine for a connection.
    Dial {
        link: LinkNo,
    },
    /// The server's program takes a connection.
    Accept {
        link: LinkNo,
    },
    /// The server's patience with a connection that it wants to close ends.
    Linger {
        link: LinkNo,
    },
    /// Somebody who repeats a greeting closes.
    TwinEnds {
        link: LinkNo,
    },
    ServerTimer,
    /// A channel is opened on the server.
    OpenChannel {
        epoch: u32,
        channel: usize,
    },
    /// A sender sends.
    Send {
        epoch: u32,
        channel: usize,
        sender: usize,
    },
    /// The receiver reads.
    Read {
        epoch: u32,
        channel: usize,
    },
    /// The client cancels a job, or all of a sink.
    Cancel {
        epoch: u32,
        channel: usize,
        job: JobId,
    },
    CancelSink {
        epoch: u32,
        channel: usize,
        sink: SinkId,
    },
    /// A worker's process begins.
    Start {
        place: usize,
    },
    /// ... and what happens in it.
    Worker {
        place: usize,
        life: u32,
        what: WorkerEvent,
    },
    /// A fault strikes, or ends.
    Strike(Fault),
    Relief(Relief),
    /// The oracle looks at what nobody says.
    Audit,
    StormEnds,
}

/// Something that happens in one worker's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerEvent {
    Timer,
    /// It tries to connect; it has succeeded, or not.
    Connect,
    Connected(LinkNo),
    Unreachable,
    /// A handler goes on, or has been working for so long that the server is to know.
    Work(u64),
    Announce(u64),
    /// It sends values unasked.
    Values,
    /// It opens what it has not open.
    Open,
    /// Its patience with its handlers ends.
    Close,
    /// ... and with a connection that it wants to close.
    Linger(LinkNo),
}

/// The end of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relief {
    /// A place's way in one direction is free again.
    Thaw {
        place: usize,
        from: Side,
    },
    /// A stopped process continues.
    Continue {
        place: usize,
        life: u32,
    },
    /// A worker reads again.
    Unstall {
        place: usize,
        life: u32,
    },
    Unlag,
    ServerContinues,
    ServerStarts,
    ReaderIsBack {
        epoch: u32,
        channel: usize,
    },
}

/// What all hosts share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Time,
    pub(crate) queue: Queue<Event>,
    pub(crate) network: Network,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) dice: Dice,
    /// Announcements of begun jobs on their way, by connection: up to which byte they reach.
    pub(crate) announcements: BTreeMap<LinkNo, VecDeque<(u64, Announcement)>>,
    /// Whether nothing goes wrong any more.
    pub(crate) is_healing: bool,
    /// Whether all is done, and everybody goes.
    pub(crate) is_closing: bool,
}

/// A worker has said that it has begun a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    pub(crate) session: SessionName,
    pub(crate) name: JobName,
    pub(crate) attempt: Attempt,
}

/// Independent streams of chance, so that taking away one kind of fault leaves the others where they are, as far as that goes.
#[derive(Debug)]
pub(crate) struct Dice {
    pub(crate) network: ChaCha8Rng,
    pub(crate) workers: ChaCha8Rng,
    pub(crate) clients: ChaCha8Rng,
    weather: Vec<ChaCha8Rng>,
}

impl From<Due> for Event {
    fn from(due: Due) -> Self {
        Self::Network(due)
    }
}

impl Dice {
    fn new(seed: u64) -> Self {
        let stream = |what: u64| ChaCha8Rng::seed_from_u64(draw(seed, &[what]));
        Self {
            network: stream(1),
            workers: stream(2),
            clients: stream(3),
            weather: Fault::ALL.iter().map(|fault| stream(100 + *fault as u64)).collect(),
        }
    }

    /// The chance that concerns one kind of fault.
    pub(crate) fn of(&mut self, fault: Fault) -> &mut ChaCha8Rng {
        self.weather.get_mut(fault as usize).expect("there is one for each")
    }
}

impl World {
    pub(crate) fn new(plan: Plan, keep_trace: bool) -> Self {
        Self {
            now: Time::ZERO,
            queue: Queue::new(),
            network: Network::new(plan.network, plan.faults.share(Fault::Trickle)),
            oracle: Oracle::new(&plan),
            trace: Trace::new(keep_trace),
            dice: Dice::new(plan.seed),
            announcements: BTreeMap::new(),
            is_healing: false,
            is_closing: false,
            plan,
        }
    }

    /// Plans an event.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.queue.push(self.now + delay, event);
    }

    pub(crate) fn note(&mut self, what: &'static str, who: u64, much: u64) {
        self.trace.note(self.now, what, who, much);
    }

    /// Whether something happens to a job or a worker, with the chance that the plan gives it; never while the cluster heals.
    pub(crate) fn happens(&mut self, fault: Fault) -> bool {
        let share = self.plan.faults.share(fault);
        share > 0 && !self.is_healing && self.dice.of(fault).random_range(0..1000) < share
    }

    /// A time between nothing and `most`, from a fault's own chance; short ones are likelier.
    pub(crate) fn spell(&mut self, fault: Fault, most: Duration) -> Duration {
        let rng = self.dice.of(fault);
        let share: f64 = rng.random_range(0.0..1.0);
        most.mul_f64(share * share)
    }

    /// Writes bytes to a connection.
    pub(crate) fn write(&mut self, link: LinkNo, from: Side, bytes: bytes::Bytes) {
        self.trace.bytes(&bytes);
        self.network.write(self.now, link, from, bytes, (&mut self.queue, &mut self.dice.network));
    }

    /// A side closes its end; the other learns of it.
    pub(crate) fn close(&mut self, link: LinkNo, side: Side) {
        self.network.close(self.now, link, side, &mut self.queue);
    }
}
