//! The server of one round, which is watched while its workers wait, and then has eight more that work.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use distchan::Server;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::Setup;
use crate::payload::Item;
use crate::process::{Crew, write_json_line};
use crate::scenarios::{Order, Scenario, SystemName, Transport};
use crate::systems::there_and_back;
use crate::usage::{cpu_time, resident_memory_kb};

/// The channel on which nothing is ever sent. The busy workers have another.
pub(super) const CHANNEL: &str = "idle";

/// What a round gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// Before anybody has connected.
    pub(super) rss_before_kb: Option<u64>,
    /// When all have waited for the time that was asked for.
    pub(super) rss_after_kb: Option<u64>,
    /// From the first connection to the last.
    pub(super) connecting: Duration,
    /// The server's time while all waited.
    pub(super) idle_cpu: Option<Duration>,
    /// What the busy workers did.
    pub(super) jobs_per_s: f64,
}

/// Is the server of one round, and prints what it gave.
pub(crate) fn serve(setup: &Setup) -> Result<()> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(Server::bind("127.0.0.1:0"))?;
    // Kept: a channel whose sender is gone tells its workers the end.
    let _channel = server.channel::<Item, Item>(CHANNEL).open()?;
    let rss_before_kb = resident_memory_kb();
    let start = Instant::now();
    let idle = connect(setup, &server)?;
    let connecting = start.elapsed();
    let cpu = cpu_time();
    if setup.workers > 0 {
        std::thread::sleep(Duration::from_secs(setup.seconds));
    }
    let idle_cpu = cpu_time().zip(cpu).map(|(end, start)| end.saturating_sub(start));
    let rss_after_kb = resident_memory_kb();
    let jobs_per_s = work(&runtime, &server, setup.n)?;
    if setup.channel_open {
        let left = server.workers().len();
        ensure!(left >= setup.workers as usize, "{left} of {} idle workers are still here", setup.workers);
    }
    drop(idle);
    write_json_line(&Round { rss_before_kb, rss_after_kb, connecting, idle_cpu, jobs_per_s })
}

/// Starts the idle workers, as even a share of them in each process as there can be, and waits until all are there.
fn connect(setup: &Setup, server: &Server) -> Result<Crew> {
    let Setup { workers, processes, channel_open, .. } = setup;
    let shares = (0..*processes).map(|index| workers / processes + u32::from(index < workers % processes));
    let mut idle = Crew::of(shares.filter(|&share| share > 0).map(|share| {
        [
            "idle-workers".to_owned(),
            format!("--workers={share}"),
            format!("--channel-open={channel_open}"),
            format!("--address={}", server.local_addr()),
        ]
    }))?;
    idle.wait_until_ready()?;
    Ok(idle)
}

/// Scenario W3, on this server.
fn work(runtime: &Runtime, server: &Server, n: u64) -> Result<f64> {
    let order =
        Order { scenario: Scenario::W3, system: SystemName::Distchan, transport: Transport::Tcp, n, size: 0 };
    let done = there_and_back(runtime, server, &order)?;
    let (lost, duplicated) = (done.tally.lost(n), done.tally.duplicated(n));
    ensure!(lost + duplicated == 0, "{lost} jobs were lost, and {duplicated} came twice");
    Ok(n as f64 / done.elapsed.as_secs_f64())
}
