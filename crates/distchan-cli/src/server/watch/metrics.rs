//! How the run stands, as Prometheus reads it: its text format, in the words of OpenMetrics.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::report::{Bottleneck, Status};

/// What `/metrics` says.
///
/// # Errors
/// The text could not be written.
pub(super) fn text(status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("distchan");
    let jobs = &status.jobs;
    let counters = [
        ("jobs_read", "Jobs whose input was read", jobs.read),
        ("jobs_succeeded", "Jobs that succeeded", jobs.succeeded),
        ("jobs_failed", "Jobs that failed, and are not tried again", jobs.failed),
        ("jobs_retried", "Runs beyond a job's first, because it had failed", jobs.retried),
        ("jobs_skipped", "Jobs that were passed over, because they are in the job log", jobs.skipped),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    let connected = status.workers.iter().filter(|worker| worker.is_connected);
    let (workers, slots) =
        connected.fold((0, 0), |(workers, slots), worker| (workers + 1, slots + u64::from(worker.slots)));
    let gauges = [
        ("jobs_queued", "Jobs that wait for a slot", jobs.queued),
        ("jobs_running", "Jobs that have a process", jobs.running),
        ("workers", "Workers that are connected", workers),
        ("slots", "How many jobs they run at once", slots),
        ("waits_for_workers", "1 while jobs wait and every slot is taken, or no worker is there", {
            u64::from(matches!(status.bottleneck, Bottleneck::Workers | Bottleneck::NoWorkers))
        }),
        ("waits_for_reader", "1 while whoever reads the output is behind", {
            u64::from(status.bottleneck == Bottleneck::Reader)
        }),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(gauge(value)));
    }
    let elapsed = ConstGauge::new(status.elapsed_s);
    registry.register_with_unit("elapsed", "Time since the run began", Unit::Seconds, elapsed);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// More than an `i64` holds is nobody's number of jobs.
fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
