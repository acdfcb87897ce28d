//! ZeroMQ: PUSH on the server to PULL on the worker, and the same pair back for results. It has no end of work: each side
//! knows how many to expect and stops waiting after [`PATIENCE`].

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use zmq::{Context, Error, Message, PULL, PUSH, Socket, SocketType};

use super::System;
use crate::payload::{Item, MAX_ENCODED, Tally};
use crate::process::{Shift, WorkerProcess};
use crate::report::Measured;
use crate::scenarios::{Order, PATIENCE, Scenario, Transport};

/// Messages that a socket queues. The default of 1,000 makes small messages wait for each other; its guide says to raise it.
const HIGH_WATER_MARK: i32 = 100_000;

/// What the server sends, and gets back, before the clock starts: connecting happens behind the program's back.
const HELLO: &[u8] = b"";

#[derive(Debug)]
pub(crate) struct Zmq;

impl System for Zmq {
    fn serve(&self, order: &Order) -> Result<Measured> {
        let context = Context::new();
        let (jobs, jobs_address) = bind(&context, PUSH, order.transport)?;
        let (results, results_address) = bind(&context, PULL, order.transport)?;
        let worker = WorkerProcess::start(order, &format!("{jobs_address},{results_address}"))?;
        jobs.send(HELLO, 0)?;
        results.recv_bytes(0)?;
        let clock = worker.start_clock()?;
        let n = order.n;
        match order.scenario {
            Scenario::W1 => {
                send_all(&jobs, n)?;
                clock.stop_on_report()
            }
            Scenario::W2 => {
                let sender = thread::spawn(move || send_all(&jobs, n));
                let mut tally = Tally::default();
                receive(&results, n, |item| {
                    tally.add_result(&item);
                    Ok(())
                })?;
                sender.join().map_err(|_| anyhow!("the sender panicked"))??;
                clock.stop(tally, Vec::new())
            }
            Scenario::W4 => {
                let mut tally = Tally::default();
                let mut round_trips = Vec::new();
                for id in 0..n {
                    let start = Instant::now();
                    send(&jobs, &Item::job(id))?;
                    receive(&results, 1, |item| {
                        tally.add_result(&item);
                        Ok(())
                    })?;
                    round_trips.push(start.elapsed());
                }
                clock.stop(tally, round_trips)
            }
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        let (jobs_address, results_address) = address.split_once(',').context("two addresses")?;
        let context = Context::new();
        let jobs = open(&context, PULL)?;
        jobs.connect(jobs_address)?;
        let results = open(&context, PUSH)?;
        results.connect(results_address)?;
        results.send(jobs.recv_bytes(0)?, 0)?;
        let shift = Shift::start()?;
        let mut tally = Tally::default();
        receive(&jobs, order.n, |item| {
            tally.add_job(&item);
            if order.scenario == Scenario::W1 { Ok(()) } else { send(&results, &item.worked()) }
        })?;
        shift.end(tally)
    }
}

fn bind(context: &Context, kind: SocketType, transport: Transport) -> Result<(Socket, String)> {
    let socket = open(context, kind)?;
    socket.bind(match transport {
        Transport::Tcp => "tcp://127.0.0.1:*",
        Transport::Unix => "ipc://*",
    })?;
    let address = socket.get_last_endpoint()?.map_err(|_| anyhow!("the address is not text"))?;
    Ok((socket, address))
}

fn open(context: &Context, kind: SocketType) -> Result<Socket> {
    let patience = i32::try_from(PATIENCE.as_millis())?;
    let socket = context.socket(kind)?;
    socket.set_sndhwm(HIGH_WATER_MARK)?;
    socket.set_rcvhwm(HIGH_WATER_MARK)?;
    socket.set_sndtimeo(patience)?;
    socket.set_rcvtimeo(patience)?;
    socket.set_linger(patience)?;
    Ok(socket)
}

fn send_all(socket: &Socket, n: u64) -> Result<()> {
    (0..n).try_for_each(|id| send(socket, &Item::job(id)))
}

fn send(socket: &Socket, item: &Item) -> Result<()> {
    let mut buffer = [0; MAX_ENCODED];
    let encoded = postcard::to_slice(item, &mut buffer)?;
    Ok(socket.send(&*encoded, 0)?)
}

/// Takes `n` values, or fewer if no more come.
fn receive(socket: &Socket, n: u64, mut take: impl FnMut(Item) -> Result<()>) -> Result<()> {
    let mut message = Message::new();
    for _ in 0..n {
        match socket.recv(&mut message, 0) {
            Ok(()) => take(postcard::from_bytes(&message)?)?,
            Err(Error::EAGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
