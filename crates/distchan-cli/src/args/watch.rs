//! The options of those who watch, and where the ticket is, which `work` has too.

use std::path::PathBuf;

use clap::Args;

/// Where the server's ticket is.
#[derive(Debug, Args)]
pub(crate) struct TicketArgs {
    /// The server's ticket, or its address where it needs none; - reads it from standard input
    #[arg(value_name = "TICKET", env = "DISTCHAN_TICKET", hide_env_values = true)]
    pub(crate) ticket: Option<String>,
    /// Take the ticket from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_file: Option<PathBuf>,
}

/// Watch a run on a screen that keeps up with it.
///
/// Workers, rates, what waits and what runs, what has failed, and what more of would make it faster. q leaves; the run goes on.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// How often the screen is drawn anew
    #[arg(long, value_name = "TIME", default_value = "1", env = "DISTCHAN_INTERVAL")]
    pub(crate) interval: String,
}

/// Say how a run stands.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// As JSON: docs/command.md has its fields
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say why a job waits, or what has become of it, attempt by attempt.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0; 1 if there is no such job, or it is no longer remembered; otherwise as that of `work`."
)]
pub(crate) struct ExplainArgs {
    /// The job's number, as {#} and the job log have it
    #[arg(value_name = "JOB")]
    pub(crate) job: u64,
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// As JSON: docs/command.md has its fields
    #[arg(long)]
    pub(crate) json: bool,
}
