//! ZeroMQ: PUSH on the server to PULL on the workers, and the same pair back for results. It has no end of work: messages too short to
//! be a value say what is needed, and each side stops waiting after [`PATIENCE`].

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use zmq::{Context, Error, Message, PULL, PUSH, Socket, SocketType};

use super::System;
use crate::payload::{Blob, Item, MAX_ENCODED, Payload, Tally};
use crate::process::{Crew, Shift};
use crate::report::{Measured, Timed};
use crate::scenarios::{Order, PATIENCE, Transport, Work};

/// Small messages that a socket queues. The default of 1,000 makes them wait for each other; its guide says to raise it.
const HIGH_WATER_MARK: usize = 100_000;

/// The bytes of large messages that a socket queues: its limit counts messages, and the default would be a gigabyte of 1 MiB each.
const LARGE_QUEUE: usize = 64 << 20;

/// What the server sends, and gets back, before the clock starts: connecting happens behind the program's back.
const HELLO: &[u8] = b"h";

/// What the server sends last.
const END: &[u8] = b"";

#[derive(Debug)]
pub(crate) struct Zmq;

impl System for Zmq {
    fn why_not(&self, order: &Order) -> Option<String> {
        let is_beside = order.scenario.work() == Work::Beside;
        is_beside.then(|| {
            "a message goes over its connection whole: a small one waits behind a large one".to_owned()
        })
    }

    fn serve(&self, order: &Order) -> Result<Measured> {
        let context = Context::new();
        // A socket is for one thread.
        let bound = (0..order.scenario.sending_tasks().max(1)).map(|_| bind(&context, PUSH, order));
        let (jobs, addresses): (Vec<_>, Vec<_>) = bound.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (results, results_address) = bind(&context, PULL, order)?;
        let crew = Crew::start(order, &format!("{results_address},{}", addresses.join(",")))?;
        greet(&jobs, &results, order.scenario.workers())?;
        let clock = crew.start_clock()?;
        let n = order.n;
        match order.scenario.work() {
            Work::OneWay => {
                if order.scenario.usual_size().is_some() {
                    send_all::<Blob>(jobs, order)
                } else {
                    send_all::<Item>(jobs, order)
                }?;
                clock.stop_on_report(n)
            }
            Work::ThereAndBack => {
                let order = *order;
                let sender =
                    thread::spawn(move || send_some::<Item>(&jobs[0], 0, &order, &()).map(|()| jobs));
                let tally = receive_results(&results, n)?;
                let stopped = clock.stop(n, tally);
                let jobs = sender.join().map_err(|_| anyhow!("the sender panicked"))??;
                (0..order.scenario.workers()).try_for_each(|_| jobs[0].send(END, 0))?;
                stopped.wait()
            }
            Work::OneInFlight => {
                let mut timed = Timed::one_in_flight(n)?;
                for id in 0..n {
                    let start = Instant::now();
                    send(&jobs[0], &Item::job(id, &()))?;
                    timed.tally.merge(receive_results(&results, 1)?);
                    timed.round_trips.push(start.elapsed());
                }
                let stopped = clock.stop_timed(timed);
                jobs[0].send(END, 0)?;
                stopped.wait()
            }
            Work::Beside => Err(anyhow!("refused by `why_not`")),
        }
    }

    fn work(&self, order: &Order, address: &str) -> Result<()> {
        let context = Context::new();
        let (jobs, results) = (open(&context, PULL, order)?, open(&context, PUSH, order)?);
        let mut addresses = address.split(',');
        results.connect(addresses.next().context("no address")?)?;
        addresses.try_for_each(|address| jobs.connect(address))?;
        let jobs = Jobs { jobs, senders: order.scenario.sending_tasks().max(1) };
        for _ in 0..jobs.senders {
            jobs.jobs.recv_bytes(0)?;
            results.send(HELLO, 0)?;
        }
        let shift = Shift::start()?;
        let mut tally = Tally::default();
        match order.scenario.work() {
            Work::OneWay if order.scenario.usual_size().is_some() => jobs.take(|job: Blob| {
                tally.add_job(&job);
                Ok(())
            })?,
            Work::OneWay => jobs.take(|job: Item| {
                tally.add_job(&job);
                Ok(())
            })?,
            Work::ThereAndBack | Work::OneInFlight => jobs.take(|job: Item| {
                tally.add_job(&job);
                send(&results, &job.worked())
            })?,
            Work::Beside => return Err(anyhow!("refused by `why_not`")),
        }
        shift.end(tally)
    }
}

