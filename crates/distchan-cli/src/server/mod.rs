//! Conducts a run: feeds inputs to the workers as jobs, and prints what comes back.
//!
//! Three things happen at once. The `feeder`, a thread, reads inputs and sends jobs, as far ahead as the `ledger` has room. The library gives them to
//! workers, local ones too. The `conductor`, on the main thread, takes what they answer and tell, one notice after the other, and alone decides: what is
//! printed, tried again, or stopped. Whoever wants to know how things stand asks the ledger.

mod bar;
mod conductor;
mod crew;
mod dry;
mod feeder;
mod hall;
mod halting;
mod joblog;
mod ledger;
mod median;
mod notice;
mod printer;
mod results;
mod resume;
mod roster;
mod signals;
mod spool;
mod tag;
mod watch;

use std::sync::Arc;

use crate::command::Composer;
use crate::exit::{Failure, Outcome};
use crate::input::Opened;
use crate::server::conductor::{Conductor, Kept, Rules};
use crate::server::feeder::Feeder;
use crate::server::hall::Hall;
use crate::server::ledger::Ledger;
use crate::server::printer::Printer;
use crate::server::resume::Resume;
use crate::server::watch::{Http, Lookout};
use crate::settings::Run;
use crate::worker::Running;

/// Runs a command for each input.
pub(crate) fn run(settings: Run) -> Outcome {
    let Run { inputs, mut plan, mut command, slots, halt, timeout, runs, printing, state, listen, http } =
        settings;
    let Opened { names, tasks } = inputs.open()?;
    command.names.clone_from(&names);
    if let Some(command) = &mut plan.command {
        command.names.clone_from(&names);
    }
    plan.names = names;
    // Only for what is shown: whether a shell is needed is the worker's to say.
    let composer = Arc::new(Composer::new(&command, |_| true));
    if printing.is_dry {
        return dry::run(tasks, &composer, &command, &printing);
    }
    let done = if state.resumes { Resume::load(&state, &composer)? } else { Resume::nothing() };
    let ledger = Arc::new(Ledger::new(Arc::clone(&composer)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let running = Running::new(slots)
        .map_err(|error| Failure::internal(format!("cannot keep track of jobs: {error}")))?;
    let (notify, notices) = notice::channel();
    let mut hall = runtime.block_on(Hall::open(listen.as_ref(), slots, &notify, &running))?;
    let lookout =
        Lookout::new(hall.server.clone(), Arc::clone(&ledger), Arc::clone(&hall.roster), notify.clone());
    let lookout = Arc::new(lookout);
    if let Some(questions) = hall.take_questions() {
        runtime.spawn(watch::answer(hall.server.clone(), questions, Arc::clone(&lookout)));
    }
    if let Some(address) = http {
        let http = runtime.block_on(Http::bind(address))?;
        runtime.spawn(http.serve(lookout));
    }
    signals::listen(&runtime, &notify, &running)?;
    let printer = Printer::new(&printing, plan.delivery, &command, &composer)?;
    let kept = Kept::open(&state, &plan.names)?;
    let feeder =
        Feeder { ledger: Arc::clone(&ledger), done, keeps_stdin: runs > 1, jobs: hall.jobs(), notify };
    feeder.start(tasks)?;
    let rules = Rules { halt, timeout, runs, shows_bar: printing.shows_bar };
    let again = hall.again(&runtime);
    let conductor = Conductor::new(hall, plan, ledger, printer, rules, kept, again);
    let outcome = conductor.run(notices, &runtime, &running);
    // Nothing that was started here goes on; whoever still reads inputs ends with the process.
    running.end();
    runtime.shutdown_background();
    outcome
}
