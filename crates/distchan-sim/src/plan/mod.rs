//! What a seed stands for: how many workers, which channels, how much work, which network, how rough the weather. It decides nothing
//! during the run.

pub mod channel;
pub mod faults;
pub mod options;

use std::fmt;
use std::time::Duration;

use distchan_proto::time::Time;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::dice::draw;
use crate::plan::channel::ChannelPlan;
use crate::plan::faults::{Fault, Faults};
use crate::plan::options::Options;

/// One cluster and its weather.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// What was asked for instead.
    pub options: Options,
    /// Places for workers, 1 to 50.
    pub workers: usize,
    /// Channels, 1 to 4.
    pub channels: Vec<ChannelPlan>,
    /// When the healing phase begins, in which nothing goes wrong any more.
    pub storm: Duration,
    /// The network.
    pub network: NetworkPlan,
    /// When peers are lost.
    pub liveness: LivenessPlan,
    /// What goes wrong.
    pub faults: Faults,
}

/// The network of a run.
#[derive(Clone, Copy, Debug)]
pub struct NetworkPlan {
    /// One way.
    pub latency: Duration,
    /// Up to so much more, now and then.
    pub jitter: Duration,
    /// Bytes a second in each direction of each connection.
    pub bandwidth: u64,
    /// Bytes that a direction of a connection holds before its writer waits.
    pub capacity: usize,
    /// See [`distchan_proto::carrier::Carrier::guards_bytes`].
    pub guards_bytes: bool,
}

/// The server's patience.
#[derive(Clone, Copy, Debug)]
pub struct LivenessPlan {
    /// See [`distchan_proto::server::ServerConfig::heartbeat`].
    pub heartbeat: Duration,
    /// See [`distchan_proto::server::ServerConfig::lost_after`].
    pub lost_after: Duration,
    /// See [`distchan_proto::server::ServerConfig::grace`].
    pub grace: Duration,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, options: &Options) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let drawn_workers = [1, 2, 3, 5, 8, 13, 21, 50][skewed(&mut rng, 8)];
        let workers = rng.random_range(drawn_workers / 2 + 1..=drawn_workers);
        let storm = Duration::from_secs(options.seconds());
        let network = NetworkPlan::draw(&mut rng, seed);
        let liveness = LivenessPlan::draw(&mut rng);
        let mut faults = Faults::draw(&mut rng);
        for fault in &options.without {
            faults.remove(*fault);
        }
        let count = [1, 2, 3, 4][skewed(&mut rng, 4)];
        let mut channels: Vec<ChannelPlan> =
            (0..count).map(|index| ChannelPlan::draw(&mut rng, index, workers, storm / count)).collect();
        channels.truncate(options.channels.unwrap_or(usize::MAX).max(1));
        for channel in &mut channels {
            channel.jobs = channel.jobs.min(options.load.unwrap_or(u64::MAX));
        }
        let workers = workers.min(options.workers.unwrap_or(usize::MAX)).max(1);
        Self { seed, options: options.clone(), workers, channels, storm, network, liveness, faults }
    }

    /// When the healing phase begins.
    #[must_use]
    pub fn storm_ends(&self) -> Time {
        Time::from_origin(self.storm)
    }

    /// How long the healing phase may take before the cluster counts as stuck: all that is kept for a peer that may come back, all
    /// jobs one behind the other, each with a way there and back of its own, and a new process for each that is killed by a job.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let times = |duration: Duration, count: u64| duration * u32::try_from(count).unwrap_or(u32::MAX);
        let round_trip = 2 * (self.network.latency + self.network.jitter);
        let poisoned =
            |channel: &ChannelPlan| (channel.jobs * self.faults.share(Fault::Poison)).div_ceil(500);
        let of_channel = |channel: &ChannelPlan| {
            let deaths = poisoned(channel) * u64::from(channel.policy.crash_limit);
            channel.longest_work()
                + times(Duration::from_millis(100) + 2 * round_trip, channel.jobs)
                + times(Duration::from_millis(500) + 8 * round_trip, deaths)
        };
        Duration::from_secs(600) + self.channels.iter().map(of_channel).sum::<Duration>()
    }

    /// Whether a worker's place is behind a proxy, and whether its workers cannot resume: properties of the place.
    #[must_use]
    pub fn route_of(&self, place: usize) -> Route {
        let draw = |what| draw(self.seed, &[place as u64, what]) % 1000;
        if draw(71) < self.faults.share(Fault::Simple) {
            Route::Unknown
        } else if draw(72) < self.faults.share(Fault::Proxy) {
            Route::Proxy
        } else {
            Route::Direct
        }
    }
}

/// What lies between a worker and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing: both see the same ends.
    Direct,
    /// Something: the server sees another end than the worker's.
    Proxy,
    /// The worker does not say what it sees.
    Unknown,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.channels.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} workers, {}, {:?}+{:?} {} B/s{}, lost after {:?}, grace {:?}, faults {}",
            self.workers,
            names.join(" "),
            self.network.latency,
            self.network.jitter,
            self.network.bandwidth,
            if self.network.guards_bytes { " guarded" } else { "" },
            self.liveness.lost_after,
            self.liveness.grace,
            self.faults
        )
    }
}

impl NetworkPlan {
    fn draw(rng: &mut impl Rng, seed: u64) -> Self {
        let micros = [10, 10, 200, 200, 1000, 5000, 40_000, 150_000][rng.random_range(0..8)];
        let jitter = [0, 1, 1, 4][rng.random_range(0..4)];
        Self {
            latency: Duration::from_micros(micros),
            jitter: Duration::from_micros(micros * jitter),
            bandwidth: [1_000_000_000, 1_000_000_000, 10_000_000, 300_000][rng.random_range(0..4)],
            capacity: [3_000, 65_536, 300_000][rng.random_range(0..3)],
            guards_bytes: draw(seed, &[73]).is_multiple_of(2),
        }
    }
}

impl LivenessPlan {
    fn draw(rng: &mut impl Rng) -> Self {
        let [heartbeat, lost_after, grace] =
            [[5, 15, 30], [5, 15, 30], [5, 15, 30], [2, 6, 10], [5, 15, 0], [1, 15, 60]]
                [rng.random_range(0..6)];
        Self {
            heartbeat: Duration::from_secs(heartbeat),
            lost_after: Duration::from_secs(lost_after),
            grace: Duration::from_secs(grace),
        }
    }
}

/// An index below `below`; small ones are likelier.
fn skewed(rng: &mut impl Rng, below: usize) -> usize {
    rng.random_range(0..below).min(rng.random_range(0..below))
}
