//! The server's side of each kind of work, with this project. It must look like the README.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use distchan::{JobSender, Server};
use tokio::runtime::Runtime;

use super::super::patience::while_moving;
use super::{CHANNEL, LARGE, max_value, start};
use crate::payload::{Blob, Item, Payload, SMALL, Tally};
use crate::report::Measured;
use crate::scenarios::Order;

pub(super) fn one_way<P: Payload>(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let n = order.n;
    let jobs = server.sender::<P>(CHANNEL).max_value(max_value(order)).open()?;
    let mould = P::mould(order.size);
    let clock = start(runtime, server, order)?;
    let tasks = order.scenario.sending_tasks();
    for first in 0..tasks {
        let (jobs, mould) = (jobs.clone(), mould.clone());
        // Not waited for: a sender that failed shows as lost jobs, and one that hangs must not hang the run.
        runtime.spawn(async move {
            let mut id = first;
            while id < n {
                jobs.send(P::job(id, &mould)).await?;
                id += tasks;
            }
            anyhow::Ok(())
        });
    }
    if tasks == 0 {
        let sent = Cell::new(0);
        runtime.block_on(while_moving(&sent, async {
            for id in 0..n {
                jobs.send(P::job(id, &mould)).await?;
                sent.set(id);
            }
            Ok(())
        }))?;
    }
    drop(jobs);
    clock.stop_on_report(n)
}

pub(super) fn there_and_back(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let n = order.n;
    let (jobs, mut results) = server.channel::<Item, Item>(CHANNEL).open()?;
    let clock = start(runtime, server, order)?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    runtime.block_on(async {
        // Not waited for: a sender that failed shows as lost jobs, and one that hangs must not hang the run.
        let _sender = tokio::spawn(async move {
            for id in 0..n {
                jobs.send(Item::job(id, &())).await?;
            }
            anyhow::Ok(())
        });
        while_moving(&arrived, async {
            while let Some(result) = results.recv().await? {
                tally.add_result(&result);
                arrived.set(tally.count());
            }
            Ok(())
        })
        .await
    })?;
    clock.stop(n, tally).wait()
}

pub(super) fn one_in_flight(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    // The results come back through `call`; the receiver only has to live.
    let (jobs, _results) = server.channel::<Item, Item>(CHANNEL).open()?;
    let clock = start(runtime, server, order)?;
    let mut tally = Tally::default();
    let mut round_trips = Vec::new();
    let arrived = Cell::new(0);
    runtime.block_on(while_moving(&arrived, async {
        for id in 0..order.n {
            round_trips.push(time_a_call(&jobs, Item::job(id, &()), &mut tally).await?);
            arrived.set(tally.count());
        }
        Ok(())
    }))?;
    let stopped = clock.stop(order.n, tally);
    drop(jobs);
    Ok(Measured { round_trips, ..stopped.wait()? })
}

pub(super) fn beside(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let (jobs, _results) = server.channel::<Blob, Blob>(CHANNEL).open()?;
    let (large, _receipts) = server.channel::<Blob, Blob>(LARGE).max_value(max_value(order)).open()?;
    let (mould, large_mould) = (Blob::mould(SMALL), Blob::mould(order.size));
    let clock = start(runtime, server, order)?;
    let mut tally = Tally::default();
    let (mut alone, mut round_trips) = (Vec::new(), Vec::new());
    let mut sent = 0;
    let mut elapsed = Duration::ZERO;
    let arrived = Cell::new(0);
    runtime.block_on(while_moving(&arrived, async {
        while sent < order.n {
            alone.push(time_a_call(&jobs, Blob::job(sent, &mould), &mut tally).await?);
            sent += 1;
            arrived.set(sent);
        }
        let start = Instant::now();
        let job = Blob::job(sent, &large_mould);
        let receipt = tokio::spawn(async move { large.call(job).await });
        sent += 1;
        while !receipt.is_finished() || round_trips.is_empty() {
            round_trips.push(time_a_call(&jobs, Blob::job(sent, &mould), &mut tally).await?);
            sent += 1;
            arrived.set(sent);
        }
        tally.add_result(&receipt.await?.map_err(|error| anyhow!("{error}"))?);
        elapsed = start.elapsed();
        Ok(())
    }))?;
    let stopped = clock.stop(sent, tally);
    drop(jobs);
    Ok(Measured { elapsed, round_trips, alone, ..stopped.wait()? })
}

async fn time_a_call<P: Payload>(jobs: &JobSender<P, P>, job: P, tally: &mut Tally) -> Result<Duration> {
    let start = Instant::now();
    let result = jobs.call(job).await?;
    tally.add_result(&result);
    Ok(start.elapsed())
}
