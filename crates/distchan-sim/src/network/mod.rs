//! Connections between workers and the server: who holds which end, and what becomes of bytes between. It plans their arrival, and never
//! decides when something goes wrong.

mod pipe;

use std::time::Duration;

use bytes::Bytes;
use distchan_proto::ids::ConnectionId;
use distchan_proto::time::Time;
use rand::{Rng, RngExt};

pub(crate) use crate::network::pipe::{Arrived, Pipe};
use crate::plan::{NetworkPlan, Route};
use crate::queue::Queue;

/// How long a connection that is to be closed may take to be written to.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// What the network has planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Bytes, or the end, arrive at a side.
    Arrive { link: LinkNo, at: Side },
    /// A side that had to wait can write.
    Writable { link: LinkNo, side: Side },
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Worker,
    Server,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Worker, Self::Server];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Worker => Self::Server,
            Self::Server => Self::Worker,
        }
    }
}

/// The number of a connection in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkNo(pub(crate) u32);

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whose it is: a worker's place and its process; or nobody's, where somebody repeats what a worker has said.
    pub(crate) owner: Option<(usize, u32)>,
    pub(crate) route: Route,
    pub(crate) connection: Option<ConnectionId>,
    /// Whether each side still has its end.
    worker_has: bool,
    server_has: bool,
    up: Pipe,
    down: Pipe,
    /// What its worker wrote up to this byte, it wrote before it heard the server at this time.
    pub(crate) echo: Option<(u64, Time)>,
    /// The same for the last time.
    pub(crate) last_echo: Option<u64>,
    /// Its worker is about to end.
    pub(crate) is_ending: bool,
    /// What a worker said first, to be repeated by others.
    pub(crate) greeting: Vec<Bytes>,
}

