//! The options of `work`.

use std::ffi::OsString;

use clap::Args;

use crate::args::TicketArgs;

/// Work for a server, until its work is done.
///
/// What is run is this worker's own command, given after --; or, with --allow-exec, whatever the server says; or, with --allow, the server's command if
/// it is one of these programs. Without any of them nothing is run.
#[derive(Debug, Args)]
#[command(after_help = "\
The ticket is a secret, and arguments can be seen by every user of this machine: DISTCHAN_TICKET, --ticket-file, or - for standard input keep it.\n\n\
Exit status: 0 when the work is done; 2 for wrong usage; 3 if the server cannot be reached or was lost; 4 if it does not know the ticket, or wants \
what is not allowed here; 5 if it is another version; 130 or 143 after SIGINT or SIGTERM.")]
pub(crate) struct WorkArgs {
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// How many jobs at once: a number, +N or -N, N% of the cores
    #[arg(short = 'j', long = "jobs", value_name = "N", env = "DISTCHAN_JOBS", allow_hyphen_values = true)]
    pub(crate) jobs: Option<String>,
    /// Run whatever the server says: whoever has the server has this account
    #[arg(long, conflicts_with = "allow")]
    pub(crate) allow_exec: bool,
    /// Run the server's command if it is this program, without a shell; more than once for several
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) allow: Vec<OsString>,
    /// What the server sees as this machine's name
    #[arg(long, value_name = "NAME", env = "DISTCHAN_NAME")]
    pub(crate) name: Option<String>,
    /// How long to look for a server that was lost
    #[arg(long, value_name = "TIME", default_value = "30", env = "DISTCHAN_RECONNECT")]
    pub(crate) reconnect: String,
    /// This worker's own command
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
