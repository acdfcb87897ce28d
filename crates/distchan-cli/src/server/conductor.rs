//! Takes one notice after the other, and alone decides what follows: what is printed, logged, tried again, or stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use distchan::{JobFailed, Server};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::exit::{self, Failure, Outcome};
use crate::input::Task;
use crate::output::messages;
use crate::server::bar::Bar;
use crate::server::crew::Crew;
use crate::server::hall::Hall;
use crate::server::halting::{Enough, Halting};
use crate::server::joblog::Joblog;
use crate::server::ledger::{AttemptRecord, Ledger, Snapshot};
use crate::server::median::Median;
use crate::server::notice::{Notice, Notices};
use crate::server::printer::{Finished, PrintFailed, Printer};
use crate::server::results::Results;
use crate::server::signals;
use crate::settings::{Halt, How, State, Timeout};
use crate::wire::{self, Ended, Exit, Hello, Job, News, Order, Output, Plan, RunId};
use crate::worker::Running;

/// How long workers have to see the end before the server goes.
const FAREWELL: Duration = Duration::from_secs(2);

/// Conducts a run.
#[derive(Debug)]
pub(super) struct Conductor {
    hall: Hall,
    plan: Plan,
    ledger: Arc<Ledger>,
    printer: Printer,
    kept: Kept,
    halting: Halting,
    timeout: Timeout,
    median: Median,
    /// How often a job is run that fails, in all.
    runs: u32,
    crew: Crew,
    /// Runs that have ended, with output that has not all come yet.
    awaited: HashMap<RunId, Ended>,
    again: mpsc::UnboundedSender<Job>,
    bar: Bar,
    /// Outcomes that the library has told of.
    outcomes: u64,
    is_input_over: bool,
    is_draining: bool,
    /// What to exit with, where the number of failed jobs does not say it.
    status: Option<u8>,
    input_failed: Option<Failure>,
}

/// When a job, or the run, is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) halt: Option<Halt>,
    pub(super) timeout: Timeout,
    /// How often a job is run that fails, in all.
    pub(super) runs: u32,
    pub(super) shows_bar: bool,
}

/// What is kept of jobs, beside what is printed.
#[derive(Debug)]
pub(super) struct Kept {
    joblog: Option<Joblog>,
    results: Option<Results>,
}

impl Kept {
    /// Opens what is to be written.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(state: &State, names: &[Bytes]) -> Result<Self, Failure> {
        let joblog = state.joblog.as_deref().map(|path| Joblog::open(path, state.resumes)).transpose()?;
        let results = state.results.as_deref().map(|root| Results::open(root, names)).transpose()?;
        Ok(Self { joblog, results })
    }
}

/// How it goes on after a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    GoOn,
    /// What runs is to be ended.
    Stop,
}

type Stepped = Result<Step, PrintFailed>;

impl Conductor {
    pub(super) fn new(
        hall: Hall,
        plan: Plan,
        ledger: Arc<Ledger>,
        printer: Printer,
        rules: Rules,
        kept: Kept,
        again: mpsc::UnboundedSender<Job>,
    ) -> Self {
        let conductor = Self {
            hall,
            plan,
            ledger,
            printer,
            kept,
            halting: Halting::new(rules.halt),
            timeout: rules.timeout,
            median: Median::default(),
            runs: rules.runs,
            crew: Crew::default(),
            awaited: HashMap::new(),
            again,
            bar: Bar::new(rules.shows_bar),
            outcomes: 0,
            is_input_over: false,
            is_draining: false,
            status: None,
            input_failed: None,
        };
        conductor.announce();
        conductor
    }

