//! Reads inputs and sends them as jobs, on a thread of its own: reading blocks, and so does sending where the workers are behind.

use std::sync::Arc;

use distchan::JobSender;

use crate::exit::Failure;
use crate::input::{Task, Tasks};
use crate::server::ledger::Ledger;
use crate::server::notice::{Notice, Notify};
use crate::server::resume::Resume;
use crate::wire::{Ended, Job};

/// Reads inputs and sends them as jobs.
pub(super) struct Feeder {
    pub(super) ledger: Arc<Ledger>,
    pub(super) done: Resume,
    /// Whether what processes read is kept, to be sent again.
    pub(super) keeps_stdin: bool,
    pub(super) jobs: JobSender<Job, Ended>,
    pub(super) notify: Notify,
}

impl Feeder {
    /// Begins.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(self, tasks: Tasks) -> Result<(), Failure> {
        let started = std::thread::Builder::new().name("feeder".to_owned()).spawn(move || {
            let Self { notify, ledger, .. } = &self;
            let end = self.feed(tasks);
            ledger.end_input();
            // Where nobody waits for it the run is over.
            drop(notify.blocking_send(Notice::InputOver(end)));
        });
        started.map(drop).map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))
    }

    fn feed(&self, tasks: Tasks) -> Result<(), Failure> {
        let mut done = self.done.clone();
        for (seq, task) in (1..).zip(tasks) {
            let Task { args, stdin } = task.map_err(|error| Failure::internal(error.to_string()))?;
            if done.passes_over(seq, &args) {
                self.ledger.skip();
                continue;
            }
            let kept = Task { args: args.clone(), stdin: stdin.clone().filter(|_| self.keeps_stdin) };
            if !self.ledger.enter(seq, Arc::new(kept)) {
                return Ok(());
            }
            if self.jobs.blocking_send(Job { seq, args, stdin }).is_err() {
                // The server was shut down: whoever did so knows why.
                return Ok(());
            }
        }
        Ok(())
    }
}
