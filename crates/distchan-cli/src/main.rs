//! The `distchan` command: jobs that are processes, on this machine and on any number of others.
//!
//! What was typed (`args`) becomes what it means (`settings`), and one of the commands is carried out: `server` reads inputs and prints what comes
//! back, `worker` runs processes, `watcher` shows how a run stands, and all speak `wire` over the library's channels. `input`, `command` and `output` are what they are made of.

mod args;
mod command;
mod config;
mod door;
mod exit;
mod generate;
mod input;
mod output;
mod report;
mod server;
mod settings;
mod watcher;
mod wire;
mod worker;

use std::process::ExitCode;

use crate::args::{Cli, Subcommand};
use crate::exit::Outcome;

fn main() -> ExitCode {
    exit::report(config::parse().and_then(carry_out))
}

fn carry_out(cli: Cli) -> Outcome {
    match cli.command {
        Subcommand::Run(args) => settings::run(args).and_then(server::run),
        Subcommand::Serve(args) => settings::serve(args).and_then(server::run),
        Subcommand::Work(args) => settings::work(args).and_then(worker::work),
        Subcommand::Top(args) => settings::top(args).and_then(watcher::watch),
        Subcommand::Status(args) => settings::status(args).and_then(watcher::watch),
        Subcommand::Explain(args) => settings::explain(args).and_then(watcher::watch),
        Subcommand::Config(args) => config::config(&args),
        Subcommand::Completions(args) => generate::completions(args.shell),
        Subcommand::Man(args) => generate::man(&args.dir),
        Subcommand::Guard => Ok(worker::guard()),
    }
}
