//! NATS, by a `nats-server` that the bench starts: jobs by a subject with a queue group, or by a JetStream work queue in memory; results by
//! a subject. Both count what is under way: NATS drops what a subscriber cannot take.

mod broker;
mod lane;
mod serving;
mod window;
mod working;

use anyhow::Result;
use async_nats::{Client, Subject};
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use self::broker::is_installed;
use self::lane::Kind;
use super::System;
use crate::payload::{Blob, Item};
use crate::report::Measured;
use crate::scenarios::{Order, Scenario, Transport, Work};

/// Where results go.
const RESULTS: Subject = Subject::from_static("results");

/// Where the worker says how many jobs have arrived, when there are no results.
const PROGRESS: Subject = Subject::from_static("progress");

/// Where the server says that it is over.
const END: Subject = Subject::from_static("end");

/// Subjects and queue groups.
#[derive(Debug)]
pub(crate) struct Nats;

/// A work queue.
#[derive(Debug)]
pub(crate) struct JetStream;

impl System for Nats {
    fn why_not(&self, order: &Order) -> Option<String> {
        why_not(order)
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        serve(Kind::Core, order)
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        work(Kind::Core, order, address)
    }
}

impl System for JetStream {
    fn why_not(&self, order: &Order) -> Option<String> {
        why_not(order)
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        serve(Kind::JetStream, order)
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        work(Kind::JetStream, order, address)
    }
}

/// Is the process that holds the broker.
pub(crate) fn hold_broker() -> Result<()> {
    broker::hold()
}

fn why_not(order: &Order) -> Option<String> {
    let reason = match (order.scenario.work(), order.transport) {
        (_, Transport::Unix) => "is here for TCP only",
        (Work::Beside, _) => "a message goes over its connection whole: a small one waits behind a large one",
        _ if order.scenario == Scenario::W5x => "a message has 64 MB at most, and should have 8",
        _ if !is_installed() => "nats-server is not installed",
        _ => return None,
    };
    Some(reason.to_owned())
}

fn serve(kind: Kind, order: &Order) -> Result<Measured> {
    Runtime::new()?.block_on(async {
        match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => {
                serving::one_way::<Blob>(kind, order).await
            }
            Work::OneWay => serving::one_way::<Item>(kind, order).await,
            Work::ThereAndBack => serving::there_and_back(kind, order).await,
            Work::OneInFlight => serving::one_in_flight(kind, order).await,
            Work::Beside => anyhow::bail!("refused by `why_not`"),
        }
    })
}

fn work(kind: Kind, order: &Order, address: &str) -> Result<()> {
    Runtime::new()?.block_on(async {
        match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => {
                working::one_way::<Blob>(kind, order, address).await
            }
            Work::OneWay => working::one_way::<Item>(kind, order, address).await,
            Work::ThereAndBack | Work::OneInFlight => working::there_and_back(kind, address).await,
            Work::Beside => anyhow::bail!("refused by `why_not`"),
        }
    })
}

/// With its default options: other lengths of its queue to the connection were tried, from 256 to 16,384, and change nothing.
async fn connect(address: &str) -> Result<Client> {
    Ok(async_nats::connect(address).await?)
}

/// Waits until the server knows of all subscriptions that were made so far.
async fn settle(client: &Client) -> Result<()> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "".into()).await?;
    echo.next().await;
    Ok(())
}
