//! What is made from the declaration of the options: completions for shells, and manual pages.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell as Completer;
use clap_complete_nushell::Nushell;

use crate::args::{Cli, Shell};
use crate::exit::{self, Failure, Outcome};
use crate::output;

/// Prints what makes a shell complete the options.
///
/// # Errors
/// It cannot be written.
pub(crate) fn completions(shell: Shell) -> Outcome {
    let mut text = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    match shell {
        Shell::Bash => clap_complete::generate(Completer::Bash, &mut command, name, &mut text),
        Shell::Elvish => clap_complete::generate(Completer::Elvish, &mut command, name, &mut text),
        Shell::Fish => clap_complete::generate(Completer::Fish, &mut command, name, &mut text),
        Shell::Nushell => clap_complete::generate(Nushell, &mut command, name, &mut text),
        Shell::Powershell => clap_complete::generate(Completer::PowerShell, &mut command, name, &mut text),
        Shell::Zsh => clap_complete::generate(Completer::Zsh, &mut command, name, &mut text),
    }
    output::print(&text)
}

/// Writes the manual pages, one for each command.
///
/// # Errors
/// They cannot be written.
pub(crate) fn man(dir: &Path) -> Outcome {
    let failed =
        |error| Failure::internal(format!("cannot write manual pages to {}: {error}", dir.display()));
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    Ok(exit::SUCCESS)
}
