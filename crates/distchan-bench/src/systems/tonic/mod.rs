//! gRPC with tonic: one call by each worker, with streams both ways, jobs in the response and results in the request.

mod codec;
mod service;
mod serving;
mod working;

use anyhow::Result;
use tokio::runtime::Runtime;

use super::System;
use crate::payload::{Blob, Item};
use crate::report::Measured;
use crate::scenarios::{Order, Transport, Work};

#[derive(Debug)]
pub(crate) struct Tonic;

impl System for Tonic {
    fn why_not(&self, order: &Order) -> Option<String> {
        (order.transport == Transport::Unix).then(|| "is here for TCP only".to_owned())
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        Runtime::new()?.block_on(async {
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => serving::one_way::<Blob>(order),
                Work::OneWay => serving::one_way::<Item>(order),
                Work::ThereAndBack => serving::there_and_back(order).await,
                Work::OneInFlight => serving::one_in_flight(order).await,
                Work::Beside => serving::beside(order).await,
            }
        })
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        Runtime::new()?.block_on(async {
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => {
                    working::one_way::<Blob>(address).await
                }
                Work::OneWay => working::one_way::<Item>(address).await,
                Work::ThereAndBack | Work::OneInFlight => working::there_and_back(address).await,
                Work::Beside => working::beside(address).await,
            }
        })
    }
}
