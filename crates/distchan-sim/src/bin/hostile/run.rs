//! One run: the work without strangers, with them, and without them again. What a stranger does is chosen elsewhere, and what may come of it too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::Problem;
use crate::attack::Arsenal;
use crate::forge::split;
use crate::gauge::{Gauge, panics};
use crate::recording::record;
use crate::report::Report;
use crate::site::Site;
use crate::stranger::{Kinds, crowd};

/// What strangers held is given back within this time after they have gone: a handshake's ten seconds, and some more.
const GIVEN_BACK: Duration = Duration::from_secs(15);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: u64,
    pub(crate) seed: u64,
    pub(crate) is_secured: bool,
    pub(crate) parallel: usize,
    /// How long a job takes.
    pub(crate) job: Duration,
    /// For how long the work is measured without strangers, before and after.
    pub(crate) quiet: Duration,
    pub(crate) least: f64,
}

/// Runs once.
pub(crate) async fn run(plan: &Plan) -> Result<Report, Problem> {
    let site = Site::open(plan.is_secured, plan.job).await?;
    let recording = record(&site).await?;
    // What is encrypted has no frames that anybody could see.
    let frames = if plan.is_secured { Vec::new() } else { split(&recording) };
    let arsenal = Arc::new(Arsenal { seed: plan.seed, recording, frames });
    let address: SocketAddr = site.server.local_addr().to_string().parse()?;

    let undisturbed_before = site.rate(plan.quiet).await;
    let before = Gauge::read();
    let began = Instant::now();
    let mut kinds = None;
    let disturbed = site
        .rate_during(async {
            kinds = Some(let_loose(arsenal, address, plan.connections, plan.parallel).await)
        })
        .await;
    let seconds = began.elapsed().as_secs_f64();
    let after = settle(&site, &before).await;
    let undisturbed_after = site.rate(plan.quiet).await;
    let (is_alone, workers_lost, bait) = (site.is_alone(), site.disturbed(), site.bait());
    let (jobs, calls) = site.finish().await?;
    Ok(Report {
        connections: plan.connections,
        seconds,
        kinds: kinds.ok_or("the strangers did not end")??,
        panics: panics(),
        undisturbed: f64::midpoint(undisturbed_before, undisturbed_after),
        disturbed,
        before,
        after,
        is_alone,
        workers_lost,
        jobs,
        calls,
        bait,
    })
}

/// The strangers have a thread of their own, as if they were on another machine with one core.
async fn let_loose(
    arsenal: Arc<Arsenal>,
    server: SocketAddr,
    connections: u64,
    parallel: usize,
) -> Result<Kinds, Problem> {
    let (done, ended) = oneshot::channel();
    let strangers = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kinds = runtime.block_on(crowd(arsenal, server, connections, parallel));
        drop(runtime);
        // Whoever waits for it does so below.
        let _ = done.send(());
        kinds
    });
    // Ends also where the thread does so without a word.
    let _ = ended.await;
    strangers.join().map_err(|_| "the strangers panicked")?
}

/// Waits until what strangers held is given back, or too long; returns what there is then.
async fn settle(site: &Site, before: &Gauge) -> Gauge {
    let began = Instant::now();
    loop {
        let now = Gauge::read();
        if (site.is_alone() && Report::is_given_back(before, &now)) || began.elapsed() > GIVEN_BACK {
            return now;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
