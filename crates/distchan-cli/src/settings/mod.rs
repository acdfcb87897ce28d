//! What was typed means this: values that have been checked, with every default filled in. The rest of the program reads nothing else.
//!
//! A flag wins over its `DISTCHAN_*` variable; clap has decided that before anything comes here.

mod amount;
mod env;
mod halt;
mod run;
mod watch;
mod work;

use crate::args::{ExplainArgs, RunArgs, ServeArgs, StatusArgs, TopArgs, WorkArgs};
use crate::exit::Failure;
pub(crate) use crate::settings::halt::{Count, Halt, How, On};
pub(crate) use crate::settings::run::{Listen, Printing, Run, State, Timeout};
pub(crate) use crate::settings::watch::{Look, Watch};
pub(crate) use crate::settings::work::{Permission, TicketFrom, Work};

/// What `run` is to do.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn run(args: Box<RunArgs>) -> Result<Run, Failure> {
    run::settle(*args, None)
}

/// What `serve` is to do.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn serve(args: Box<ServeArgs>) -> Result<Run, Failure> {
    let ServeArgs { listen, ticket_file, identity, inputs_only, run } = *args;
    run::settle(run, Some(Listen { address: listen, ticket_file, identity, inputs_only }))
}

/// What `work` is to do.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn work(args: WorkArgs) -> Result<Work, Failure> {
    work::settle(args)
}

/// What `top` is to show.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn top(args: TopArgs) -> Result<Watch, Failure> {
    watch::top(args)
}

/// What `status` is to say.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn status(args: StatusArgs) -> Result<Watch, Failure> {
    watch::status(args)
}

/// What `explain` is to say.
///
/// # Errors
/// What was typed cannot be used.
pub(crate) fn explain(args: ExplainArgs) -> Result<Watch, Failure> {
    watch::explain(args)
}
