//! A worker's side of each kind of work, with tonic.

use std::cell::Cell;

use anyhow::{Context, Result, anyhow};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tonic::Streaming;

use super::super::loops::while_moving;
use super::service::{LARGE, SMALL, call, connect};
use crate::payload::{Blob, Item, Payload, Tally};
use crate::process::Shift;

/// How many answers wait where there is a channel between.
const BUFFER: usize = 1024;

pub(super) async fn one_way<P: Payload>(address: &str) -> Result<()> {
    let mut jobs = call::<P>(connect(address).await?, SMALL, stream::pending().boxed()).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.message().await? {
            tally.add_job(&job);
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    shift.end(tally)
}

pub(super) async fn there_and_back(address: &str) -> Result<()> {
    let (give_jobs, jobs) = oneshot::channel();
    let (say_end, end) = oneshot::channel();
    let jobs_of = call(connect(address).await?, SMALL, answers(jobs, say_end)).await?;
    let shift = Shift::start()?;
    give_jobs.send(jobs_of).map_err(|_| anyhow!("the stream of results ended"))?;
    shift.end(end.await.context("the stream of jobs broke")?)
}

/// The results of jobs, each made when the connection asks for it: with a channel between, this is a third slower.
fn answers(
    jobs: oneshot::Receiver<Streaming<Item>>,
    say_end: oneshot::Sender<Tally>,
) -> BoxStream<'static, Item> {
    let answer = async |(mut jobs, mut tally, say_end): (Streaming<Item>, Tally, oneshot::Sender<Tally>)| {
        match jobs.message().await {
            Ok(Some(job)) => {
                tally.add_job(&job);
                Some((job.worked(), (jobs, tally, say_end)))
            }
            // An error is seen by whoever waits for the end, and is not told of it.
            Err(_) => None,
            Ok(None) => {
                let _ = say_end.send(tally);
                None
            }
        }
    };
    let begun = async move {
        // Nobody gives up before there are jobs; else there is nothing to answer.
        let jobs = jobs.await.ok();
        stream::iter(jobs.map(|jobs| (jobs, Tally::default(), say_end)))
            .flat_map(move |begin| stream::unfold(begin, answer))
    };
    begun.flatten_stream().boxed()
}

fn from_channel<P: Payload>() -> (mpsc::Sender<P>, BoxStream<'static, P>) {
    let (sender, mut receiver) = mpsc::channel(BUFFER);
    (sender, stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
}

pub(super) async fn beside(address: &str) -> Result<()> {
    let channel = connect(address).await?;
    let (results, stream) = from_channel();
    let jobs = call::<Blob>(channel.clone(), SMALL, stream).await?;
    let (receipts, stream) = from_channel();
    let mut large = call::<Blob>(channel, LARGE, stream).await?;
    let shift = Shift::start()?;
    tokio::spawn(async move {
        while let Some(value) = large.message().await? {
            receipts.send(value.receipt()).await?;
        }
        anyhow::Ok(())
    });
    shift.end(answer(jobs, results).await?)
}

async fn answer<P: Payload>(mut jobs: Streaming<P>, results: mpsc::Sender<P>) -> Result<Tally> {
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.message().await? {
            tally.add_job(&job);
            results.send(job.worked()).await.map_err(|_| anyhow!("the stream of results ended"))?;
            arrived.set(tally.count());
        }
        Ok(())
    })
    .await?;
    Ok(tally)
}
