//! The ceiling: blocking std sockets, large batches, a length before each value, and nothing else: no channel between the
//! loop and the socket, no acknowledgement, nobody who decides who gets what. It must stay too simple to lose time anywhere.

mod batch;
mod link;

use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

use self::batch::{Incoming, Outgoing};
use self::link::{Link, Listener};
use super::System;
use crate::payload::{Blob, Item, Payload, Tally, max_encoded};
use crate::process::{Clock, Crew, Shift};
use crate::report::{Measured, Timed};
use crate::scenarios::{Order, Work};

#[derive(Debug)]
pub(crate) struct Raw;

impl System for Raw {
    fn why_not(&self, order: &Order) -> Option<String> {
        let is_beside = order.scenario.work() == Work::Beside;
        is_beside
            .then(|| "one stream of bytes: what comes behind a large value waits for all of it".to_owned())
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        let listener = Listener::bind(order.transport)?;
        let crew = Crew::start(order, &listener.address()?)?;
        let links = (0..order.scenario.workers()).map(|_| split(order, listener.accept()?));
        let (incoming, outgoing): (Vec<_>, Vec<_>) = links.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let clock = crew.start_clock()?;
        match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => one_way::<Blob>(order, outgoing, clock),
            Work::OneWay => one_way::<Item>(order, outgoing, clock),
            Work::ThereAndBack => there_and_back(order, incoming, outgoing, clock),
            Work::OneInFlight => one_in_flight(order, incoming, outgoing, clock),
            Work::Beside => Err(anyhow!("refused by `why_not`")),
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        let (incoming, outgoing) = split(order, Link::connect(order.transport, address)?)?;
        let shift = Shift::start()?;
        let tally = match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => count::<Blob>(incoming)?,
            Work::OneWay => count::<Item>(incoming)?,
            Work::ThereAndBack | Work::OneInFlight => answer(incoming, outgoing)?,
            Work::Beside => return Err(anyhow!("refused by `why_not`")),
        };
        shift.end(tally)
    }
}

fn split(order: &Order, link: Link) -> Result<(Incoming, Outgoing)> {
    let (reading, writing) = link.split()?;
    Ok((Incoming::new(reading, max_encoded(order)), Outgoing::new(writing, max_encoded(order))))
}

fn one_way<P: Payload>(order: &Order, outgoing: Vec<Outgoing>, clock: Clock) -> Result<Measured> {
    let mould = P::mould(order.size);
    let [mut outgoing] =
        <[_; 1]>::try_from(outgoing).map_err(|_| anyhow!("work one way is for one worker"))?;
    let tasks = order.scenario.sending_tasks();
    if tasks == 0 {
        (0..order.n).try_for_each(|id| outgoing.encode(&P::job(id, &mould)))?;
    }
    // Each gathers its own batches, and holds a lock only while it writes one.
    thread::scope(|scope| {
        let mut sending = Vec::new();
        for first in 0..tasks {
            let (mut outgoing, mould) = (outgoing.share()?, &mould);
            sending.push(scope.spawn(move || {
                let mut ids = (first..order.n).step_by(usize::try_from(tasks)?);
                ids.try_for_each(|id| outgoing.encode(&P::job(id, mould)))?;
                outgoing.flush()
            }));
        }
        sending.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a sender panicked"))?)
    })?;
    outgoing.end()?;
    clock.stop_on_report(order.n)
}

fn there_and_back(
    order: &Order,
    incoming: Vec<Incoming>,
    mut outgoing: Vec<Outgoing>,
    clock: Clock,
) -> Result<Measured> {
    let n = order.n;
    let sender = thread::spawn(move || deal(&mut outgoing, n));
    let mut tally = Tally::default();
    // The last one is read here: with one worker there are two threads.
    let mut incoming = incoming.into_iter();
    let last = incoming.next_back().ok_or_else(|| anyhow!("there is no worker"))?;
    let readers: Vec<_> = incoming.map(|incoming| thread::spawn(move || count_results(incoming))).collect();
    tally.merge(count_results(last)?);
    for reader in readers {
        tally.merge(reader.join().map_err(|_| anyhow!("a reader panicked"))??);
    }
    sender.join().map_err(|_| anyhow!("the sender panicked"))??;
    clock.stop(n, tally).wait()
}

/// Gives each connection a batch, in turn.
fn deal(connections: &mut [Outgoing], n: u64) -> Result<()> {
    let mut turn = 0;
    for id in 0..n {
        if connections[turn].is_full() {
            connections[turn].flush()?;
            turn = (turn + 1) % connections.len();
        }
        connections[turn].encode(&Item::job(id, &()))?;
    }
    connections.iter_mut().try_for_each(Outgoing::end)
}

fn count_results(mut incoming: Incoming) -> Result<Tally> {
    let mut tally = Tally::default();
    while incoming.fill()? {
        while let Some(result) = incoming.decode::<Item>()? {
            tally.add_result(&result);
        }
    }
    Ok(tally)
}

fn one_in_flight(
    order: &Order,
    incoming: Vec<Incoming>,
    outgoing: Vec<Outgoing>,
    clock: Clock,
) -> Result<Measured> {
    let ends = incoming.into_iter().zip(outgoing).next();
    let (mut incoming, mut outgoing) = ends.ok_or_else(|| anyhow!("there is no worker"))?;
    let mut timed = Timed::one_in_flight(order.n)?;
    for id in 0..order.n {
        let start = Instant::now();
        outgoing.encode(&Item::job(id, &()))?;
        outgoing.flush()?;
        timed.tally.add_result(&incoming.wait_for_one::<Item>()?);
        timed.round_trips.push(start.elapsed());
    }
    let stopped = clock.stop_timed(timed);
    outgoing.end()?;
    stopped.wait()
}

fn count<P: Payload>(mut incoming: Incoming) -> Result<Tally> {
    let mut tally = Tally::default();
    while incoming.fill()? {
        while let Some(job) = incoming.decode::<P>()? {
            tally.add_job(&job);
        }
    }
    Ok(tally)
}

fn answer(mut incoming: Incoming, mut outgoing: Outgoing) -> Result<Tally> {
    let mut tally = Tally::default();
    while incoming.fill()? {
        while let Some(job) = incoming.decode::<Item>()? {
            tally.add_job(&job);
            outgoing.encode(&job.worked())?;
        }
        outgoing.flush()?;
    }
    outgoing.end()?;
    Ok(tally)
}
