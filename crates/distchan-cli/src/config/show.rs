//! What is set, and where: a line for each setting, as a file would have it, with its source behind.

use std::env;

use clap::CommandFactory;

use crate::args::Cli;
use crate::config::files::{Files, Found};
use crate::config::{Setting, settings};
use crate::exit::Outcome;
use crate::output;

/// Prints it.
pub(super) fn show(files: &Files) -> Outcome {
    let command = Cli::command();
    let mut text = String::new();
    let mut section = String::new();
    for setting in settings(&command) {
        if setting.command != section {
            section.clone_from(&setting.command);
            text.push_str(&format!("[{section}]\n"));
        }
        text.push_str(&line(&command, files, &setting));
    }
    output::print(text.as_bytes())
}

fn line(command: &clap::Command, files: &Files, setting: &Setting) -> String {
    let Setting { name, variable, .. } = setting;
    if let Some(value) = env::var_os(variable) {
        return format!("{name} = {}    # {variable}\n", quoted(&value.to_string_lossy()));
    }
    if let Some(Found { text, path }) = files.find(setting) {
        return format!("{name} = {}    # {}\n", quoted(text), path.display());
    }
    match default(command, setting) {
        Some(text) => format!("{name} = {}    # default\n", quoted(&text)),
        None => format!("# {name} is not set; {variable}\n"),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn default(command: &clap::Command, setting: &Setting) -> Option<String> {
    let command = command.find_subcommand(&setting.command)?;
    let arg = command.get_arguments().find(|arg| arg.get_id().as_str() == setting.id)?;
    arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned())
}
