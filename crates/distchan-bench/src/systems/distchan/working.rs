//! A worker's side of each kind of work, with this project. It must look like the README.

use std::cell::Cell;

use anyhow::Result;
use distchan::{JobReceiver, Sender, Worker};

use super::super::loops::while_moving;
use super::{CHANNEL, LARGE, max_value};
use crate::payload::{Blob, Item, Payload, Tally};
use crate::process::Shift;
use crate::scenarios::Order;

pub(super) async fn one_way<P: Payload>(worker: &Worker, order: &Order) -> Result<()> {
    let mut jobs = worker.receiver::<P>(CHANNEL).max_value(max_value(order)).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.recv().await? {
            tally.add_job(&job);
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    shift.end(tally)
}

pub(super) async fn there_and_back(worker: &Worker) -> Result<()> {
    let (jobs, results) = worker.channel::<Item, Item>(CHANNEL).await?;
    let shift = Shift::start()?;
    shift.end(answer(jobs, results).await?)
}

pub(super) async fn beside(worker: &Worker, order: &Order) -> Result<()> {
    let (jobs, results) = worker.channel::<Blob, Blob>(CHANNEL).await?;
    let (mut large, receipts) = worker.channel::<Blob, Blob>(LARGE).max_value(max_value(order)).await?;
    let shift = Shift::start()?;
    // Ends with the program, if it must.
    tokio::spawn(async move {
        while let Some(value) = large.recv().await? {
            receipts.send(value.receipt()).await?;
        }
        anyhow::Ok(())
    });
    shift.end(answer(jobs, results).await?)
}

async fn answer<P: Payload>(mut jobs: JobReceiver<P, P>, results: Sender<P>) -> Result<Tally> {
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.recv().await? {
            tally.add_job(&job);
            results.send(job.worked()).await?;
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    Ok(tally)
}
