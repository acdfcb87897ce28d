//! What can go wrong, and how often it does in one run. It only names and counts; `cluster::weather` brings it about.

use std::fmt;
use std::time::Duration;

use rand::{Rng, RngExt};

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $name:literal,)*) => {
        /// A kind of fault. Each can be absent from a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            /// What it is called on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }
        }
    };
}

faults! {
    /// A connection is cut; each side notices when it does.
    Cut "cut",
    /// Nothing arrives in one direction for a while; then all of it.
    OneWay "one-way",
    /// Nothing arrives in either direction for a while; then all of it.
    Partition "partition",
    /// A router forgets a connection: both ends live, and nothing ever arrives.
    HalfOpen "half-open",
    /// A worker's machine loses power: nothing tells the server.
    Vanish "vanish",
    /// A worker's process is killed; another comes later.
    Crash "crash",
    /// A worker's process is stopped, and continues later.
    Stop "stop",
    /// A worker reads nothing for a while.
    Stall "stall",
    /// Everything takes long for a while.
    Lag "lag",
    /// Bytes arrive in small pieces.
    Trickle "trickle",
    /// A connection that a worker gave up arrives late, or somebody repeats its greeting: two connections claim one session.
    Twin "twin",
    /// A worker is behind a proxy, so that its end of a connection is not what the server sees.
    Proxy "proxy",
    /// A worker that cannot resume, as those in other languages.
    Simple "simple",
    /// A worker leaves politely; another comes later.
    Leave "leave",
    /// A worker leaves one channel, and may open it again.
    LeaveChannel "leave-channel",
    /// A worker takes no further jobs of a channel, finishes what it has begun, and leaves it.
    Drain "drain",
    /// A job is given back.
    GiveBack "give-back",
    /// A finished job's answer is withheld for a while.
    Late "late",
    /// A handler says that its job failed, or panics: always, or the first times.
    Fail "fail",
    /// A job kills the process that works on it: always, or the first times; at once, or after a while.
    Poison "poison",
    /// A job does not end by itself.
    Hang "hang",
    /// The client cancels jobs.
    Cancel "cancel",
    /// Handlers go on with cancelled jobs for long.
    Ignore "ignore",
    /// Jobs have deadlines.
    Deadline "deadline",
    /// Senders stall.
    SlowSender "slow-sender",
    /// Receivers read late.
    SlowReader "slow-reader",
    /// The server's process is stopped, and continues later.
    ServerStop "server-stop",
    /// The server's process is killed, and another one comes with the same address.
    Restart "restart",
}

/// How much of a fault there is in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// None.
    Absent,
    /// A little.
    Rare,
    /// A lot.
    Frequent,
}

/// The weather of a run.
#[derive(Clone, Debug)]
pub struct Faults(Vec<Level>);

impl Fault {
    /// The fault of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// How often a fault that strikes out of the blue does, on average: where it is rare, and where it is frequent. The others are
    /// properties of a job or a worker: see [`Faults::share`].
    #[must_use]
    pub const fn interval(self) -> Option<[Duration; 2]> {
        let seconds = match self {
            Self::Cut => [30, 4],
            Self::OneWay | Self::Partition => [50, 12],
            Self::HalfOpen | Self::Vanish | Self::Stall | Self::Stop | Self::Drain => [60, 15],
            Self::Crash => [40, 3],
            Self::Lag | Self::SlowReader | Self::LeaveChannel => [50, 10],
            Self::Twin => [40, 8],
            Self::Leave => [40, 6],
            Self::ServerStop => [90, 30],
            Self::Restart => [150, 50],
            Self::Trickle
            | Self::Proxy
            | Self::Simple
            | Self::GiveBack
            | Self::Late
            | Self::Fail
            | Self::Poison
            | Self::Hang
            | Self::Cancel
            | Self::Ignore
            | Self::Deadline
            | Self::SlowSender => return None,
        };
        Some([Duration::from_secs(seconds[0]), Duration::from_secs(seconds[1])])
    }
}

impl Faults {
    /// Each kind is absent, rare or frequent.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let level = |draw| match draw {
            0..5 => Level::Absent,
            5..8 => Level::Rare,
            _ => Level::Frequent,
        };
        Self(Fault::ALL.iter().map(|_| level(rng.random_range(0..10))).collect())
    }

    /// How much there is of one kind.
    #[must_use]
    pub fn level(&self, fault: Fault) -> Level {
        self.0.get(fault as usize).copied().unwrap_or(Level::Absent)
    }

    /// How many jobs or workers, in a thousand, have this property.
    #[must_use]
    pub fn share(&self, fault: Fault) -> u64 {
        let [rare, frequent] = match fault {
            Fault::Poison | Fault::Hang => [4, 30],
            Fault::Fail | Fault::Cancel | Fault::Deadline => [20, 200],
            Fault::GiveBack => [10, 200],
            Fault::Late | Fault::SlowSender => [10, 150],
            Fault::Ignore => [200, 800],
            Fault::Proxy => [300, 900],
            Fault::Simple => [50, 500],
            Fault::Trickle => [20, 300],
            _ => [0, 0],
        };
        match self.level(fault) {
            Level::Absent => 0,
            Level::Rare => rare,
            Level::Frequent => frequent,
        }
    }

    /// Whether there is any of a kind.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.level(fault) != Level::Absent
    }

    /// Takes a kind out of the run.
    pub(crate) fn remove(&mut self, fault: Fault) {
        if let Some(level) = self.0.get_mut(fault as usize) {
            *level = Level::Absent;
        }
    }

    /// The kinds that there are.
    pub fn present(&self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(|fault| self.has(*fault))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.present().enumerate() {
            let much = if self.level(fault) == Level::Frequent { "+" } else { "" };
            write!(f, "{}{}{much}", if index == 0 { "" } else { "," }, fault.name())?;
        }
        Ok(())
    }
}
