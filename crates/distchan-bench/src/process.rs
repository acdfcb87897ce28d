//! The two processes of a run and what they tell each other beside the values: that the worker is ready, and what it counted.
//! They speak over the worker's standard output, so that no system carries the measurement of itself.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::payload::Tally;
use crate::report::{Measured, cpu_time};
use crate::scenarios::Order;

/// What a worker says, one JSON line each, in this order.
#[derive(Debug, Serialize, Deserialize)]
enum WorkerLine {
    /// Connected: the clock may start.
    Ready,
    /// Saw the end of the work.
    Done { tally: Tally, cpu: Option<Duration> },
}

/// The server's view: a worker that was started and is connecting. Killed when dropped.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl WorkerProcess {
    /// Starts this program again, as the worker of `order` for the server at `address`.
    pub(crate) fn start(order: &Order, address: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("worker")
            .args([order.scenario.to_string(), order.n.to_string()])
            .args(["--system", &order.system.to_string()])
            .args(["--transport", &order.transport.to_string()])
            .args(["--address", address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the worker")?;
        let stdout = child.stdout.take().context("the worker's standard output was piped")?;
        Ok(Self { child, lines: BufReader::new(stdout) })
    }

    /// Waits until the worker is connected, then starts the clock.
    pub(crate) fn start_clock(mut self) -> Result<Clock> {
        let WorkerLine::Ready = self.read_line()? else {
            bail!("the worker reported before it was ready");
        };
        Ok(Clock { cpu: cpu_time(), start: Instant::now(), worker: self })
    }

    fn read_line(&mut self) -> Result<WorkerLine> {
        let mut line = String::new();
        self.lines.read_line(&mut line).context("read from the worker")?;
        if line.is_empty() {
            bail!("the worker ended without a report: {}", self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("the worker said {line:?}"))
    }

    fn read_report(&mut self) -> Result<(Tally, Option<Duration>)> {
        let WorkerLine::Done { tally, cpu } = self.read_line()? else {
            bail!("the worker was ready twice");
        };
        Ok((tally, cpu))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Neither can fail in a way that matters: a worker that reported has ended or is about to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run whose clock runs. What ends it decides whose count is believed.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    cpu: Option<Duration>,
    worker: WorkerProcess,
}

impl Clock {
    /// Stops when the worker has reported; its count is the result. For work that flows one way.
    pub(crate) fn stop_on_report(mut self) -> Result<Measured> {
        let (tally, worker_cpu) = self.worker.read_report()?;
        let elapsed = self.start.elapsed();
        let cpu = add_cpu(self.cpu, cpu_time(), worker_cpu);
        Ok(Measured { elapsed, tally, round_trips: Vec::new(), cpu })
    }

    /// Stops now; `tally` is what the server counted. The worker must have seen the end of the work, for it is then waited for.
    pub(crate) fn stop(mut self, tally: Tally, round_trips: Vec<Duration>) -> Result<Measured> {
        let elapsed = self.start.elapsed();
        let server_cpu = cpu_time();
        let (_, worker_cpu) = self.worker.read_report()?;
        Ok(Measured { elapsed, tally, round_trips, cpu: add_cpu(self.cpu, server_cpu, worker_cpu) })
    }
}

fn add_cpu(start: Option<Duration>, end: Option<Duration>, worker: Option<Duration>) -> Option<Duration> {
    Some(end?.saturating_sub(start?) + worker?)
}

/// The worker's view of the same: it said that it is ready and owes a report.
#[derive(Debug)]
pub(crate) struct Shift {
    cpu: Option<Duration>,
}

impl Shift {
    /// Tells the server that this worker is connected.
    pub(crate) fn start() -> Result<Self> {
        write_json_line(&WorkerLine::Ready)?;
        Ok(Self { cpu: cpu_time() })
    }

    /// Tells the server what arrived here, and what it cost.
    pub(crate) fn end(self, tally: Tally) -> Result<()> {
        let cpu = add_cpu(self.cpu, cpu_time(), Some(Duration::ZERO));
        write_json_line(&WorkerLine::Done { tally, cpu })
    }
}

/// Writes one line to standard output, in one piece.
pub(crate) fn write_json_line(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    Ok(stdout.flush()?)
}
