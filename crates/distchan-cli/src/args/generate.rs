//! The options of what is made from the declaration itself: completions and manual pages; and of `config`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Print what makes a shell complete the options.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

/// Write the manual pages, one for each command, to a directory.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory, which is there
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Settings that are kept in files.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each setting with its value, and whether a variable, a file, or nobody has set it
    Show,
}
