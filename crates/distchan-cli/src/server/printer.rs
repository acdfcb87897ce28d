//! Prints what jobs have written. A job's output is printed in one piece when it has ended, or as it comes in whole lines, or as it comes; in the order
//! of the inputs, or in that of the endings. It alone writes to standard output.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use crate::command::Composer;
use crate::exit::Failure;
use crate::input::Task;
use crate::output::Sink;
use crate::server::ledger::Ledger;
use crate::server::results::Results;
use crate::server::spool::Spool;
use crate::server::tag::{Tag, Tagged};
use crate::settings::Printing;
use crate::wire::{Chunk, Command, Delivery, Ended, Output, RunId, Stream};

/// Prints what jobs have written.
#[derive(Debug)]
pub(super) struct Printer {
    stdout: Sink,
    stderr: Sink,
    keeps_order: bool,
    delivery: Delivery,
    shows_command: bool,
    traces: bool,
    tag: Tag,
    composer: Arc<Composer>,
    /// Chunks that have come of runs that have not ended, or wait for their turn.
    spools: HashMap<RunId, Spool>,
    /// Runs whose output is printed as it comes.
    live: HashMap<RunId, Live>,
    /// Jobs that have ended and wait for an older one.
    parked: BTreeMap<u64, Finished>,
}

/// A job that has its outcome.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) ended: Ended,
    pub(super) task: Arc<Task>,
}

/// A run whose output is printed as it comes.
#[derive(Debug)]
struct Live {
    seq: u64,
    slot: u32,
    task: Arc<Task>,
    tag: Tagged,
    /// Whether a line begins here, on standard output and on standard error.
    at_start: [bool; 2],
    has_shown_command: bool,
}

/// Nothing more can be printed.
#[derive(Debug)]
pub(super) enum PrintFailed {
    /// Whoever read has enough.
    Gone,
    Failed(Failure),
}

type Printed = Result<(), PrintFailed>;

impl Printer {
    pub(super) fn new(
        printing: &Printing,
        delivery: Delivery,
        command: &Command,
        composer: &Arc<Composer>,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::internal(format!("cannot print: {error}"));
        Ok(Self {
            stdout: Sink::stdout().map_err(failed)?,
            stderr: Sink::stderr().map_err(failed)?,
            keeps_order: printing.keeps_order,
            delivery,
            shows_command: printing.shows_command,
            traces: printing.traces,
            tag: Tag::new(printing.tag.clone(), command),
            composer: Arc::clone(composer),
            spools: HashMap::new(),
            live: HashMap::new(),
            parked: BTreeMap::new(),
        })
    }

    /// A run of a job has begun.
    pub(super) fn begin(&mut self, seq: u64, run: RunId, slot: u32, task: Arc<Task>) {
        if self.traces {
            let mut line = self.composer.text(seq, &task.args, Some(slot));
            line.push(b'\n');
            self.say(&line);
        }
        if self.delivery != Delivery::Whole {
            let tag = self.tag.of(seq, &task.args, slot);
            let live =
                Live { seq, slot, task, tag, at_start: [true; 2], has_shown_command: !self.shows_command };
            self.live.insert(run, live);
        }
    }

    /// A chunk of a run's output has come.
    pub(super) fn chunk(&mut self, chunk: &Chunk, ledger: &Ledger) -> Printed {
        let Chunk { seq, run, stream, bytes } = chunk;
        let is_next = !self.keeps_order || ledger.oldest() == Some(*seq);
        if is_next && self.live.contains_key(run) {
            self.spools.entry(*run).or_insert_with(|| Spool::new(*seq)).count(*stream);
            return self.print_live(*run, *stream, bytes);
        }
        let spool = self.spools.entry(*run).or_insert_with(|| Spool::new(*seq));
        spool.push(*stream, bytes).map_err(|error| cannot_keep(*seq, &error))
    }