impl Link {
    /// The pipe that leads away from a side.
    pub(crate) const fn from(&mut self, side: Side) -> &mut Pipe {
        match side {
            Side::Worker => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    pub(crate) const fn is_held(&self, side: Side) -> bool {
        match side {
            Side::Worker => self.worker_has,
            Side::Server => self.server_has,
        }
    }

    const fn let_go(&mut self, side: Side) {
        match side {
            Side::Worker => self.worker_has = false,
            Side::Server => self.server_has = false,
        }
    }
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Network {
    plan: NetworkPlan,
    links: Vec<Option<Link>>,
    open: usize,
    /// In a thousand writes, how many are cut into pieces.
    trickle: u64,
    /// Added to every latency, for a while.
    pub(crate) lag: Duration,
}

impl Network {
    pub(crate) const fn new(plan: NetworkPlan, trickle: u64) -> Self {
        Self { plan, links: Vec::new(), open: 0, trickle, lag: Duration::ZERO }
    }

    pub(crate) const fn latency(&self) -> Duration {
        self.plan.latency
    }

    /// See [`Carrier::guards_bytes`](distchan_proto::carrier::Carrier::guards_bytes).
    pub(crate) const fn guards_bytes(&self) -> bool {
        self.plan.guards_bytes
    }

    /// A connection that somebody tries to make; the server does not know of it yet.
    pub(crate) fn open(&mut self, owner: Option<(usize, u32)>, route: Route) -> LinkNo {
        let link = Link {
            owner,
            route,
            connection: None,
            worker_has: true,
            server_has: true,
            up: Pipe::new(self.plan),
            down: Pipe::new(self.plan),
            echo: None,
            last_echo: None,
            is_ending: false,
            greeting: Vec::new(),
        };
        self.links.push(Some(link));
        self.open += 1;
        LinkNo(u32::try_from(self.links.len() - 1).expect("a run has some thousands of connections"))
    }

    pub(crate) fn get(&mut self, no: LinkNo) -> Option<&mut Link> {
        self.links.get_mut(no.0 as usize).and_then(Option::as_mut)
    }

    /// The connections of a place of which a side has its end.
    pub(crate) fn of_place(&self, place: usize) -> Vec<LinkNo> {
        let is_it = |(index, link): (usize, &Option<Link>)| {
            let (at, _) = link.as_ref()?.owner?;
            (at == place).then(|| LinkNo(u32::try_from(index).unwrap_or(u32::MAX)))
        };
        self.links.iter().enumerate().filter_map(is_it).collect()
    }

    /// The connections of which the server's system has its end, also those that its program does not know of.
    pub(crate) fn of_server(&self) -> Vec<LinkNo> {
        let is_it = |(index, link): (usize, &Option<Link>)| {
            let link = link.as_ref()?;
            link.server_has.then(|| LinkNo(u32::try_from(index).unwrap_or(u32::MAX)))
        };
        self.links.iter().enumerate().filter_map(is_it).collect()
    }

    /// How it stands, for whoever looks for what is stuck.
    pub(crate) fn describe(&self) -> String {
        let links = self.links.iter().enumerate().filter_map(|(index, link)| Some((index, link.as_ref()?)));
        let describe = |(index, link): (usize, &Link)| {
            let Link { owner, connection, worker_has, server_has, up, down, .. } = link;
            let flows = (up.flow, down.flow);
            format!("link {index} of {owner:?} is {connection:?}, held {worker_has} {server_has}, {flows:?}")
        };
        links.map(describe).collect::<Vec<_>>().join(", ")
    }

    /// Whether there is no connection.
    pub(crate) const fn is_idle(&self) -> bool {
        self.open == 0
    }

    /// Whether a side could write now; if not, it is told when it can.
    pub(crate) fn has_room(&mut self, no: LinkNo, from: Side) -> bool {
        let Some(link) = self.get(no) else { return false };
        let pipe = link.from(from);
        pipe.is_wanted = !pipe.has_room();
        !pipe.is_wanted
    }

    /// Writes bytes from one side to the other.
    pub(crate) fn write(
        &mut self,
        now: Time,
        no: LinkNo,
        from: Side,
        mut bytes: Bytes,
        (queue, rng): (&mut Queue<impl From<Due>>, &mut impl Rng),
    ) {
        let (jitter, lag, trickle) = (self.plan.jitter, self.lag, self.trickle);
        let Some(link) = self.get(no) else { return };
        let is_greeting = from == Side::Worker && link.greeting.len() < 2;
        if is_greeting {
            link.greeting.push(bytes.clone());
        }
        if !link.is_held(from.other()) {
            // Nobody is there: the other end's end is on its way here already.
            return;
        }
        let pipe = link.from(from);
        while !bytes.is_empty() {
            let piece = if trickle > 0 && rng.random_range(0..1000) < trickle {
                bytes.split_to(rng.random_range(1..=bytes.len().min(100)))
            } else {
                bytes.split_to(bytes.len().min(16_384))
            };
            let extra = if jitter.is_zero() { lag } else { lag + jitter.mul_f64(rng.random_range(0.0..1.0)) };
            if let Some(at) = pipe.write(now, piece, extra) {
                queue.push(at, Due::Arrive { link: no, at: from.other() }.into());
            }
        }
    }

    /// What has arrived at a side.
    pub(crate) fn read(
        &mut self,
        now: Time,
        no: LinkNo,
        at: Side,
        queue: &mut Queue<impl From<Due>>,
    ) -> Arrived {
        let latency = self.plan.latency;
        let Some(link) = self.get(no) else { return Arrived::default() };
        let pipe = link.from(at.other());
        let arrived = pipe.take(now);
        if pipe.is_wanted && pipe.has_room() {
            pipe.is_wanted = false;
            queue.push(now + latency, Due::Writable { link: no, side: at.other() }.into());
        }
        arrived
    }

    /// A side closes its end, or its process has died: the other side learns of it when everything before has arrived.
    pub(crate) fn close(&mut self, now: Time, no: LinkNo, side: Side, queue: &mut Queue<impl From<Due>>) {
        self.drop_end(no, side);
        if let Some(link) = self.get(no)
            && let Some(at) = link.from(side).end(now)
        {
            queue.push(at, Due::Arrive { link: no, at: side.other() }.into());
        }
    }

    /// A side has no longer its end, and the other side is told nothing.
    pub(crate) fn drop_end(&mut self, no: LinkNo, side: Side) {
        let Some(link) = self.get(no) else { return };
        link.let_go(side);
        link.from(side.other()).forget();
        if !link.worker_has && !link.server_has {
            self.open -= 1;
            self.links[no.0 as usize] = None;
        }
    }

    /// Stops what leads away from a side, for a while.
    pub(crate) fn freeze(&mut self, no: LinkNo, from: Side) {
        if let Some(link) = self.get(no) {
            link.from(from).freeze();
        }
    }

    pub(crate) fn thaw(&mut self, now: Time, no: LinkNo, from: Side, queue: &mut Queue<impl From<Due>>) {
        let Some(link) = self.get(no) else { return };
        for at in link.from(from).thaw(now) {
            queue.push(at, Due::Arrive { link: no, at: from.other() }.into());
        }
    }

    /// Nothing of this connection ever arrives again, and nobody is told.
    pub(crate) fn kill(&mut self, no: LinkNo) {
        if let Some(link) = self.get(no) {
            Side::BOTH.into_iter().for_each(|side| link.from(side).kill());
        }
    }
}

/// Which ends a side sees of a connection.
pub(crate) fn route_seen_by(side: Side, route: Route, link: LinkNo) -> String {
    match (route, side) {
        (Route::Unknown, Side::Worker) => String::new(),
        (Route::Proxy, Side::Server) => format!("proxy:{}>server:1", link.0),
        (Route::Direct | Route::Proxy, Side::Worker) | (Route::Direct | Route::Unknown, Side::Server) => {
            format!("worker:{}>server:1", link.0)
        }
    }
}
