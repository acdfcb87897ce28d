//! What `work` is to do.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::args::{TicketArgs, WorkArgs};
use crate::door;
use crate::exit::Failure;
use crate::settings::amount;

/// What `work` is to do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) ticket: TicketFrom,
    pub(crate) slots: usize,
    pub(crate) permission: Permission,
    pub(crate) host: String,
    pub(crate) patience: Duration,
}

/// Where the ticket is.
#[derive(Debug)]
pub(crate) enum TicketFrom {
    /// Here.
    Text(String),
    File(PathBuf),
    Stdin,
}

impl TicketFrom {
    /// Where the ticket is, as it was typed.
    pub(super) fn settle(args: TicketArgs) -> Result<Self, Failure> {
        match (args.ticket, args.ticket_file) {
            // A variable may be set for all; the option is nearer.
            (_, Some(file)) => Ok(Self::File(file)),
            (Some(ticket), None) if ticket == "-" => Ok(Self::Stdin),
            (Some(ticket), None) => Ok(Self::Text(ticket)),
            (None, None) => Err(Failure::usage(
                "no ticket: give the line that `distchan serve` printed, --ticket-file, or DISTCHAN_TICKET",
            )),
        }
    }
}

/// What a worker runs.
#[derive(Clone, Debug)]
pub(crate) enum Permission {
    /// Whatever the server says.
    Everything,
    /// The server's command, where it is one of these programs, and without a shell.
    Programs(Vec<Bytes>),
    /// This command.
    Own(Vec<Bytes>),
}

pub(super) fn settle(args: WorkArgs) -> Result<Work, Failure> {
    let ticket = TicketFrom::settle(args.ticket)?;
    let bytes = |words: Vec<OsString>| words.into_iter().map(|word| Bytes::from(word.into_vec())).collect();
    let permission = match (args.command.is_empty(), args.allow_exec, args.allow.is_empty()) {
        (false, false, true) => Permission::Own(bytes(args.command)),
        (false, ..) => {
            return Err(Failure::usage(
                "a worker with a command of its own runs no other: leave out --allow-exec and --allow",
            ));
        }
        (true, true, _) => Permission::Everything,
        (true, false, false) => Permission::Programs(bytes(args.allow)),
        (true, false, true) => {
            return Err(Failure::usage(
                "what may this worker run? Say `-- COMMAND` for a command of its own, --allow PROGRAM for some of the server's, or --allow-exec for \
                 whatever the server says",
            ));
        }
    };
    Ok(Work {
        ticket,
        slots: amount::slots(args.jobs.as_deref()).map_err(Failure::usage)?,
        permission,
        host: args.name.unwrap_or_else(door::host_name),
        patience: amount::time(&args.reconnect).map_err(Failure::usage)?,
    })
}
