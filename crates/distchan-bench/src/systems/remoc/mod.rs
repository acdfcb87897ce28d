//! remoc: remote mpsc channels, one for jobs and one for results.

mod link;

use std::cell::Cell;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Runtime;

use self::link::{Listener, Offer, Ours, connect, offer};
use super::System;
use super::loops::{large_job, time_beside, time_round_trips, while_moving};
use crate::payload::{Blob, Item, Payload, Tally};
use crate::process::{Crew, Shift};
use crate::report::Measured;
use crate::scenarios::{Order, Transport, Work};

/// How many small values wait at each end of a channel. Its default of 16 is slower, 1,024 are no faster.
const BUFFER: usize = 128;

/// How many large ones.
const LARGE_BUFFER: usize = 2;

#[derive(Debug)]
pub(crate) struct Remoc;

impl System for Remoc {
    fn why_not(&self, order: &Order) -> Option<String> {
        (order.transport == Transport::Unix).then(|| "is here for TCP only".to_owned())
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        Runtime::new()?.block_on(async {
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => {
                    serve_one_way::<Blob, LARGE_BUFFER>(order).await
                }
                Work::OneWay => serve_one_way::<Item, BUFFER>(order).await,
                Work::ThereAndBack => serve_there_and_back(order).await,
                Work::OneInFlight => serve_one_in_flight(order).await,
                Work::Beside => serve_beside(order).await,
            }
        })
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        Runtime::new()?.block_on(async {
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => {
                    count::<Blob, LARGE_BUFFER>(address).await
                }
                Work::OneWay => count::<Item, BUFFER>(address).await,
                Work::ThereAndBack | Work::OneInFlight => {
                    let offer = connect::<Offer<Item, BUFFER>>(address).await?;
                    let shift = Shift::start()?;
                    shift.end(answer(offer).await?)
                }
                Work::Beside => work_beside(address).await,
            }
        })
    }
}

async fn serve_one_way<P: Payload, const N: usize>(order: &Order) -> Result<Measured> {
    let listener = Listener::bind().await?;
    let crew = Crew::start(order, &listener.address()?)?;
    let (ours, theirs) = offer::<P, N>(1);
    let _connections = listener.hand_out(theirs).await?;
    let (n, mould, tasks) = (order.n, P::mould(order.size), order.scenario.sending_tasks());
    let clock = crew.start_clock()?;
    for first in 0..tasks {
        let (jobs, mould) = (ours.jobs[0].clone(), mould.clone());
        tokio::spawn(async move {
            let mut id = first;
            while id < n && jobs.send(P::job(id, &mould)).await.is_ok() {
                id += tasks;
            }
        });
    }
    if tasks == 0 {
        let sent = Cell::new(0);
        while_moving(&sent, async {
            for id in 0..n {
                ours.jobs[0].send(P::job(id, &mould)).await?;
                sent.set(id);
            }
            Ok(())
        })
        .await?;
    }
    drop(ours);
    clock.stop_on_report(n)
}

async fn serve_there_and_back(order: &Order) -> Result<Measured> {
    let n = order.n;
    let listener = Listener::bind().await?;
    let crew = Crew::start(order, &listener.address()?)?;
    let (ours, theirs) = offer::<Item, BUFFER>(order.scenario.workers());
    let _connections = listener.hand_out(theirs).await?;
    let clock = crew.start_clock()?;
    // A worker that ends takes along what it has not sent yet: the end comes when all results are here.
    let Ours { jobs, mut results } = ours;
    let sender = tokio::spawn(async move {
        for (id, jobs) in (0..n).zip(jobs.iter().cycle()) {
            jobs.send(Item::job(id, &())).await?;
        }
        anyhow::Ok(jobs)
    });
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while tally.count() < n
            && let Some(result) = results.recv().await?
        {
            tally.add_result(&result);
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    let stopped = clock.stop(n, tally);
    drop(sender.await??);
    stopped.wait()
}

async fn serve_one_in_flight(order: &Order) -> Result<Measured> {
    let listener = Listener::bind().await?;
    let crew = Crew::start(order, &listener.address()?)?;
    let (mut ours, theirs) = offer::<Item, BUFFER>(1);
    let _connections = listener.hand_out(theirs).await?;
    let clock = crew.start_clock()?;
    let timed = time_round_trips(order, async |job| {
        ours.jobs[0].send(job).await?;
        ours.results.recv().await?.context("the worker ended before its time")
    });
    let stopped = clock.stop_timed(timed.await?);
    drop(ours);
    stopped.wait()
}

async fn serve_beside(order: &Order) -> Result<Measured> {
    let listener = Listener::bind().await?;
    let crew = Crew::start(order, &listener.address()?)?;
    let (mut ours, theirs) = offer::<Blob, BUFFER>(1);
    let (mut large, theirs_large) = offer::<Blob, LARGE_BUFFER>(1);
    let _connections = listener.hand_out(theirs.into_iter().zip(theirs_large)).await?;
    let large_job = large_job(order);
    let clock = crew.start_clock()?;
    let ask_large = async move {
        large.jobs[0].send(large_job).await.map_err(|error| anyhow!("{error}"))?;
        large.results.recv().await?.context("the worker ended before its time")
    };
    let ask = async |job| {
        ours.jobs[0].send(job).await?;
        ours.results.recv().await?.context("the worker ended before its time")
    };
    let stopped = clock.stop_timed(time_beside(order, ask, ask_large).await?);
    drop(ours);
    stopped.wait()
}

async fn count<P: Payload, const N: usize>(address: &str) -> Result<()> {
    let mut offer = connect::<Offer<P, N>>(address).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = offer.jobs.recv().await? {
            tally.add_job(&job);
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    shift.end(tally)
}

async fn work_beside(address: &str) -> Result<()> {
    let (offer, mut large) = connect::<(Offer<Blob, BUFFER>, Offer<Blob, LARGE_BUFFER>)>(address).await?;
    let shift = Shift::start()?;
    tokio::spawn(async move {
        while let Some(value) = large.jobs.recv().await? {
            large.results.send(value.receipt()).await?;
        }
        anyhow::Ok(())
    });
    shift.end(answer(offer).await?)
}

async fn answer<P: Payload, const N: usize>(mut offer: Offer<P, N>) -> Result<Tally> {
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = offer.jobs.recv().await? {
            tally.add_job(&job);
            offer.results.send(job.worked()).await?;
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    Ok(tally)
}
