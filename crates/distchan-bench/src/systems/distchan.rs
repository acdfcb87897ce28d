//! This project, as its README shows it: the default runtime, the plain loops, no option set. It must not use anything that
//! a user would not find on the first page.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use distchan::{Server, Worker};
use tokio::runtime::Runtime;

use super::System;
use crate::payload::{Item, Tally};
use crate::process::{Clock, Shift, WorkerProcess};
use crate::report::Measured;
use crate::scenarios::{Order, PATIENCE, Scenario, Transport};

const CHANNEL: &str = "bench";

#[derive(Debug)]
pub(crate) struct Distchan;

impl System for Distchan {
    fn serve(&self, order: &Order) -> Result<Measured> {
        let runtime = Runtime::new()?;
        let place = Place::new(order.transport);
        let server = runtime.block_on(Server::bind(place.bind_address()))?;
        match order.scenario {
            Scenario::W1 => serve_one_way(&runtime, &server, order),
            Scenario::W2 => serve_there_and_back(&runtime, &server, order),
            Scenario::W4 => serve_one_in_flight(&runtime, &server, order),
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        Runtime::new()?.block_on(async {
            let worker = Worker::connect(address).await?;
            match order.scenario {
                Scenario::W1 => work_one_way(&worker).await,
                Scenario::W2 | Scenario::W4 => work_there_and_back(&worker).await,
            }
        })
    }
}

fn serve_one_way(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let n = order.n;
    let jobs = server.sender::<Item>(CHANNEL).open()?;
    let clock = start(runtime, server, order)?;
    let sent = Cell::new(0);
    runtime.block_on(while_moving(&sent, async {
        for id in 0..n {
            jobs.send(Item::job(id)).await?;
            sent.set(id);
        }
        anyhow::Ok(())
    }))?;
    drop(jobs);
    clock.stop_on_report()
}

fn serve_there_and_back(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    let n = order.n;
    let (jobs, mut results) = server.channel::<Item, Item>(CHANNEL).open()?;
    let clock = start(runtime, server, order)?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    runtime.block_on(async {
        // Not waited for: a sender that failed shows as lost jobs, and one that hangs must not hang the run.
        let _sender = tokio::spawn(async move {
            for id in 0..n {
                jobs.send(Item::job(id)).await?;
            }
            anyhow::Ok(())
        });
        while_moving(&arrived, async {
            while let Some(result) = results.recv().await? {
                tally.add_result(&result);
                arrived.set(tally.count());
            }
            anyhow::Ok(())
        })
        .await
    })?;
    clock.stop(tally, Vec::new())
}

fn serve_one_in_flight(runtime: &Runtime, server: &Server, order: &Order) -> Result<Measured> {
    // The results come back through `call`; the receiver only has to live.
    let (jobs, _results) = server.channel::<Item, Item>(CHANNEL).open()?;
    let clock = start(runtime, server, order)?;
    let mut tally = Tally::default();
    let mut round_trips = Vec::new();
    let arrived = Cell::new(0);
    runtime.block_on(while_moving(&arrived, async {
        for id in 0..order.n {
            let start = Instant::now();
            let result = jobs.call(Item::job(id)).await?;
            tally.add_result(&result);
            round_trips.push(start.elapsed());
            arrived.set(tally.count());
        }
        anyhow::Ok(())
    }))?;
    drop(jobs);
    clock.stop(tally, round_trips)
}

/// Starts the worker, whose channel is open by now, and the clock.
fn start(runtime: &Runtime, server: &Server, order: &Order) -> Result<Clock> {
    let worker = WorkerProcess::start(order, &server.local_addr().to_string())?;
    runtime.block_on(server.wait_for_workers(1));
    worker.start_clock()
}

async fn work_one_way(worker: &Worker) -> Result<()> {
    let mut jobs = worker.receiver::<Item>(CHANNEL).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.recv().await? {
            tally.add_job(&job);
            arrived.set(tally.count());
        }
        anyhow::Ok(())
    })
    .await?;
    shift.end(tally)
}

async fn work_there_and_back(worker: &Worker) -> Result<()> {
    let (mut jobs, results) = worker.channel::<Item, Item>(CHANNEL).await?;
    let shift = Shift::start()?;
    let mut tally = Tally::default();
    let arrived = Cell::new(0);
    while_moving(&arrived, async {
        while let Some(job) = jobs.recv().await? {
            tally.add_job(&job);
            results.send(job.worked()).await?;
            arrived.set(tally.count());
        }
        anyhow::Ok(())
    })
    .await?;
    shift.end(tally)
}

/// Runs `work` until it ends, or until its count has stood still for [`PATIENCE`]: the rest is then counted as lost.
async fn while_moving(count: &Cell<u64>, work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut work = std::pin::pin!(work);
    loop {
        let before = count.get();
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(ended) => return ended.context("the channel broke"),
            Err(_) if count.get() == before => return Ok(()),
            Err(_) => {}
        }
    }
}

/// Where the server is reached; a socket's file is removed with it.
enum Place {
    Tcp,
    Unix(PathBuf),
}

impl Place {
    fn new(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Unix => {
                Self::Unix(std::env::temp_dir().join(format!("distchan-bench-{}.sock", std::process::id())))
            }
        }
    }

    fn bind_address(&self) -> String {
        match self {
            Self::Tcp => "127.0.0.1:0".to_owned(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Unix(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}
