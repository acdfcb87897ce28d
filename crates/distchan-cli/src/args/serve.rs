//! The options of `serve`: those of `run`, and who may work.

use std::path::PathBuf;

use clap::Args;

use crate::args::RunArgs;

/// Run a command for each input, on other machines too.
///
/// Prints the line that starts a worker elsewhere. With -j, some jobs are run here as well.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:0", env = "DISTCHAN_LISTEN")]
    pub(crate) listen: String,
    /// Write the ticket to a file that only its owner can read, and do not print it
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_file: Option<PathBuf>,
    /// Keep the server's key and tickets in this file, so that they are the same the next time
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Workers bring their own command: they get the inputs only
    #[arg(long)]
    pub(crate) inputs_only: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
