//! This project, as its README shows it: the default runtime, the plain loops, no option set but the one that lets large values
//! pass. It must not use anything that a user would not find on the first page.

mod place;
mod serving;
mod working;

use anyhow::Result;
use distchan::Server;
use tokio::runtime::Runtime;

use self::place::Place;
pub(crate) use self::serving::there_and_back;
use super::System;
use crate::payload::{Blob, Item, max_encoded};
use crate::process::{Clock, Crew};
use crate::report::Measured;
use crate::scenarios::{Order, Transport, Work};

/// The channel of every scenario, and of the small jobs where there are two.
const CHANNEL: &str = "bench";

/// The channel of the large value.
const LARGE: &str = "large";

/// What a value may have unless both sides say otherwise.
const DEFAULT_MAX_VALUE: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Distchan;

impl System for Distchan {
    fn why_not(&self, order: &Order) -> Option<String> {
        let is_unix = order.transport == Transport::Unix;
        (order.scenario.is_encrypted() && is_unix).then(|| "has TLS over TCP only".to_owned())
    }

    fn has_tls(&self) -> bool {
        true
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        let runtime = Runtime::new()?;
        let place = Place::new(order);
        let server = runtime.block_on(place.bind())?;
        match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => {
                serving::one_way::<Blob>(&runtime, &server, order)
            }
            Work::OneWay => serving::one_way::<Item>(&runtime, &server, order),
            Work::ThereAndBack => serving::there_and_back(&runtime, &server, order),
            Work::OneInFlight => serving::one_in_flight(&runtime, &server, order),
            Work::Beside => serving::beside(&runtime, &server, order),
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        Runtime::new()?.block_on(async {
            let worker = place::connect(order, address).await?;
            match order.scenario.work() {
                Work::OneWay if order.scenario.usual_size().is_some() => {
                    working::one_way::<Blob>(&worker, order).await
                }
                Work::OneWay => working::one_way::<Item>(&worker, order).await,
                Work::ThereAndBack | Work::OneInFlight => working::there_and_back(&worker).await,
                Work::Beside => working::beside(&worker, order).await,
            }
        })
    }
}

/// What `max_value` is set to, on both sides: its default, but where values are larger.
fn max_value(order: &Order) -> usize {
    max_encoded(order).max(DEFAULT_MAX_VALUE)
}

/// Starts the workers, whose channel is open by now, and the clock.
fn start(runtime: &Runtime, server: &Server, order: &Order) -> Result<Clock> {
    let crew = Crew::start(order, &place::of_workers(order, server)?)?;
    runtime.block_on(server.wait_for_workers(order.scenario.workers()));
    crew.start_clock()
}
