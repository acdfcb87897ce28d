//! What `top`, `status` and `explain` are to do.

use std::time::Duration;

use crate::args::{ExplainArgs, StatusArgs, TopArgs};
use crate::exit::Failure;
use crate::settings::{TicketFrom, amount};

/// What is to be watched, and how.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) ticket: TicketFrom,
    pub(crate) look: Look,
}

/// How something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// On a screen, drawn anew after so long.
    Screen(Duration),
    Status {
        is_json: bool,
    },
    Job {
        seq: u64,
        is_json: bool,
    },
}

/// No screen is drawn more often.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn top(args: TopArgs) -> Result<Watch, Failure> {
    let interval = amount::time(&args.interval).map_err(Failure::usage)?.max(SHORTEST);
    Ok(Watch { ticket: TicketFrom::settle(args.ticket)?, look: Look::Screen(interval) })
}

pub(super) fn status(args: StatusArgs) -> Result<Watch, Failure> {
    Ok(Watch { ticket: TicketFrom::settle(args.ticket)?, look: Look::Status { is_json: args.json } })
}

pub(super) fn explain(args: ExplainArgs) -> Result<Watch, Failure> {
    let look = Look::Job { seq: args.job, is_json: args.json };
    Ok(Watch { ticket: TicketFrom::settle(args.ticket)?, look })
}