    /// Conducts until all is done, or it is enough.
    pub(super) fn run(mut self, mut notices: Notices, runtime: &Runtime, running: &Running) -> Outcome {
        let _context = runtime.enter();
        let ended = loop {
            // The tasks that notify live as long as the server.
            let Some(notice) = notices.blocking_recv() else { break Ok(Step::GoOn) };
            match self.take(notice) {
                Ok(Step::GoOn) if self.is_done() => break Ok(Step::GoOn),
                Ok(Step::GoOn) => {}
                end => break end,
            }
        };
        self.ledger.stop();
        let is_whole = matches!(ended, Ok(Step::GoOn)) && !self.is_draining;
        if !is_whole {
            running.stop();
        }
        let ended = ended.and_then(|_| self.printer.finish_all(&self.ledger, self.kept.results.as_ref()));
        self.bar.finish();
        let failed = self.ledger.counts().failed;
        let Self { hall, again, crew, status, input_failed, .. } = self;
        // With the last that sends, the channel closes, and the workers see the end.
        drop((again, crew));
        runtime.block_on(farewell(hall.into_server(), is_whole));
        match (ended, input_failed) {
            (Err(PrintFailed::Gone), _) => Ok(exit::SUCCESS),
            (Err(PrintFailed::Failed(failure)), _) | (Ok(()), Some(failure)) => Err(failure),
            (Ok(()), None) => Ok(status.unwrap_or_else(|| exit::of_failed(failed))),
        }
    }

    fn is_done(&self) -> bool {
        let has_all = self.is_input_over && self.ledger.is_done();
        has_all || self.is_draining && self.awaited.is_empty() && self.has_drained()
    }

    /// Whether nobody works any more, and all that was answered has come here.
    fn has_drained(&self) -> bool {
        let stats = self.hall.server.stats();
        let Some(jobs) = stats.channel(wire::JOBS) else { return true };
        let outcomes = jobs.completed + jobs.failed + jobs.dead + jobs.cancelled;
        jobs.workers == 0 && jobs.in_flight == 0 && outcomes == self.outcomes
    }

    fn take(&mut self, notice: Notice) -> Stepped {
        match notice {
            Notice::Ended(ended) => {
                self.outcomes += 1;
                self.end(*ended)
            }
            Notice::GivenUp(failed) => {
                self.outcomes += 1;
                self.give_up(&failed)
            }
            Notice::News(news) => self.hear(news),
            Notice::InputOver(end) => {
                self.is_input_over = true;
                self.input_failed = end.err();
                Ok(Step::GoOn)
            }
            Notice::LocalOver(end) => self.lose_local(end),
            Notice::Signal(which) => Ok(self.obey(which)),
            Notice::Asked => {
                self.list();
                Ok(Step::GoOn)
            }
            Notice::Tick => {
                self.bar.show(self.ledger.counts());
                Ok(Step::GoOn)
            }
        }
    }

    fn hear(&mut self, news: News) -> Stepped {
        match news {
            News::Hello(hello) => self.welcome(&hello),
            News::Begun { seq, run, slot, started } => {
                let started = UNIX_EPOCH + Duration::from_micros(started);
                let host = self.crew.host(run.worker);
                let attempt = AttemptRecord { run, host, slot, started, runtime: None, exit: None };
                if let Some(task) = self.ledger.begin(seq, attempt) {
                    let Self { bar, printer, .. } = self;
                    bar.aside(|| printer.begin(seq, run, slot, task));
                }
            }
            News::Chunk(chunk) => {
                let Self { bar, printer, ledger, .. } = self;
                bar.aside(|| printer.chunk(&chunk, ledger))?;
                if let Some(ended) = self.awaited.remove(&chunk.run) {
                    return self.end(ended);
                }
            }
            News::Bye { worker, reason } => {
                messages::note(&format!("{} does not work here: {reason}", self.crew.host(worker)));
                self.crew.part(worker);
            }
        }
        Ok(Step::GoOn)
    }

    fn welcome(&mut self, hello: &Hello) {
        self.hall.roster.enter(hello);
        let host = self.crew.welcome(&self.hall.server, hello, &self.plan);
        if self.is_draining {
            self.crew.tell(&Order::Drain);
        } else if self.hall.door.is_some() && !hello.host.is_empty() {
            let Hello { pid, slots, .. } = hello;
            messages::note(&format!("{host} (pid {pid}) works too, at {slots} jobs at once"));
        }
    }

