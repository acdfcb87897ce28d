//! What a seed stands for: how many workers, which channels, how much work, how rough the way. It decides nothing during the run.

use std::fmt;
use std::sync::Arc;

use distchan_proto::Direction;
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::Faults;

/// One cluster and its weather.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// Workers, 1 to 20.
    pub workers: usize,
    /// Channels, 1 to 4.
    pub channels: Vec<ChannelPlan>,
    /// Steps before the healing phase, in which nothing goes wrong any more.
    pub steps: u64,
    /// Bytes that arrive at once, at most.
    pub chunk: usize,
    /// Bytes that a connection holds before its writer waits.
    pub pipe: usize,
    /// What goes wrong.
    pub faults: Faults,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct ChannelPlan {
    /// Its name, which says what it is.
    pub name: String,
    /// Jobs both ways, or values from the workers.
    pub direction: Direction,
    /// Whether results come in the order of the jobs.
    pub ordered: bool,
    /// A fixed window, or an adaptive one.
    pub credit: Option<u32>,
    /// Jobs to send; on a channel from the workers, values that each worker sends.
    pub jobs: u64,
    /// Payloads have up to so many bytes.
    pub largest: usize,
    /// Whether its bytes are transformed.
    pub is_transformed: bool,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let workers = rng.random_range(1..=20);
        let channels = (0..rng.random_range(1..=4)).map(|index| ChannelPlan::draw(&mut rng, index)).collect();
        Self {
            seed,
            workers,
            channels,
            steps: rng.random_range(500..6000),
            chunk: [1, 17, 500, 5000, 100_000][rng.random_range(0..5)],
            pipe: [100, 5000, 100_000][rng.random_range(0..3)],
            faults: Faults::draw(&mut rng),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs: u64 = self.channels.iter().map(|channel| channel.jobs).sum();
        let names: Vec<&str> = self.channels.iter().map(|channel| channel.name.as_str()).collect();
        write!(f, "{} workers, {jobs} jobs on {}", self.workers, names.join(" "))
    }
}

impl ChannelPlan {
    fn draw(rng: &mut ChaCha8Rng, index: usize) -> Self {
        let direction = if rng.random_range(0..5) == 0 { Direction::Up } else { Direction::Jobs };
        let ordered = direction == Direction::Jobs && rng.random_range(0..3) == 0;
        let is_transformed = rng.random_range(0..4) == 0;
        let largest = [0, 30, 400, 150_000][rng.random_range(0..4)];
        let jobs = if largest > 1000 { rng.random_range(1..30) } else { rng.random_range(1..400) };
        let kind = match direction {
            Direction::Up => "up",
            Direction::Jobs | Direction::Down if ordered => "ordered",
            Direction::Jobs | Direction::Down => "jobs",
        };
        let credit = if rng.random_bool(0.5) { None } else { Some(rng.random_range(1..8)) };
        let name = format!("{kind}-{index}{}", if is_transformed { "-transformed" } else { "" });
        Self { name, direction, ordered, credit, jobs, largest, is_transformed }
    }

    /// The channel as both sides open it.
    #[must_use]
    pub fn spec(&self) -> ChannelSpec {
        ChannelSpec {
            name: self.name.clone(),
            direction: self.direction,
            codec: "plain".to_owned(),
            job: Schema::of::<String>(false),
            result: Schema::of::<String>(false),
            transform: self.is_transformed.then(|| SharedTransform(Arc::new(Shift))),
            max_value: limits::DEFAULT_MAX_VALUE,
        }
    }
}

/// The simplest transform that changes every byte, and lengthens what it is given.
#[derive(Debug)]
struct Shift;

impl Transform for Shift {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| byte.wrapping_add(91)));
        out.extend_from_slice(b"tag");
    }

    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let coded = coded.strip_suffix(b"tag").ok_or("no tag")?;
        if coded.len() > limit {
            return Err("too long".to_owned());
        }
        out.extend(coded.iter().map(|byte| byte.wrapping_sub(91)));
        Ok(())
    }
}
