//! gRPC with tonic: one call by each worker, with streams both ways, jobs in the response and results in the request. Jobs come to their stream
//! through a channel from whoever sends them; or, *polled*, are made by the stream itself when the connection asks, so that nobody can send.

mod codec;
mod service;
mod serving;
mod tls;
mod working;

use anyhow::Result;
use tokio::runtime::Runtime;

use super::System;
use crate::payload::{Blob, Item};
use crate::report::Measured;
use crate::scenarios::{Order, Transport, Work};

#[derive(Debug)]
pub(crate) struct Tonic {
    pub(crate) is_polled: bool,
}

impl System for Tonic {
    fn why_not(&self, order: &Order) -> Option<String> {
        let is_sent = order.scenario.sending_tasks() > 0 || order.scenario.usual_size().is_some();
        let is_stream = matches!(order.scenario.work(), Work::OneWay | Work::ThereAndBack) && !is_sent;
        match (order.transport, self.is_polled && !is_stream) {
            (Transport::Unix, _) => Some("is here for TCP only".to_owned()),
            (_, true) => Some("is the same as tonic here".to_owned()),
            _ => None,
        }
    }

    fn has_tls(&self) -> bool {
        true
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        Runtime::new()?.block_on(async {
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => {
                    serving::one_way::<Blob>(order, false)
                }
                Work::OneWay => serving::one_way::<Item>(order, self.is_polled),
                Work::ThereAndBack => serving::there_and_back(order, self.is_polled).await,
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
