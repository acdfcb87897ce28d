//! The processes of a run and what they tell each other beside the values: that a worker is ready, and what it counted.
//! They speak over the workers' standard output, so that no system carries the measurement of itself.

mod copies;
pub(crate) mod cores;
mod files;
mod leash;
mod pin;
mod shift;
mod watched;

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use self::copies::even_out_copies;
pub(crate) use self::files::raise_file_limit;
pub(crate) use self::leash::leash;
pub(crate) use self::pin::pin_to_one_core;
pub(crate) use self::shift::Shift;
pub(crate) use self::watched::line_within;
use crate::payload::Tally;
use crate::report::{Measured, Timed};
use crate::scenarios::Order;
use crate::usage::{cpu_time, cpu_time_of, peak_memory_kb_of};

/// What a worker says, one JSON line each, in this order.
#[derive(Debug, Serialize, Deserialize)]
enum WorkerLine {
    /// Connected: the clock may start.
    Ready,
    /// Saw the end of the work.
    Done { tally: Tally, cpu: Option<Duration> },
}

/// The server's view: a worker that was started and is connecting. Killed when dropped; ends by itself when this process does.
#[derive(Debug)]
struct WorkerProcess {
    child: Child,
    lines: BufReader<ChildStdout>,
    _leash: ChildStdin,
}

impl WorkerProcess {
    /// Starts this program again, with these arguments, of which the first is a sub-command that ends with a [`Shift`].
    fn start(args: &[String]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a worker")?;
        let stdout = child.stdout.take().context("the worker's standard output was piped")?;
        let leash = child.stdin.take().context("the worker's standard input was piped")?;
        Ok(Self { child, lines: BufReader::new(stdout), _leash: leash })
    }

    /// Waits until the worker says that it is connected.
    fn wait_until_ready(&mut self) -> Result<()> {
        let WorkerLine::Ready = self.read_line()? else {
            bail!("a worker reported before it was ready");
        };
        Ok(())
    }

