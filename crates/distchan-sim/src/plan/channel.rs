//! One channel of a plan: what travels, how much, how long it takes, and which policy applies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::compression::{Compressor, SharedCompressor};
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::{Direction, Distribution, Policy};
use rand::{Rng, RngExt};

/// One channel.
#[derive(Clone, Debug)]
pub struct ChannelPlan {
    /// Its name, which says what it is.
    pub name: String,
    /// Jobs both ways, or one way only.
    pub direction: Direction,
    /// Whether results come in the order of the jobs.
    pub ordered: bool,
    /// A fixed window, or an adaptive one.
    pub credit: Option<u32>,
    /// Jobs to send in one run of the server; on a channel from the workers, values that each worker sends in one session.
    pub jobs: u64,
    /// Payloads have up to so many bytes.
    pub largest: usize,
    /// How long a handler works on most jobs.
    pub work: Duration,
    /// Programs that send into it.
    pub senders: u64,
    /// Whether its bytes are transformed.
    pub is_transformed: bool,
    /// Whether they are compressed, where that makes them shorter.
    pub is_compressed: bool,
    /// When jobs are tried again, and when no longer.
    pub policy: Policy,
}

impl ChannelPlan {
    pub(crate) fn draw(rng: &mut impl Rng, index: u32, workers: usize, storm: Duration) -> Self {
        let direction = match rng.random_range(0..12) {
            0 => Direction::Up,
            1 => Direction::Down,
            _ => Direction::Jobs,
        };
        let ordered = direction == Direction::Jobs && rng.random_range(0..3) == 0;
        let is_transformed = rng.random_range(0..4) == 0;
        let largest = [0, 30, 30, 400, 400, 3000, 70_000][rng.random_range(0..7)];
        let work = Duration::from_micros(
            [20, 1000, 30_000, 30_000, 200_000, 200_000, 1_000_000, 6_000_000][rng.random_range(0..8)],
        );
        // About as much as the workers can do in half of the storm.
        let fitting = workers as u128 * storm.as_micros() / work.as_micros() / 2;
        let most = [100, 400, 3000][rng.random_range(0..3)] / if largest > 1000 { 10 } else { 1 };
        let most = u64::try_from(fitting).unwrap_or(u64::MAX).clamp(3, most);
        let kind = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::Jobs if ordered => "ordered",
            Direction::Jobs => "jobs",
        };
        let name = format!("{kind}-{index}{}", if is_transformed { "-transformed" } else { "" });
        Self {
            name,
            direction,
            ordered,
            credit: if rng.random_bool(0.6) { None } else { Some(rng.random_range(1..8)) },
            jobs: rng.random_range(1..=most),
            largest,
            work,
            senders: rng.random_range(1..=3),
            is_transformed,
            is_compressed: index % 2 == 1,
            policy: draw_policy(rng, work),
        }
    }

    /// All jobs one behind the other, each tried a few times; a few are much longer than the others.
    pub(crate) fn longest_work(&self) -> Duration {
        self.work * u32::try_from(self.jobs * 6).unwrap_or(u32::MAX)
    }

    /// The channel as both sides open it.
    #[must_use]
    pub fn spec(&self) -> ChannelSpec {
        ChannelSpec {
            name: self.name.clone(),
            direction: self.direction,
            codec: "plain".to_owned(),
            job: Schema::of::<u64>(false),
            result: if self.direction == Direction::Jobs {
                Schema::of::<u64>(false)
            } else {
                Schema::of::<()>(false)
            },
            compressors: if self.is_compressed { vec![SharedCompressor(Arc::new(Runs))] } else { Vec::new() },
            transform: self.is_transformed.then(|| SharedTransform(Arc::new(Shift))),
            max_value: limits::DEFAULT_MAX_VALUE,
        }
    }

    /// The server's options for it.
    #[must_use]
    pub fn options(&self) -> ChannelOptions {
        ChannelOptions { ordered: self.ordered, credit: self.credit, policy: self.policy }
    }
}

fn draw_policy(rng: &mut impl Rng, work: Duration) -> Policy {
    let job_timeout =
        [None, None, Some(work * 30 + Duration::from_secs(2)), Some(work * 3)][rng.random_range(0..4)];
    Policy {
        crash_limit: [1, 2, 3, 3, 3, 5][rng.random_range(0..6)],
        failure_limit: [1, 1, 1, 2, 4][rng.random_range(0..5)],
        timeout_limit: rng.random_range(1..4),
        job_timeout,
        backoff: [
            (Duration::from_millis(100), Duration::from_secs(10)),
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_secs(1), Duration::from_secs(2)),
        ][rng.random_range(0..3)],
        speculate_after: rng.random_ratio(1, 4).then_some(work * 2 + Duration::from_millis(5)),
        by_key: rng.random_ratio(1, 8),
        distribution: [Distribution::RoundRobin, Distribution::LeastLoaded][rng.random_range(0..2)],
    }
}

impl fmt::Display for ChannelPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} x {:?}, up to {} B)", self.name, self.jobs, self.work, self.largest)
    }
}

/// The simplest compression: a byte, and how often it comes.
#[derive(Debug)]
struct Runs;

impl Compressor for Runs {
    fn number(&self) -> u8 {
        63
    }

    fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
        for run in plain.chunk_by(|one, next| one == next).flat_map(|run| run.chunks(255)) {
            out.extend(run.first());
            out.extend(u8::try_from(run.len()));
        }
    }

    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        for pair in packed.chunks(2) {
            let [byte, count] = *pair else { return Err("half a run".to_owned()) };
            if out.len() + usize::from(count) > length {
                return Err("too long".to_owned());
            }
            out.resize(out.len() + usize::from(count), byte);
        }
        Ok(())
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