    /// A run has ended: what follows from it, if all that it wrote is here.
    fn end(&mut self, ended: Ended) -> Stepped {
        if !self.printer.has_all(&ended) {
            self.awaited.insert(ended.run, ended);
            return Ok(Step::GoOn);
        }
        let is_final =
            ended.exit.is_success() || self.ledger.runs(ended.seq) + 1 >= self.runs || self.is_draining;
        let (worker, pauses) = (ended.run.worker, self.plan.pauses.after(&ended.exit));
        let host = self.crew.host(worker);
        let step = self.settle(ended, &host, is_final)?;
        if pauses && step == Step::GoOn && !self.is_draining {
            self.crew.tell_one(worker, Order::GoOn);
        }
        Ok(step)
    }

    fn settle(&mut self, ended: Ended, host: &Arc<str>, is_final: bool) -> Stepped {
        let Some(job) = self.ledger.end(&ended, Arc::clone(host), is_final) else {
            self.printer.forget(ended.run);
            return Ok(Step::GoOn);
        };
        if !is_final {
            self.printer.forget(ended.run);
            let Task { args, stdin } = (*job.task).clone();
            // Where the channel is closed the run is over.
            drop(self.again.send(Job { seq: ended.seq, args, stdin }));
            return Ok(Step::GoOn);
        }
        self.log(&ended, host, &job.task).map_err(PrintFailed::Failed)?;
        self.tell_failure(&ended, &job.task);
        self.limit_time(&ended);
        let exit = ended.exit.clone();
        let Self { bar, printer, ledger, kept, .. } = self;
        bar.aside(|| printer.finish(Finished { ended, task: job.task }, ledger, kept.results.as_ref()))?;
        let counts = self.ledger.counts();
        Ok(match self.halting.see(&exit, counts.is_total.then_some(counts.sent)) {
            Some(enough) if !self.is_draining => self.halt(enough),
            Some(_) | None => Step::GoOn,
        })
    }

    fn log(&mut self, ended: &Ended, host: &str, task: &Task) -> Result<(), Failure> {
        let Some(joblog) = &mut self.kept.joblog else { return Ok(()) };
        let sent = task.stdin.as_ref().map_or(0, |stdin| stdin.len() as u64);
        joblog.write(ended, host, sent, self.ledger.text(ended.seq, task))
    }

    /// Says what a job's own output does not.
    fn tell_failure(&self, ended: &Ended, task: &Task) {
        let text = match &ended.exit {
            Exit::TimedOut(_) => "it took too long, and was ended",
            exit => match exit.reason() {
                Some(reason) => reason,
                None => return,
            },
        };
        let command = String::from_utf8_lossy(&self.ledger.text(ended.seq, task)).into_owned();
        self.bar.aside(|| messages::error(&format!("job {} ({}): {text}", ended.seq, shortened(&command))));
    }

    /// `--timeout N%`: what the median says now.
    fn limit_time(&mut self, ended: &Ended) {
        let Timeout::Percent(percent) = self.timeout else { return };
        if !ended.exit.is_success() {
            return;
        }
        self.median.add(ended.runtime);
        let Some(limit) = self.median.percent(percent) else { return };
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let is_near = |told: u64| told.abs_diff(limit) < told / 20;
        if !self.plan.time_limit.is_some_and(is_near) {
            self.plan.time_limit = Some(limit);
            self.crew.tell(&Order::TimeLimit(limit));
        }
    }

