//! What was typed: the declaration that clap parses, prints as help, and (with `DISTCHAN_*` variables) fills from the environment. What it means is
//! said in `settings`.

mod generate;
mod run;
mod serve;
mod watch;
mod work;

pub(crate) use generate::{CompletionsArgs, ConfigArgs, ConfigCommand, ManArgs, Shell};
pub(crate) use run::{InputArgs, OutputArgs, PipeArgs, RunArgs};
pub(crate) use serve::ServeArgs;
pub(crate) use watch::{ExplainArgs, StatusArgs, TicketArgs, TopArgs};
pub(crate) use work::WorkArgs;

/// Runs commands for inputs, here and on other machines.
#[derive(Debug, clap::Parser)]
#[command(name = "distchan", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run a command for each input, on this machine
    Run(Box<RunArgs>),
    /// The same, with workers on other machines: prints the line that starts one
    Serve(Box<ServeArgs>),
    /// Work for a server
    Work(WorkArgs),
    /// Watch a run
    Top(TopArgs),
    /// Say how a run stands
    Status(StatusArgs),
    /// Say why a job waits, or what has become of it
    Explain(ExplainArgs),
    /// Show what is set, and where
    Config(ConfigArgs),
    /// Print what makes a shell complete the options
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
    /// Ends the processes of a distchan that was killed
    #[command(hide = true)]
    Guard,
}