fn bind(context: &Context, kind: SocketType, order: &Order) -> Result<(Socket, String)> {
    let socket = open(context, kind, order)?;
    socket.bind(match order.transport {
        Transport::Tcp => "tcp://127.0.0.1:*",
        Transport::Unix => "ipc://*",
    })?;
    let address = socket.get_last_endpoint()?.map_err(|_| anyhow!("the address is not text"))?;
    Ok((socket, address))
}

fn open(context: &Context, kind: SocketType, order: &Order) -> Result<Socket> {
    let patience = i32::try_from(PATIENCE.as_millis())?;
    let queue = LARGE_QUEUE.checked_div(order.size).unwrap_or(HIGH_WATER_MARK).clamp(2, HIGH_WATER_MARK);
    let socket = context.socket(kind)?;
    socket.set_sndhwm(i32::try_from(queue)?)?;
    socket.set_rcvhwm(i32::try_from(queue)?)?;
    socket.set_sndtimeo(patience)?;
    socket.set_rcvtimeo(patience)?;
    socket.set_linger(patience)?;
    Ok(socket)
}

/// Says hello until each worker has answered each socket; they take turns as they connect.
fn greet(jobs: &[Socket], results: &Socket, workers: usize) -> Result<()> {
    for socket in jobs {
        let mut answered = 0;
        while answered < workers {
            socket.send(HELLO, 0)?;
            while answered < workers && results.poll(zmq::POLLIN, 20)? > 0 {
                results.recv_bytes(0)?;
                answered += 1;
            }
        }
    }
    Ok(())
}

/// Sends all jobs of a run to one worker, from as many threads as there are sockets.
fn send_all<P: Payload>(sockets: Vec<Socket>, order: &Order) -> Result<()> {
    let mould = P::mould(order.size);
    if order.scenario.sending_tasks() == 0 {
        send_some::<P>(&sockets[0], 0, order, &mould)?;
        return Ok(sockets[0].send(END, 0)?);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(sockets)
            .map(|(first, socket)| {
                let mould = &mould;
                scope.spawn(move || {
                    send_some::<P>(&socket, first, order, mould)?;
                    Ok(socket.send(END, 0)?)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a sender panicked"))?)
    })
}

/// Sends every so-manieth job: all of them where one thread sends.
fn send_some<P: Payload>(socket: &Socket, first: u64, order: &Order, mould: &P::Mould) -> Result<()> {
    let step = usize::try_from(order.scenario.sending_tasks().max(1))?;
    (first..order.n).step_by(step).try_for_each(|id| send(socket, &P::job(id, mould)))
}

fn send<P: Payload>(socket: &Socket, value: &P) -> Result<()> {
    let mut buffer = [0; MAX_ENCODED];
    match postcard::to_slice(value, &mut buffer) {
        Ok(encoded) => Ok(socket.send(&*encoded, 0)?),
        // A large value goes without a further copy.
        Err(_) => Ok(socket.send(postcard::to_allocvec(value)?, 0)?),
    }
}

/// Takes `n` results, or fewer if no more come.
fn receive_results(results: &Socket, n: u64) -> Result<Tally> {
    let mut message = Message::new();
    let mut tally = Tally::default();
    while tally.count() < n && receive(results, &mut message)? {
        // Nothing so short was sent after the hellos that were read.
        tally.add_result(&postcard::from_bytes::<Item>(&message)?);
    }
    Ok(tally)
}

/// The worker's end of all sockets that send jobs.
struct Jobs {
    jobs: Socket,
    senders: u64,
}

impl Jobs {
    /// Takes jobs until every sender has ended, or no more come.
    fn take<P: Payload>(&self, mut take: impl FnMut(P) -> Result<()>) -> Result<()> {
        let mut message = Message::new();
        let mut ended = 0;
        while ended < self.senders && receive(&self.jobs, &mut message)? {
            match &*message {
                END => ended += 1,
                HELLO => {}
                value => take(postcard::from_bytes(value)?)?,
            }
        }
        Ok(())
    }
}

/// Takes the next message; false if none comes.
fn receive(socket: &Socket, message: &mut Message) -> Result<bool> {
    match socket.recv(message, 0) {
        Ok(()) => Ok(true),
        Err(Error::EAGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
