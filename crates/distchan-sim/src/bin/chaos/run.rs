//! One run: a server with three channels, a fleet of workers, trouble for a while, and then the end of the work. It decides nothing by time
//! but when the trouble ends, and when a run hangs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distchan::Server;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::Problem;
use crate::answers::receive;
use crate::books::Books;
use crate::fleet::Fleet;
use crate::job::{CALLS, Kind, MIXED, ORDERED};
use crate::ledger::{CRASH_LIMIT, Counts};
use crate::proxy::Proxy;
use crate::proxy::dice::Dice;
use crate::senders::{call, send};
use crate::trouble::Trouble;

/// Once the trouble is over, all jobs are done within this time, or lost.
const FINISH: Duration = Duration::from_secs(60);

/// Then all workers have seen the end within this time.
const FAREWELL: Duration = Duration::from_secs(20);

const HEARTBEAT: Duration = Duration::from_millis(250);
const LOST_AFTER: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);

const PROXIES: usize = 2;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    pub(crate) total: Counts,
}

/// Runs once.
pub(crate) async fn run(time: Duration, seed: u64, workers: usize, trace: bool) -> Result<Report, Problem> {
    let server = Server::builder().heartbeat(HEARTBEAT, LOST_AFTER).grace(GRACE).bind("127.0.0.1:0").await?;
    let books = Arc::new(Books::new());
    let mut dice = Dice::new(seed);
    let mut work = start(&server, &books, &mut dice)?;
    let mut proxies = Vec::new();
    for _ in 0..PROXIES {
        proxies.push(Proxy::start(server.local_addr().to_string().parse()?, dice.next()).await?);
    }
    let mut fleet = Fleet::new(server.local_addr().to_string(), proxies, workers)?;
    let mut trouble = Trouble::new(Dice::new(dice.next()), &books, trace);
    trouble.make(&mut fleet, time).await?;
    let done: Vec<_> = trouble.done.iter().map(|(deed, times)| format!("{deed} {times}")).collect();

    let healed = Instant::now();
    books.end();
    let is_done = timeout(FINISH, finish(&mut work, &mut fleet)).await;
    let finished = healed.elapsed();
    let joined = fleet.joined();
    let mut lines = vec![format!("trouble: {}", done.join(", "))];
    lines.extend(fleet.gave_up.iter().map(|(why, times)| format!("{times} workers gave up: {why}")));
    match is_done {
        Ok(result) => {
            result?;
            for bad in fleet.farewell(FAREWELL).await? {
                books.mixed.open().deviate(bad);
            }
        }
        Err(_) => {
            for (number, proxy) in fleet.proxies.iter().enumerate() {
                let (connections, is_flipped) = (proxy.connections(), proxy.is_flipped());
                lines.push(format!(
                    "proxy {number}: {connections} connections, every flip was done: {is_flipped}"
                ));
            }
            lines.push(format!("not done {FINISH:?} after the trouble: {:#?}", server.stats()));
        }
    }
    let cancelled = books.cancelled.load(Ordering::Relaxed);
    lines.push(format!("{joined} worker processes, all done {finished:.1?} after the trouble, {cancelled} calls were given up"));
    let mut totals = Vec::new();
    for (name, book) in [(MIXED, &books.mixed), (ORDERED, &books.ordered), (CALLS, &books.calls)] {
        let mut ledger = book.open();
        ledger.close();
        lines.extend(ledger.deviations.iter().map(|what| format!("{name}: WRONG: {what}")));
        let stats = server.stats().channel(name).copied().unwrap_or_default();
        lines.push(format!(
            "{name}: {}; delivered again {}, answers refused {}, crashes {}",
            ledger.counts, stats.redelivered, stats.refused_answers, stats.crashes
        ));
        totals.push(ledger.counts);
    }
    Ok(Report { lines, total: totals.into_iter().sum() })
}

type Work = JoinSet<Result<(), Problem>>;

/// Opens the channels, and begins to send and to receive.
fn start(server: &Server, books: &Arc<Books>, dice: &mut Dice) -> Result<Work, Problem> {
    let mut work = Work::new();
    let (jobs, results) = server.channel(MIXED).capacity(500).crash_limit(CRASH_LIMIT).open()?;
    let mut choice = Dice::new(dice.next());
    work.spawn(send(
        jobs,
        Arc::clone(books),
        |books| &books.mixed,
        move |books| {
            if books.take_poison() { Kind::Poison } else { Kind::mixed(&mut choice) }
        },
    ));
    work.spawn(received(receive(results, Arc::clone(books), |books| &books.mixed)));

    let (jobs, results) = server.channel(ORDERED).ordered().capacity(200).crash_limit(CRASH_LIMIT).open()?;
    let mut choice = Dice::new(dice.next());
    work.spawn(send(jobs, Arc::clone(books), |books| &books.ordered, move |_| Kind::ordered(&mut choice)));
    work.spawn(received(receive(results, Arc::clone(books), |books| &books.ordered)));

    // Nothing comes to the channel's own receiver but its end.
    let (jobs, results) = server.channel(CALLS).crash_limit(CRASH_LIMIT).open()?;
    work.spawn(call(jobs, Arc::clone(books), Dice::new(dice.next())));
    work.spawn(received(receive(results, Arc::clone(books), |books| &books.calls)));
    Ok(work)
}

async fn received(receive: impl Future<Output = ()>) -> Result<(), Problem> {
    receive.await;
    Ok(())
}

/// Until every sender and receiver has ended. Poison may still be about, so the fleet is looked after.
async fn finish(work: &mut Work, fleet: &mut Fleet) -> Result<(), Problem> {
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            ended = work.join_next() => match ended {
                Some(ended) => ended??,
                None => return Ok(()),
            },
            _ = ticks.tick() => fleet.tend()?,
        }
    }
}
