//! The line that a run prints. It must not guess: a figure that could not be measured is `null`.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::payload::{Tally, encoded_bytes};
use crate::scenarios::{Order, Scenario, SystemName, Work};
use crate::stats::{percentile, round};
use crate::usage::peak_memory_kb;

/// What a run gave, before it is turned into rates.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// From the first value sent to the last one accounted for; in W6, while the large value was under way.
    pub(crate) elapsed: Duration,
    /// The ids `0..sent` left.
    pub(crate) sent: u64,
    /// What arrived at the end that counts: the worker where work flows one way, the server otherwise.
    pub(crate) tally: Tally,
    /// The round trips of W4 and W6, in the order they were made; empty otherwise.
    pub(crate) round_trips: Vec<Duration>,
    /// The round trips of W6 with nothing beside them; empty otherwise.
    pub(crate) alone: Vec<Duration>,
    /// User and system time of all processes together, while the clock ran.
    pub(crate) cpu: Option<Duration>,
    /// The most memory that a broker had resident, in KiB.
    pub(crate) broker_rss_kb: u64,
}

/// What is measured where each round trip is timed.
#[derive(Debug, Default)]
pub(crate) struct Timed {
    /// The ids `0..sent` left.
    pub(crate) sent: u64,
    /// What arrived at the server.
    pub(crate) tally: Tally,
    pub(crate) round_trips: Vec<Duration>,
    /// In W6, those with nothing beside them.
    pub(crate) alone: Vec<Duration>,
    /// In W6, how long the large value was under way.
    pub(crate) beside: Option<Duration>,
}

impl Timed {
    /// For so many round trips, one after the other. Their times' memory is here already: else the system would bring a page of it now and then,
    /// between two of them.
    pub(crate) fn one_in_flight(count: u64) -> Result<Self> {
        let mut round_trips = vec![Duration::MAX; usize::try_from(count)?];
        round_trips.clear();
        Ok(Self { sent: count, round_trips, ..Self::default() })
    }
}

/// What a run prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// It ran.
    Ran(Report),
    /// It did not.
    Skipped {
        scenario: String,
        system: String,
        /// Why.
        skipped: String,
    },
}

impl Line {
    /// Why a system does not do a scenario.
    pub(crate) fn skipped(scenario: Scenario, system: SystemName, why: String) -> Self {
        Self::Skipped { scenario: scenario.to_string(), system: system.to_string(), skipped: why }
    }
}

/// One run, as one JSON line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) system: String,
    pub(crate) transport: String,
    pub(crate) n: u64,
    pub(crate) seconds: f64,
    /// Values that arrived per second; where there are results, a value is a job and its result.
    pub(crate) rate_per_s: f64,
    /// Millions of encoded bytes per second, without framing, of the jobs only; in W6, of the large value only.
    pub(crate) mb_per_s: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p999_us: Option<f64>,
    pub(crate) p50_alone_us: Option<f64>,
    pub(crate) p99_alone_us: Option<f64>,
    pub(crate) cpu_us_per_job: Option<f64>,
    /// The most memory the server had resident, and the broker if there is one, in KiB.
    pub(crate) server_rss_kb: Option<u64>,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    /// Values that arrived with a wrong field.
    pub(crate) damaged: u64,
}

impl Report {
    /// Turns what was measured into rates; reads the memory of this process, the server.
    pub(crate) fn new(order: &Order, measured: &Measured) -> Self {
        let Measured { elapsed, sent, tally, cpu, .. } = measured;
        let seconds = elapsed.as_secs_f64();
        let round_trips = sorted(&measured.round_trips);
        let alone = sorted(&measured.alone);
        let is_beside = order.scenario.work() == Work::Beside;
        let timed = if is_beside { round_trips.len() as u64 } else { tally.count() };
        Self {
            scenario: order.scenario.to_string(),
            system: order.system.to_string(),
            transport: order.transport.to_string(),
            n: order.n,
            seconds: round(seconds, 4),
            rate_per_s: round(timed as f64 / seconds, if timed < 1000 { 2 } else { 0 }),
            mb_per_s: round(encoded_bytes(order, tally.count()) as f64 / 1e6 / seconds, 2),
            p50_us: trip(&round_trips, 500),
            p99_us: trip(&round_trips, 990),
            p999_us: trip(&round_trips, 999),
            p50_alone_us: trip(&alone, 500),
            p99_alone_us: trip(&alone, 990),
            // Less than a step of the clock is not zero, it is unknown. In W6 there is no one job to divide by.
            cpu_us_per_job: cpu
                .filter(|cpu| !cpu.is_zero() && !is_beside)
                .map(|cpu| round(micros(cpu) / order.n as f64, 4)),
            server_rss_kb: peak_memory_kb().map(|kb| kb + measured.broker_rss_kb),
            lost: tally.lost(*sent),
            duplicated: tally.duplicated(*sent),
            damaged: tally.damaged(),
        }
    }
}

fn sorted(round_trips: &[Duration]) -> Vec<Duration> {
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    sorted
}

fn trip(sorted: &[Duration], per_mille: usize) -> Option<f64> {
    percentile(sorted, per_mille).map(|trip| round(micros(trip), 2))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
