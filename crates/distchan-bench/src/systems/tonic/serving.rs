//! The server's side of each kind of work, with tonic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tonic::Streaming;

use super::super::loops::{large_job, time_beside, time_round_trips, while_counting};
use super::service::{Bench, Jobs, Method};
use crate::payload::{Blob, Item, Payload, Tally};
use crate::process::Crew;
use crate::report::Measured;
use crate::scenarios::Order;

/// How many jobs wait between tasks that send and the stream that takes.
const BUFFER: usize = 1024;

/// How far a run is; streams wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Connecting,
    Running,
    Over,
}

pub(super) fn one_way<P: Payload>(order: &Order, is_polled: bool) -> Result<Measured> {
    let (phase, phases) = watch::channel(Phase::Connecting);
    let (n, mould, tasks) = (order.n, P::mould(order.size), order.scenario.sending_tasks().max(1));
    let (sender, mut receiver) = mpsc::channel(BUFFER);
    let jobs: Jobs<P> = if is_polled {
        let mould = mould.clone();
        gated(phases, stream::iter((0..n).map(move |id| P::job(id, &mould))))
    } else {
        gated(phases, stream::poll_fn(move |context| receiver.poll_recv(context)))
    };
    let (small, _results) = Method::new(vec![jobs]);
    let crew = Crew::start(order, &Bench { small, large: None }.serve(order.scenario.is_encrypted())?)?;
    let clock = crew.start_clock()?;
    phase.send_replace(Phase::Over);
    for first in 0..tasks {
        if is_polled {
            break;
        }
        let (sender, mould) = (sender.clone(), mould.clone());
        tokio::spawn(async move {
            let mut id = first;
            while id < n && sender.send(P::job(id, &mould)).await.is_ok() {
                id += tasks;
            }
        });
    }
    drop(sender);
    clock.stop_on_report(n)
}

/// These jobs, once the run has begun; the stream ends when it is over.
fn gated<P: Payload>(
    mut phases: watch::Receiver<Phase>,
    jobs: impl futures_util::Stream<Item = P> + Send + 'static,
) -> Jobs<P> {
    let mut over = phases.clone();
    let begun = async move {
        let _ = phases.wait_for(|&phase| phase >= Phase::Running).await;
        jobs
    };
    let end = async move {
        let _ = over.wait_for(|&phase| phase == Phase::Over).await;
        stream::empty()
    };
    begun.flatten_stream().chain(end.flatten_stream()).map(Ok).boxed()
}

pub(super) async fn there_and_back(order: &Order, is_polled: bool) -> Result<Measured> {
    let n = order.n;
    let (phase, phases) = watch::channel(Phase::Connecting);
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = Vec::new();
    let jobs = (0..order.scenario.workers()).map(|_| {
        if is_polled {
            let next = Arc::clone(&next);
            let ids = move || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&id| id < n);
            return gated(phases.clone(), stream::iter(std::iter::from_fn(ids).map(|id| Item::job(id, &()))));
        }
        let (sender, mut receiver) = mpsc::channel(BUFFER);
        senders.push(sender);
        gated(phases.clone(), stream::poll_fn(move |context| receiver.poll_recv(context)))
    });
    let (small, mut results) = Method::new(jobs.collect());
    let crew = Crew::start(order, &Bench { small, large: None }.serve(order.scenario.is_encrypted())?)?;
    let clock = crew.start_clock()?;
    phase.send_replace(Phase::Running);
    if !is_polled {
        tokio::spawn(send_in_turn(n, senders));
    }
    let mut readers = JoinSet::new();
    let arrived = Arc::new(Arrived::default());
    for _ in 0..order.scenario.workers() {
        let results = results.recv().await.context("a worker did not come")?;
        readers.spawn(count_results(results, n, Arc::clone(&arrived)));
    }
    while_counting(|| arrived.count.load(Ordering::Relaxed), async {
        arrived.all.notified().await;
        Ok(())
    })
    .await?;
    let stopped = clock.stop(n, Tally::default());
    phase.send_replace(Phase::Over);
    let mut tally = Tally::default();
    while let Some(counted) = readers.join_next().await {
        tally.merge(counted??);
    }
    stopped.counted(tally).wait()
}

/// A task that sends, to each worker in turn.
async fn send_in_turn(n: u64, senders: Vec<mpsc::Sender<Item>>) {
    for (id, sender) in (0..n).zip(senders.iter().cycle()) {
        if sender.send(Item::job(id, &())).await.is_err() {
            return;
        }
    }
}

/// How many results are here, from all workers.
#[derive(Debug, Default)]
struct Arrived {
    count: AtomicU64,
    all: Notify,
}

async fn count_results(mut results: Streaming<Item>, n: u64, arrived: Arc<Arrived>) -> Result<Tally> {
    let mut tally = Tally::default();
    loop {
        match results.message().await {
            Ok(Some(result)) => tally.add_result(&result),
            Ok(None) => return Ok(tally),
            // A worker that is told that it is over ends, and its connection with it.
            Err(_) if arrived.count.load(Ordering::Relaxed) >= n => return Ok(tally),
            Err(error) => return Err(error.into()),
        }
        if arrived.count.fetch_add(1, Ordering::Relaxed) + 1 == n {
            arrived.all.notify_one();
        }
    }
}

pub(super) async fn one_in_flight(order: &Order) -> Result<Measured> {
    let (jobs, mut results, crew) = meet::<Item>(order)?;
    let clock = crew.start_clock()?;
    let mut results = results.recv().await.context("the worker did not come")?;
    let timed = time_round_trips(order, async |job| {
        jobs.send(job).await.map_err(|_| anyhow!("the stream of jobs ended"))?;
        results.message().await?.context("the worker ended before its time")
    });
    let stopped = clock.stop_timed(timed.await?);
    drop(jobs);
    stopped.wait()
}

type Meeting<P> = (mpsc::Sender<P>, mpsc::UnboundedReceiver<Streaming<P>>, Crew);

fn meet<P: Payload>(order: &Order) -> Result<Meeting<P>> {
    let (jobs, stream) = from_channel();
    let (small, results) = Method::new(vec![stream]);
    let crew = Crew::start(order, &Bench { small, large: None }.serve(order.scenario.is_encrypted())?)?;
    Ok((jobs, results, crew))
}

fn from_channel<P: Payload>() -> (mpsc::Sender<P>, Jobs<P>) {
    let (sender, mut receiver) = mpsc::channel(BUFFER);
    (sender, stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok).boxed())
}

pub(super) async fn beside(order: &Order) -> Result<Measured> {
    let (jobs, stream) = from_channel();
    let (small, mut results) = Method::new(vec![stream]);
    let (large_jobs, stream) = from_channel();
    let (large, mut receipts) = Method::new(vec![stream]);
    let crew =
        Crew::start(order, &Bench { small, large: Some(large) }.serve(order.scenario.is_encrypted())?)?;
    let large_job: Blob = large_job(order);
    let clock = crew.start_clock()?;
    let mut results = results.recv().await.context("the worker did not come")?;
    let mut receipts = receipts.recv().await.context("the worker did not come")?;
    let ask_large = async move {
        large_jobs.send(large_job).await.map_err(|_| anyhow!("the stream of large jobs ended"))?;
        receipts.message().await?.context("the worker ended before its time")
    };
    let ask = async |job| {
        jobs.send(job).await.map_err(|_| anyhow!("the stream of jobs ended"))?;
        results.message().await?.context("the worker ended before its time")
    };
    let stopped = clock.stop_timed(time_beside(order, ask, ask_large).await?);
    drop(jobs);
    stopped.wait()
}
