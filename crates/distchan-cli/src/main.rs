//! The `distchan` command: jobs that are processes, on this machine and on any number of others.
//!
//! What was typed (`args`) becomes what it means (`settings`), and one of the commands is carried out: `server` reads inputs and prints what comes
//! back, `worker` runs processes, and both speak `wire` over the library's channels. `input`, `command` and `output` are what they are made of.

mod args;
mod command;
mod exit;
mod input;
mod output;
mod server;
mod settings;
mod wire;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Subcommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::report(match cli.command {
        Subcommand::Run(args) => settings::run(args).and_then(server::run),
        Subcommand::Serve(args) => settings::serve(args).and_then(server::run),
        Subcommand::Work(args) => settings::work(args).and_then(worker::work),
        Subcommand::Guard => Ok(worker::guard()),
    })
}