    /// Whether all of a run's output has come.
    pub(super) fn has_all(&mut self, ended: &Ended) -> bool {
        let mut has = |stream, output: &Output| match output {
            Output::Whole(_) => true,
            Output::Sent { chunks, .. } => {
                self.spools.get_mut(&ended.run).is_some_and(|spool| spool.chunks(stream) >= *chunks)
            }
        };
        has(Stream::Out, &ended.stdout) && has(Stream::Err, &ended.stderr)
    }

    /// Nobody wants to see what this run has written.
    pub(super) fn forget(&mut self, run: RunId) {
        self.spools.remove(&run);
        self.live.remove(&run);
    }

    /// A job has its outcome: prints it, if it is its turn, and those that waited for it.
    pub(super) fn finish(
        &mut self,
        finished: Finished,
        ledger: &Ledger,
        results: Option<&Results>,
    ) -> Printed {
        let seq = finished.ended.seq;
        if self.keeps_order && ledger.oldest() != Some(seq) {
            ledger.hold(held(&finished), 0);
            self.parked.insert(seq, finished);
            return Ok(());
        }
        self.print(finished, results)?;
        ledger.release(seq);
        while let Some(next) = ledger.oldest().filter(|_| self.keeps_order) {
            let Some(finished) = self.parked.remove(&next) else {
                return self.go_live(next);
            };
            ledger.hold(0, held(&finished));
            self.print(finished, results)?;
            ledger.release(next);
        }
        Ok(())
    }

    /// Prints what waits for jobs that will never end.
    pub(super) fn finish_all(&mut self, ledger: &Ledger, results: Option<&Results>) -> Printed {
        while let Some((seq, finished)) = self.parked.pop_first() {
            self.print(finished, results)?;
            ledger.release(seq);
        }
        Ok(())
    }

    /// It is a running job's turn: what was kept of its output is printed, and what comes.
    fn go_live(&mut self, seq: u64) -> Printed {
        let runs: Vec<RunId> =
            self.live.iter().filter(|(_, live)| live.seq == seq).map(|(run, _)| *run).collect();
        for run in runs {
            let Some(mut spool) = self.spools.remove(&run) else { continue };
            let printed = self.print_kept(run, Stream::Out, &mut spool);
            let printed = printed.and_then(|()| self.print_kept(run, Stream::Err, &mut spool));
            // It still counts what comes.
            self.spools.insert(run, spool);
            printed?;
        }
        Ok(())
    }

    fn print_live(&mut self, run: RunId, stream: Stream, bytes: &[u8]) -> Printed {
        let Some(live) = self.live.get_mut(&run) else { return Ok(()) };
        let mut out = Vec::with_capacity(bytes.len());
        let [out_at_start, err_at_start] = &mut live.at_start;
        if !std::mem::replace(&mut live.has_shown_command, true) {
            let mut line = self.composer.text(live.seq, &live.task.args, Some(live.slot));
            line.push(b'\n');
            let mut shown = Vec::new();
            live.tag.put(&line, &mut true, &mut shown);
            self.stdout.write(&shown).map_err(|error| cannot_print(&error))?;
        }
        match stream {
            Stream::Out => {
                live.tag.put(bytes, out_at_start, &mut out);
                self.stdout.write(&out).map_err(|error| cannot_print(&error))
            }
            Stream::Err => {
                live.tag.put(bytes, err_at_start, &mut out);
                self.say(&out);
                Ok(())
            }
        }
    }

    fn print(&mut self, finished: Finished, results: Option<&Results>) -> Printed {
        let Finished { ended, task } = finished;
        let mut spool = self.spools.remove(&ended.run);
        if !self.spools.is_empty() {
            // What others had of it, before they were lost.
            self.spools.retain(|_, spool| spool.seq != ended.seq);
        }
        if let Some(results) = results {
            return results.write(&ended, &task, spool.as_mut()).map_err(PrintFailed::Failed);
        }
        if self.live.contains_key(&ended.run) {
            return self.end_live(&ended, spool);
        }
        let tag = self.tag.of(ended.seq, &task.args, ended.slot);
        self.print_whole(&ended, &task, &tag, spool.as_mut())
    }

