//! The server's side of each kind of work, with NATS. The server of the bench is a client of the broker, as the workers are.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;

use super::super::loops::{time_round_trips, while_counting, while_moving};
use super::broker::Broker;
use super::lane::{Kind, Outlet};
use super::window::{Window, step};
use super::{END, PROGRESS, RESULTS, connect, settle};
use crate::payload::{Item, Payload, Tally, encode};
use crate::process::{Clock, Crew};
use crate::report::Measured;
use crate::scenarios::Order;

/// A run that has begun. The broker lives as long.
struct Run {
    client: Client,
    outlet: Outlet,
    /// Results, or what is said of progress.
    answers: Subscriber,
    clock: Clock,
    _broker: Broker,
}

async fn begin(kind: Kind, order: &Order, answers: async_nats::Subject) -> Result<Run> {
    let broker = Broker::start()?;
    let client = connect(&broker.address).await?;
    let outlet = Outlet::open(kind, &client).await?;
    let answers = client.subscribe(answers).await?;
    settle(&client).await?;
    let clock = Crew::start(order, &broker.address)?.with_broker(broker.process).start_clock()?;
    Ok(Run { client, outlet, answers, clock, _broker: broker })
}

pub(super) async fn one_way<P: Payload>(kind: Kind, order: &Order) -> Result<Measured> {
    let (n, mould) = (order.n, P::mould(order.size));
    let Run { client, outlet, mut answers, clock, _broker } = begin(kind, order, PROGRESS).await?;
    let window = Arc::new(Window::new(order.size));
    tokio::spawn({
        let window = Arc::clone(&window);
        async move {
            while let Some(progress) = answers.next().await {
                window.set(postcard::from_bytes(&progress.payload)?);
            }
            anyhow::Ok(())
        }
    });
    // Where no task is asked for, the main one sends.
    let tasks = order.scenario.sending_tasks();
    let send = |first: u64| {
        let (window, outlet, mould) = (Arc::clone(&window), outlet.clone(), mould.clone());
        async move {
            let mut id = first;
            while id < n {
                window.enter().await;
                outlet.send(encode(&P::job(id, &mould))?).await?;
                id += tasks.max(1);
            }
            anyhow::Ok(())
        }
    };
    (0..tasks).for_each(|first| drop(tokio::spawn(send(first))));
    while_counting(|| window.arrived(), async {
        if tasks == 0 {
            send(0).await?;
        }
        window.wait_for(n).await;
        Ok(())
    })
    .await?;
    end(&client).await?;
    clock.stop_on_report(n)
}

pub(super) async fn there_and_back(kind: Kind, order: &Order) -> Result<Measured> {
    let n = order.n;
    let Run { client, outlet, mut answers, clock, _broker } = begin(kind, order, RESULTS).await?;
    let window = Arc::new(Window::new(0));
    tokio::spawn({
        let window = Arc::clone(&window);
        async move {
            for id in 0..n {
                window.enter().await;
                outlet.send(encode(&Item::job(id, &()))?).await?;
            }
            anyhow::Ok(())
        }
    });
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while tally.count() < n
            && let Some(result) = answers.next().await
        {
            tally.add_result(&postcard::from_bytes::<Item>(&result.payload)?);
            arrived.set(tally.count());
            if tally.count().is_multiple_of(step(0)) {
                window.set(tally.count());
            }
        }
        Ok(())
    })
    .await?;
    let stopped = clock.stop(n, tally);
    end(&client).await?;
    stopped.wait()
}

pub(super) async fn one_in_flight(kind: Kind, order: &Order) -> Result<Measured> {
    let Run { client, outlet, mut answers, clock, _broker } = begin(kind, order, RESULTS).await?;
    let timed = time_round_trips(order, async |job| {
        outlet.send(encode(&job)?).await?;
        let result = answers.next().await.context("the connection ended")?;
        Ok(postcard::from_bytes(&result.payload)?)
    });
    let stopped = clock.stop_timed(timed.await?);
    end(&client).await?;
    stopped.wait()
}

/// Tells all workers that it is over.
async fn end(client: &Client) -> Result<()> {
    client.publish(END, "".into()).await?;
    Ok(client.flush().await?)
}
