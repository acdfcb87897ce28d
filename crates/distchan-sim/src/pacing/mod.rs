//! How long a given work takes, with as many jobs in each worker's hand as the machines think right, or with a number that is set: the
//! machines alone, on lines of one length, under virtual time. Nothing goes wrong here, and nothing depends on the machine that runs it.

mod cluster;
mod host;

use std::time::Duration;

use crate::pacing::cluster::Cluster;

/// Workers, each of which does one job at a time.
pub const WORKERS: u32 = 8;

/// The way to a worker, on a local network and across a continent.
pub const WAYS: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(50)];

/// The numbers of jobs in hand that are tried.
pub const PREFETCHES: [u32; 15] = [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 256, 1024, 4096, 16_384, 65_536];

/// Some work.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// How many jobs.
    pub jobs: u64,
    /// How long each takes.
    pub length: fn(u64) -> Duration,
}

/// The lengths that jobs have: from those that cost more to send than to do, to a mixture of which one in a hundred is a thousand times
/// longer.
pub const CASES: [Case; 5] = [
    Case { name: "1 us", jobs: 800_000, length: |_| Duration::from_micros(1) },
    Case { name: "100 us", jobs: 80_000, length: |_| Duration::from_micros(100) },
    Case { name: "10 ms", jobs: 8_000, length: |_| Duration::from_millis(10) },
    Case { name: "1 s", jobs: 165, length: |_| Duration::from_secs(1) },
    Case { name: "mixed", jobs: 8_000, length: mixed },
];

/// A millisecond, or a second: one in a hundred, in no order.
fn mixed(job: u64) -> Duration {
    let scattered = job.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    Duration::from_millis(if scattered.is_multiple_of(100) { 1000 } else { 1 })
}

/// How many jobs a worker has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefetch {
    /// As many as the machines think right.
    Adaptive,
    /// So many, always.
    Fixed(u32),
}

impl Case {
    /// The least time that it could take: no worker idle, or as long as the longest job.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let lengths = || (1..=self.jobs).map(self.length);
        let total: Duration = lengths().sum();
        (total / WORKERS).max(lengths().max().unwrap_or_default())
    }

    /// Dealing out all jobs in turn at the start, as channels without credit do: everybody has as many as any other.
    #[must_use]
    pub fn dealt(&self) -> Prefetch {
        Prefetch::Fixed(u32::try_from(self.jobs.div_ceil(WORKERS.into())).unwrap_or(u32::MAX))
    }

    /// How long it takes until the server's user has every outcome. The workers have been there for a second before.
    ///
    /// # Panics
    /// It never ends, or a job is lost or done twice: a mistake of the machines.
    #[must_use]
    pub fn time(&self, way: Duration, prefetch: Prefetch) -> Duration {
        Cluster::new(self, way, prefetch).run()
    }

    /// The best of [`PREFETCHES`], and how long it takes with that.
    #[must_use]
    pub fn best(&self, way: Duration, prefetches: &[u32]) -> (u32, Duration) {
        let times = prefetches.iter().map(|prefetch| (*prefetch, self.time(way, Prefetch::Fixed(*prefetch))));
        times.min_by_key(|(_, time)| *time).unwrap_or((0, Duration::MAX))
    }
}