    /// A job's workers were lost, one after the other.
    fn give_up(&mut self, failed: &JobFailed) -> Stepped {
        let Ok(Job { seq, .. }) = failed.value::<Job>() else { return Ok(Step::GoOn) };
        let last = failed.attempts().last();
        let host: Arc<str> = last.map_or_else(|| "?".into(), |attempt| attempt.worker.as_str().into());
        let started =
            last.and_then(|attempt| attempt.started.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let ended = Ended {
            seq,
            run: RunId { worker: 0, number: seq },
            slot: 0,
            started: u64::try_from(started.as_micros()).unwrap_or(u64::MAX),
            runtime: 0,
            exit: Exit::Lost(failed.to_string()),
            stdout: Output::Whole(Bytes::new()),
            stderr: Output::Whole(Bytes::new()),
        };
        self.settle(ended, &host, true)
    }

    fn halt(&mut self, Enough { how, status }: Enough) -> Step {
        self.status = status;
        match how {
            How::Now => {
                self.bar.aside(|| messages::note("enough: ending what runs (--halt)"));
                Step::Stop
            }
            How::Soon => {
                self.bar.aside(|| messages::note("enough: finishing what runs (--halt)"));
                self.drain();
                Step::GoOn
            }
        }
    }

    /// Lets the workers finish what they have begun, and hand back the rest.
    fn drain(&mut self) {
        self.is_draining = true;
        self.ledger.stop();
        self.crew.tell(&Order::Drain);
    }

    fn obey(&mut self, which: i32) -> Step {
        let is_second = self.is_draining && which != signals::HUP;
        self.status = Some(exit::of_signal(which));
        if is_second {
            return Step::Stop;
        }
        self.bar.aside(|| messages::note("finishing what runs; once more to stop at once"));
        self.drain();
        Step::GoOn
    }

    fn lose_local(&mut self, end: Result<(), crate::worker::ServeFailed>) -> Stepped {
        match end {
            Err(error) if !self.is_draining => Err(PrintFailed::Failed(Failure::internal(format!(
                "the workers of this process have failed: {error}"
            )))),
            Ok(()) if !self.is_draining && self.hall.door.is_none() => {
                Err(PrintFailed::Failed(Failure::internal("the workers of this process have ended early")))
            }
            Ok(()) | Err(_) => Ok(Step::GoOn),
        }
    }

    /// Says what runs: number, machine, slot, seconds, which run it is, command.
    fn list(&self) {
        let Snapshot { counts, elapsed, running } = self.ledger.snapshot();
        let head = format!(
            "{} of {} jobs done in {:.1} s, {} failed, {} running",
            counts.succeeded + counts.failed,
            counts.sent,
            elapsed.as_secs_f64(),
            counts.failed,
            counts.running
        );
        let mut text = vec![head];
        for job in &running {
            for attempt in job.attempts.iter().filter(|attempt| attempt.exit.is_none()) {
                let AttemptRecord { host, slot, started, runtime, .. } = attempt;
                let time = runtime.unwrap_or_else(|| started.elapsed().unwrap_or_default()).as_secs_f64();
                let (seq, run) = (job.seq, job.runs + 1);
                text.push(format!("{seq}\t{host}\t{slot}\t{time:.1}\t{run}\t{}", self.ledger.describe(job)));
            }
        }
        self.bar.aside(|| messages::line(&text.join("\n")));
    }

    /// Prints the line that starts a worker.
    fn announce(&self) {
        if self.hall.door.is_some() {
            messages::note("waiting for workers; on another machine:");
            messages::line(&format!("  {}", self.hall.invitation(self.plan.command.as_ref())));
        }
    }
}

/// A command for a message.
fn shortened(command: &str) -> String {
    const LENGTH: usize = 200;
    match command.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}…", command.get(..at).unwrap_or_default()),
        None => command.to_owned(),
    }
}

/// Lets the workers see the end, and ends the server.
async fn farewell(server: Server, is_whole: bool) {
    if is_whole {
        // One that has not seen it by then will find the server gone.
        drop(tokio::time::timeout(FAREWELL, server.drain()).await);
    }
    server.shutdown().await;
}
