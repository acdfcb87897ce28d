//! One server, its workers, and what happens next.

use std::time::Duration;

use bytes::BytesMut;
use distchan_proto::batch::{Kind, OpenBatch, Submission};
use distchan_proto::ids::{Attempt, ChannelId, ConnectionId, JobId};
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::server::{ChannelOptions, ServerConfig, ServerEvent, ServerMachine};
use distchan_proto::spec::ChannelSpec;
use distchan_proto::time::Time;
use distchan_proto::transmit::Transmit;
use distchan_proto::{Direction, Policy};

use crate::pacing::host::Host;
use crate::pacing::{Case, Prefetch, WORKERS};
use crate::queue::Queue;

/// When the first job is sent.
const START: Duration = Duration::from_secs(1);

/// As many jobs as a sender puts into a batch, while its workers are busy.
const BATCH: u64 = 1024;

#[derive(Debug)]
enum Event {
    /// Bytes come to the server from a worker, or the other way.
    Up(usize, BytesMut),
    Down(usize, BytesMut),
    /// A worker has done what it was busy with.
    Done(usize),
    ServerTimer,
    WorkerTimer(usize),
    Start,
}

#[derive(Debug)]
pub(super) struct Cluster {
    case: Case,
    way: Duration,
    now: Time,
    queue: Queue<Event>,
    server: ServerMachine,
    channel: ChannelId,
    connections: Vec<ConnectionId>,
    hosts: Vec<Host>,
    /// The earliest timers that are planned: the server's, then the workers'.
    timers: Vec<Option<Time>>,
    sent: u64,
    ended: u64,
    has_started: bool,
}

impl Cluster {
    pub(super) fn new(case: &Case, way: Duration, prefetch: Prefetch) -> Self {
        let spec = ChannelSpec {
            name: "work".to_owned(),
            direction: Direction::Jobs,
            codec: "plain".to_owned(),
            job: Schema::of::<()>(false),
            result: Schema::of::<()>(false),
            compressors: Vec::new(),
            transform: None,
            max_value: limits::DEFAULT_MAX_VALUE,
        };
        let credit = match prefetch {
            Prefetch::Adaptive => None,
            Prefetch::Fixed(jobs) => Some(jobs),
        };
        let mut server = ServerMachine::new(ServerConfig::default());
        let options = ChannelOptions { ordered: false, credit, policy: Policy::default() };
        let channel = server.open_channel(Time::ZERO, spec.clone(), options).expect("the only channel");
        let connections = (0..WORKERS).map(|_| server.accept(Time::ZERO, "")).collect();
        let hosts: Vec<Host> = (0..WORKERS).map(|_| Host::new(Time::ZERO, spec.clone())).collect();
        let mut queue = Queue::new();
        queue.push(Time::from_origin(START), Event::Start);
        Self {
            case: *case,
            way,
            now: Time::ZERO,
            queue,
            server,
            channel,
            connections,
            timers: vec![None; hosts.len() + 1],
            hosts,
            sent: 0,
            ended: 0,
            has_started: false,
        }
    }

    /// Runs until every job has its outcome; how long that takes from the first job's sending.
    pub(super) fn run(mut self) -> Duration {
        (0..self.hosts.len()).for_each(|index| self.attend_worker(index));
        self.attend_server();
        // One job after the other, each with its own round trip, and then some.
        let jobs = u32::try_from(self.case.jobs).unwrap_or(u32::MAX);
        let end = Time::from_origin(START + self.case.bound() * 100 + 4 * self.way * jobs);
        while self.ended < self.case.jobs {
            let (now, event) = self.queue.pop_before(end).expect("every job has its outcome in time");
            self.now = now;
            self.carry_out(event);
        }
        assert_eq!(self.ended, self.case.jobs, "one outcome a job");
        self.now - Time::from_origin(START)
    }

    fn carry_out(&mut self, event: Event) {
        match event {
            Event::Up(index, mut bytes) => {
                self.server.handle_input(self.now, self.connections[index], &mut bytes);
                assert!(bytes.is_empty(), "frames come whole");
                self.attend_server();
            }
            Event::Down(index, mut bytes) => {
                self.hosts[index].hear(self.now, &mut bytes);
                assert!(bytes.is_empty(), "frames come whole");
                self.attend_worker(index);
            }
            Event::Done(index) => {
                self.hosts[index].done();
                self.attend_worker(index);
            }
            Event::ServerTimer => {
                self.server.handle_timeout(self.now);
                self.attend_server();
            }
            Event::WorkerTimer(index) => {
                self.hosts[index].handle_timeout(self.now);
                self.attend_worker(index);
            }
            Event::Start => {
                self.has_started = true;
                self.attend_server();
            }
        }
    }

    /// The drain rule of the server's machine.
    fn attend_server(&mut self) {
        loop {
            while let Some(event) = self.server.poll_event() {
                if let ServerEvent::Results { batch, .. } = event {
                    self.ended += batch.entries.iter().map(distchan_proto::batch::Entry::run).sum::<u64>();
                    self.server.consumed(self.channel, batch.cost());
                }
            }
            if !self.has_started || self.sent == self.case.jobs || !self.server.is_hungry(self.channel) {
                break;
            }
            let count = BATCH.min(self.case.jobs - self.sent);
            self.sent += count;
            self.server.submit(self.now, self.channel, jobs(count));
        }
        while let Some(connection) = self.server.poll_ready() {
            let index = self.connections.iter().position(|other| *other == connection).expect("a known one");
            while let Some(bytes) = self.server.poll_transmit(self.now, connection) {
                let bytes = BytesMut::from(Transmit::into_bytes(bytes));
                self.queue.push(self.now + self.way, Event::Down(index, bytes));
            }
        }
        let next = self.server.poll_timeout();
        self.plan(0, next, Event::ServerTimer);
    }

    /// What a worker does next, and what it has to say.
    fn attend_worker(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if let Some(takes) = host.begin(self.case.length) {
            self.queue.push(self.now + takes, Event::Done(index));
        }
        while let Some(bytes) = host.write(self.now) {
            self.queue.push(self.now + self.way, Event::Up(index, bytes));
        }
        let next = host.poll_timeout();
        self.plan(index + 1, next, Event::WorkerTimer(index));
    }

    /// Plans a timer, unless it will ring as early anyway.
    fn plan(&mut self, timer: usize, next: Option<Time>, event: Event) {
        let planned = &mut self.timers[timer];
        let is_over = planned.is_some_and(|time| time <= self.now);
        if let Some(next) = next
            && (is_over || planned.is_none_or(|time| next < time))
        {
            *planned = Some(next);
            self.queue.push(next.max(self.now), event);
        }
    }
}

fn jobs(count: u64) -> Submission {
    let mut batch = OpenBatch::default();
    (0..count).for_each(|_| batch.push(Kind::Value, JobId(0), Attempt::FIRST, 0));
    batch.take()
}
