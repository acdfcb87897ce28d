//! The server's side of each kind of work, with this project. It must look like the README.

use std::cell::Cell;

use anyhow::Result;
use distchan::Server;
use tokio::runtime::Runtime;

use super::super::loops::{large_job, time_beside, time_round_trips, while_moving};
use super::{CHANNEL, LARGE, max_value, start};
use crate::payload::{Blob, Item, Payload, Tally};
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

/// Jobs out, results back, on a server that may have other workers and channels.
pub(crate) fn there_and_back(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
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
    let timed = runtime.block_on(time_round_trips(order, async |job| Ok(jobs.call(job).await?)))?;
    let stopped = clock.stop_timed(timed);
    drop(jobs);
    stopped.wait()
}

pub(super) fn beside(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let (jobs, _results) = server.channel::<Blob, Blob>(CHANNEL).open()?;
    let (large, _receipts) = server.channel::<Blob, Blob>(LARGE).max_value(max_value(order)).open()?;
    let large_job = large_job(order);
    let clock = start(runtime, server, order)?;
    let ask_large = async move { Ok(large.call(large_job).await?) };
    let timed = runtime.block_on(time_beside(order, async |job| Ok(jobs.call(job).await?), ask_large))?;
    let stopped = clock.stop_timed(timed);
    drop(jobs);
    stopped.wait()
}
