//! A worker's side of each kind of work, with NATS.

use std::cell::Cell;

use anyhow::Result;
use async_nats::Client;
use futures_util::StreamExt;

use super::super::loops::while_moving;
use super::lane::{Inlet, Kind, Taken};
use super::window::step;
use super::{END, PROGRESS, RESULTS, connect, settle};
use crate::payload::{Item, Payload, Tally, encode};
use crate::process::Shift;
use crate::scenarios::Order;

pub(super) async fn one_way<P: Payload>(kind: Kind, order: &Order, address: &str) -> Result<()> {
    let n = order.n;
    take(kind, address, async |client, tally, taken| {
        tally.add_job(&postcard::from_bytes::<P>(taken.payload())?);
        if tally.count().is_multiple_of(step(order.size)) || tally.count() == n {
            client.publish(PROGRESS, encode(&tally.count())?).await?;
        }
        taken.acknowledge().await
    })
    .await
}

pub(super) async fn there_and_back(kind: Kind, address: &str) -> Result<()> {
    take(kind, address, async |client, tally, taken| {
        let job: Item = postcard::from_bytes(taken.payload())?;
        tally.add_job(&job);
        client.publish(RESULTS, encode(&job.worked())?).await?;
        taken.acknowledge().await
    })
    .await
}

/// Does something with each job until it is over.
async fn take(
    kind: Kind,
    address: &str,
    mut work: impl AsyncFnMut(&Client, &mut Tally, &Taken) -> Result<()>,
) -> Result<()> {
    let client = connect(address).await?;
    let mut end = client.subscribe(END).await?;
    let mut jobs = Inlet::open(kind, &client).await?;
    settle(&client).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        loop {
            tokio::select! {
                biased;
                taken = jobs.next() => work(&client, &mut tally, &taken?).await?,
                _ = end.next() => return Ok(()),
            }
            arrived.set(tally.count());
        }
    })
    .await?;
    shift.end(tally)
}
