//! tarpc: calls. The bench's server is the caller, and each of its workers serves; who gets what is the caller's to write.

mod link;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use futures_util::{StreamExt, stream};
use tarpc::server::Channel;
use tarpc::{client, context};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use self::link::{callee, caller};
use super::System;
use super::loops::time_round_trips;
use crate::payload::{Item, Payload, Tally};
use crate::process::{Clock, Crew, Shift};
use crate::report::Measured;
use crate::scenarios::{Order, Transport, Work};

/// Calls in flight, shared by all workers. Its own default for the most of one client, 1,000, is a little slower with one worker, and
/// much slower with many; 10,000 are three times slower.
const IN_FLIGHT: usize = 500;

/// Calls in flight to each of many workers.
const FEWEST_IN_FLIGHT: usize = 50;

#[tarpc::service]
trait Bench {
    async fn ask(job: Item) -> Item;
}

#[derive(Clone)]
struct Answers;

impl Bench for Answers {
    async fn ask(self, _: context::Context, job: Item) -> Item {
        // One that is damaged comes back unworked, and so is seen.
        if job.is_job() { job.worked() } else { job }
    }
}

#[derive(Debug)]
pub(crate) struct Tarpc;

impl System for Tarpc {
    fn why_not(&self, order: &Order) -> Option<String> {
        match (order.scenario.work(), order.transport) {
            (Work::OneWay, _) => Some("each call has an answer: nothing flows one way".to_owned()),
            (Work::Beside, _) => {
                Some("a call goes over its connection whole: a small one waits behind a large one".to_owned())
            }
            (_, Transport::Unix) => Some("is here for TCP only".to_owned()),
            (Work::ThereAndBack | Work::OneInFlight, Transport::Tcp) => None,
        }
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        Runtime::new()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let crew = Crew::start(order, &listener.local_addr()?.to_string())?;
            let mut clients = Vec::new();
            for _ in 0..order.scenario.workers() {
                let transport = caller(listener.accept().await?.0)?;
                // Longer queues on its way to the connection were tried, too.
                clients.push(BenchClient::new(client::Config::default(), transport).spawn());
            }
            let clock = crew.start_clock()?;
            if order.scenario.work() == Work::OneInFlight {
                let timed =
                    time_round_trips(order, async |job| Ok(clients[0].ask(context::current(), job).await?));
                let stopped = clock.stop_timed(timed.await?);
                drop(clients);
                return stopped.wait();
            }
            there_and_back(order, clients, clock).await
        })
    }

    fn work(&self, _order: &Order, address: &str) -> Result<()> {
        let address: SocketAddr = address.parse()?;
        Runtime::new()?.block_on(async {
            let transport = callee(TcpStream::connect(address).await?)?;
            let shift = Shift::start()?;
            let channel = tarpc::server::BaseChannel::with_defaults(transport);
            // Its documentation spawns a task for each call; for a handler that never waits, that is a third slower.
            channel.execute(Answers.serve()).for_each(|answer| answer).await;
            shift.end(Tally::default())
        })
    }
}

/// Calls all workers, each from a task of its own, which takes the next job when one of its calls is answered.
async fn there_and_back(order: &Order, clients: Vec<BenchClient>, clock: Clock) -> Result<Measured> {
    let n = order.n;
    let in_flight = (IN_FLIGHT / clients.len()).max(FEWEST_IN_FLIGHT);
    let next = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for client in &clients {
        let (client, next) = (client.clone(), Arc::clone(&next));
        callers.spawn(async move {
            let take = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&id| id < n));
            let calls = take.map(|id| client.ask(context::current(), Item::job(id, &())));
            let mut results = stream::iter(calls).buffer_unordered(in_flight);
            let mut tally = Tally::default();
            while let Some(result) = results.next().await {
                tally.add_result(&result?);
            }
            anyhow::Ok(tally)
        });
    }
    let mut tally = Tally::default();
    while let Some(counted) = callers.join_next().await {
        tally.merge(counted??);
    }
    let stopped = clock.stop(n, tally);
    drop(clients);
    stopped.wait()
}