    /// A run whose output is printed as it comes has ended: what is left of it is printed.
    fn end_live(&mut self, ended: &Ended, mut spool: Option<Spool>) -> Printed {
        for (stream, output) in [(Stream::Out, &ended.stdout), (Stream::Err, &ended.stderr)] {
            if let Some(spool) = &mut spool {
                self.print_kept(ended.run, stream, spool)?;
            }
            if let Output::Whole(bytes) = output {
                self.print_live(ended.run, stream, bytes)?;
            }
        }
        self.live.remove(&ended.run);
        Ok(())
    }

    /// Prints what was kept of a run that is printed as it comes.
    fn print_kept(&mut self, run: RunId, stream: Stream, spool: &mut Spool) -> Printed {
        let mut failed = Ok(());
        let taken = spool.take(stream, |bytes| {
            if failed.is_ok() {
                failed = self.print_live(run, stream, bytes);
            }
            Ok(())
        });
        let seq = spool.seq;
        taken.map_err(|error| cannot_keep(seq, &error)).and(failed)
    }

    fn print_whole(
        &mut self,
        ended: &Ended,
        task: &Task,
        tag: &Tagged,
        mut spool: Option<&mut Spool>,
    ) -> Printed {
        let mut out = Vec::new();
        if self.shows_command {
            let mut line = self.composer.text(ended.seq, &task.args, Some(ended.slot));
            line.push(b'\n');
            tag.put(&line, &mut true, &mut out);
        }
        let Self { stdout, stderr, .. } = self;
        match &ended.stdout {
            // Most jobs: one write.
            Output::Whole(bytes) if out.is_empty() && tag.is_none() => {
                stdout.write(bytes).map_err(|error| cannot_print(&error))?;
            }
            Output::Whole(bytes) => {
                tag.put(bytes, &mut true, &mut out);
                stdout.write(&out).map_err(|error| cannot_print(&error))?;
            }
            Output::Sent { .. } => {
                stdout.write(&out).map_err(|error| cannot_print(&error))?;
                let mut is_at_start = true;
                if let Some(spool) = spool.as_deref_mut() {
                    let taken = spool.take(Stream::Out, |bytes| write(stdout, tag, bytes, &mut is_at_start));
                    taken.map_err(|error| cannot_print(&error))?;
                }
            }
        }
        let mut is_at_start = true;
        // Where standard error is closed, nobody wants to know.
        drop(match (&ended.stderr, spool) {
            (Output::Whole(bytes), _) => write(stderr, tag, bytes, &mut is_at_start),
            (Output::Sent { .. }, Some(spool)) => {
                spool.take(Stream::Err, |bytes| write(stderr, tag, bytes, &mut is_at_start))
            }
            (Output::Sent { .. }, None) => Ok(()),
        });
        Ok(())
    }

    /// To standard error. Where that is closed, nobody wants to know.
    fn say(&mut self, bytes: &[u8]) {
        drop(self.stderr.write(bytes));
    }
}

fn write(sink: &mut Sink, tag: &Tagged, bytes: &[u8], is_at_start: &mut bool) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    if tag.is_none() {
        return sink.write(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    tag.put(bytes, is_at_start, &mut out);
    sink.write(&out)
}

/// What a job that waits has in memory.
fn held(finished: &Finished) -> u64 {
    let bytes = |output: &Output| if let Output::Whole(bytes) = output { bytes.len() as u64 } else { 0 };
    bytes(&finished.ended.stdout) + bytes(&finished.ended.stderr)
}

fn cannot_print(error: &io::Error) -> PrintFailed {
    match error.kind() {
        io::ErrorKind::BrokenPipe => PrintFailed::Gone,
        _ => PrintFailed::Failed(Failure::internal(format!("cannot write to standard output: {error}"))),
    }
}

fn cannot_keep(seq: u64, error: &io::Error) -> PrintFailed {
    let directory = std::env::temp_dir();
    PrintFailed::Failed(Failure::internal(format!(
        "cannot keep the output of job {seq} in {}: {error}\n  TMPDIR names a directory with more room",
        directory.display()
    )))
}