    fn read_line(&mut self) -> Result<WorkerLine> {
        let mut line = String::new();
        self.lines.read_line(&mut line).context("read from a worker")?;
        if line.is_empty() {
            bail!("a worker ended without a report: {}", self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("a worker said {line:?}"))
    }

    fn read_report(&mut self) -> Result<(Tally, Option<Duration>)> {
        let WorkerLine::Done { tally, cpu } = self.read_line()? else {
            bail!("a worker was ready twice");
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

/// All workers of a run.
#[derive(Debug)]
pub(crate) struct Crew {
    workers: Vec<WorkerProcess>,
    /// A process that stands between server and workers, whose time counts too.
    broker: Option<u32>,
}

impl Crew {
    /// Starts as many workers as `order` asks for, for the server at `address`.
    pub(crate) fn start(order: &Order, address: &str) -> Result<Self> {
        let Order { scenario, system, transport, n, size } = order;
        let args = [
            "worker".to_owned(),
            scenario.to_string(),
            n.to_string(),
            format!("--system={system}"),
            format!("--transport={transport}"),
            format!("--size={size}"),
            format!("--address={address}"),
        ];
        Self::of(std::iter::repeat_n(args, scenario.workers()))
    }

    /// Starts a worker with each of these lists of arguments.
    pub(crate) fn of<const N: usize>(args: impl IntoIterator<Item = [String; N]>) -> Result<Self> {
        let workers = args.into_iter().map(|args| WorkerProcess::start(&args)).collect::<Result<_>>()?;
        Ok(Self { workers, broker: None })
    }

    /// Counts the time of this process, too.
    #[cfg(feature = "peers")]
    pub(crate) fn with_broker(self, process: u32) -> Self {
        Self { broker: Some(process), ..self }
    }

    /// Waits until all are connected.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        self.workers.iter_mut().try_for_each(WorkerProcess::wait_until_ready)
    }

    /// Waits until all are connected, then starts the clock.
    pub(crate) fn start_clock(mut self) -> Result<Clock> {
        self.wait_until_ready()?;
        Ok(Clock { cpu: self.cpu_here(), start: Instant::now(), crew: self })
    }

    /// The time that was used on the server's side.
    fn cpu_here(&self) -> Option<Duration> {
        let broker = self.broker.map_or(Some(Duration::ZERO), cpu_time_of);
        Some(cpu_time()? + broker?)
    }

    /// The most memory of whoever stands between.
    fn broker_rss_kb(&self) -> u64 {
        self.broker.and_then(peak_memory_kb_of).unwrap_or(0)
    }

    /// Waits until all have seen the end of the work; what they counted together, and the time that they used.
    fn read_reports(&mut self) -> Result<(Tally, Option<Duration>)> {
        let mut tally = Tally::default();
        let mut cpu = Some(Duration::ZERO);
        for worker in &mut self.workers {
            let (its_tally, its_cpu) = worker.read_report()?;
            tally.merge(its_tally);
            cpu = cpu.zip(its_cpu).map(|(sum, its)| sum + its);
        }
        Ok((tally, cpu))
    }
}

/// A run whose clock runs. What ends it decides whose count is believed.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    cpu: Option<Duration>,
    crew: Crew,
}

impl Clock {
    /// Stops when the workers have reported; their count is the result. For work that flows one way.
    pub(crate) fn stop_on_report(mut self, sent: u64) -> Result<Measured> {
        let (tally, workers_cpu) = self.crew.read_reports()?;
        let elapsed = self.start.elapsed();
        let cpu = add_cpu(self.cpu, self.crew.cpu_here(), workers_cpu);
        let broker_rss_kb = self.crew.broker_rss_kb();
        Ok(Measured { elapsed, sent, tally, cpu, broker_rss_kb, ..Measured::default() })
    }

    /// Stops now; `tally` is what the server counted.
    pub(crate) fn stop(self, sent: u64, tally: Tally) -> Stopped {
        let elapsed = self.start.elapsed();
        let server_cpu = add_cpu(self.cpu, self.crew.cpu_here(), Some(Duration::ZERO));
        let broker_rss_kb = self.crew.broker_rss_kb();
        let measured =
            Measured { elapsed, sent, tally, cpu: server_cpu, broker_rss_kb, ..Measured::default() };
        Stopped { measured, crew: self.crew }
    }

    /// Stops now, after round trips.
    pub(crate) fn stop_timed(self, timed: Timed) -> Stopped {
        let Timed { sent, tally, round_trips, alone, beside } = timed;
        let Stopped { measured, crew } = self.stop(sent, tally);
        let elapsed = beside.unwrap_or(measured.elapsed);
        Stopped { measured: Measured { elapsed, round_trips, alone, ..measured }, crew }
    }
}

/// A run that is over for the server; now its workers may be told.
#[derive(Debug)]
pub(crate) struct Stopped {
    measured: Measured,
    crew: Crew,
}

impl Stopped {
    /// Takes a count that was finished after the clock had stopped.
    #[cfg(feature = "peers")]
    pub(crate) fn counted(mut self, tally: Tally) -> Self {
        self.measured.tally = tally;
        self
    }

    /// Waits for the workers, which must have been shown the end of the work.
    pub(crate) fn wait(mut self) -> Result<Measured> {
        let (_, workers_cpu) = self.crew.read_reports()?;
        let cpu = self.measured.cpu.zip(workers_cpu).map(|(server, workers)| server + workers);
        Ok(Measured { cpu, ..self.measured })
    }
}

fn add_cpu(start: Option<Duration>, end: Option<Duration>, worker: Option<Duration>) -> Option<Duration> {
    Some(end?.saturating_sub(start?) + worker?)
}

/// Writes one line to standard output, in one piece.
pub(crate) fn write_json_line(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    Ok(stdout.flush()?)
}
