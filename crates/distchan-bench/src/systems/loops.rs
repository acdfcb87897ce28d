//! The loops that systems with async ends have in common. They must not cost anything that a user's own loop would not.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::payload::{Blob, Item, Payload, SMALL, Tally};
use crate::report::Timed;
use crate::scenarios::{Order, PATIENCE};

/// Runs `work` until it ends, or until its count has stood still for [`PATIENCE`]: the rest is then counted as lost.
pub(crate) async fn while_moving(count: &Cell<u64>, work: impl Future<Output = Result<()>>) -> Result<()> {
    while_counting(|| count.get(), work).await
}

/// [`while_moving`], for counts that are kept otherwise.
pub(super) async fn while_counting(
    count: impl Fn() -> u64,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let mut work = std::pin::pin!(work);
    loop {
        let before = count();
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(ended) => return ended,
            Err(_) if count() == before => return Ok(()),
            Err(_) => {}
        }
    }
}

/// One job in flight: sends the next when the result of the one before is here.
pub(super) async fn time_round_trips(
    order: &Order,
    mut ask: impl AsyncFnMut(Item) -> Result<Item>,
) -> Result<Timed> {
    let mut timed = Timed::one_in_flight(order.n)?;
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        for id in 0..order.n {
            let start = Instant::now();
            let result = ask(Item::job(id, &())).await?;
            timed.tally.add_result(&result);
            timed.round_trips.push(start.elapsed());
            arrived.set(timed.tally.count());
        }
        Ok(())
    })
    .await?;
    Ok(timed)
}

/// One small job in flight, first alone, then while `ask_large`, in a task, sends a large one and waits for its receipt.
pub(super) async fn time_beside(
    order: &Order,
    mut ask: impl AsyncFnMut(Blob) -> Result<Blob>,
    ask_large: impl Future<Output = Result<Blob>> + Send + 'static,
) -> Result<Timed> {
    let mould = Blob::mould(SMALL);
    let mut timed = Timed::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while timed.sent < order.n {
            timed.alone.push(time_one(&mut ask, Blob::job(timed.sent, &mould), &mut timed.tally).await?);
            timed.sent += 1;
            arrived.set(timed.sent);
        }
        let start = Instant::now();
        let receipt = tokio::spawn(ask_large);
        timed.sent += 1;
        while !receipt.is_finished() || timed.round_trips.is_empty() {
            timed
                .round_trips
                .push(time_one(&mut ask, Blob::job(timed.sent, &mould), &mut timed.tally).await?);
            timed.sent += 1;
            arrived.set(timed.sent);
        }
        timed.tally.add_result(&receipt.await?.context("the large value has no receipt")?);
        timed.beside = Some(start.elapsed());
        Ok(())
    })
    .await?;
    Ok(timed)
}

/// The large value of [`time_beside`], whose id comes after those of the small ones that are alone.
pub(super) fn large_job(order: &Order) -> Blob {
    Blob::job(order.n, &Blob::mould(order.size))
}

async fn time_one(
    ask: &mut impl AsyncFnMut(Blob) -> Result<Blob>,
    job: Blob,
    tally: &mut Tally,
) -> Result<Duration> {
    let start = Instant::now();
    let result = ask(job).await?;
    tally.add_result(&result);
    Ok(start.elapsed())
}
