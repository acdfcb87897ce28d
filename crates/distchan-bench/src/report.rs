//! The line that a run prints, and what the operating system says a process used. It must not guess:
//! a figure that could not be measured is `null`.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use crate::payload::{Tally, encoded_bytes};
use crate::scenarios::Order;

/// What a run gave, before it is turned into rates.
#[derive(Debug)]
pub(crate) struct Measured {
    /// From the first value sent to the last one accounted for.
    pub(crate) elapsed: Duration,
    /// What arrived at the end that counts: the worker in W1, the server otherwise.
    pub(crate) tally: Tally,
    /// The round trips of W4, in the order they were made; empty otherwise.
    pub(crate) round_trips: Vec<Duration>,
    /// User and system time of server and worker together, while the clock ran.
    pub(crate) cpu: Option<Duration>,
}

/// One run, as one JSON line.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    scenario: String,
    system: String,
    transport: String,
    n: u64,
    seconds: f64,
    /// Values that arrived per second; in W2 and W4 a value is a job and its result.
    rate_per_s: f64,
    /// Millions of encoded bytes per second, without framing, of the jobs only.
    mb_per_s: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    cpu_us_per_job: Option<f64>,
    /// The most memory the server had resident, in KiB.
    server_rss_kb: Option<u64>,
    lost: u64,
    duplicated: u64,
    /// Values that arrived with a wrong field.
    damaged: u64,
}

impl Report {
    /// Turns what was measured into rates; reads the memory of this process, the server.
    pub(crate) fn new(order: &Order, measured: &Measured) -> Self {
        let Measured { elapsed, tally, round_trips, cpu } = measured;
        let seconds = elapsed.as_secs_f64();
        let mut sorted = round_trips.clone();
        sorted.sort_unstable();
        let percentile = |percent| percentile(&sorted, percent).map(|trip| round(micros(trip), 2));
        Self {
            scenario: order.scenario.to_string(),
            system: order.system.to_string(),
            transport: order.transport.to_string(),
            n: order.n,
            seconds: round(seconds, 4),
            rate_per_s: round(tally.count() as f64 / seconds, 0),
            mb_per_s: round(encoded_bytes(tally.count()) as f64 / 1e6 / seconds, 2),
            p50_us: percentile(50),
            p99_us: percentile(99),
            // Less than a step of the clock is not zero, it is unknown.
            cpu_us_per_job: cpu
                .filter(|cpu| !cpu.is_zero())
                .map(|cpu| round(micros(cpu) / order.n as f64, 4)),
            server_rss_kb: peak_memory_kb(),
            lost: tally.lost(order.n),
            duplicated: tally.duplicated(order.n),
            damaged: tally.damaged(),
        }
    }
}

/// User and system time of this process so far, all threads, also those that ended. Steps of 10 ms: a run should last a second.
pub(crate) fn cpu_time() -> Option<Duration> {
    parse_cpu_time(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The second field is the program's name, which may hold spaces and brackets: count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // Linux shows ticks of 1/100 s to programs on every architecture that Rust's tier 1 and 2 know.
    Some(Duration::from_millis((user + system) * 10))
}

fn peak_memory_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The smallest round trip that `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_cpu_time, percentile};

    #[test]
    fn cpu_time_is_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 12 34 5 6 20 0 1 0 300 1000 50";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_millis(460)));
        assert_eq!(parse_cpu_time("nonsense"), None);
    }

    #[test]
    fn percentiles_are_round_trips_that_were_made() {
        let trips: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&trips, 50), Some(Duration::from_micros(100)));
        assert_eq!(percentile(&trips, 99), Some(Duration::from_micros(198)));
        assert_eq!(percentile(&trips[..1], 99), Some(Duration::from_micros(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
