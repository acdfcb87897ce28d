//! Settings that are kept in files: a flag wins over a `DISTCHAN_*` variable, that over the file of the directory, that over the user's, that over the
//! machine's.
//!
//! What has a variable can be in a file, and nothing else can: so no file grants what a worker may run (`--allow-exec`), and none holds a ticket.

mod files;
mod show;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::args::{Cli, ConfigArgs, ConfigCommand};
use crate::config::files::Files;
use crate::exit::{Failure, Outcome};

/// Reads the command line, with what variables and files say.
///
/// # Errors
/// A file cannot be read, or says what nobody understands. What is wrong with the command line clap says itself, and ends the process.
pub(crate) fn parse() -> Result<Cli, Failure> {
    let matches = with_files(Cli::command(), &Files::read()?).get_matches();
    from(&matches)
}

/// Shows what is set, and where.
///
/// # Errors
/// As [`parse`].
pub(crate) fn config(args: &ConfigArgs) -> Outcome {
    match args.command {
        ConfigCommand::Show => show::show(&Files::read()?),
    }
}

fn from(matches: &ArgMatches) -> Result<Cli, Failure> {
    Cli::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string()))
}

/// The declaration, with what files say as defaults.
fn with_files(mut command: Command, files: &Files) -> Command {
    for setting in settings(&command) {
        let Some(value) = files.find(&setting) else { continue };
        let text = value.text.clone();
        command = command.mut_subcommand(setting.command, |command| {
            command.mut_arg(&setting.id, |arg| arg.default_value(text))
        });
    }
    command
}

/// Something that can be set in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    command: String,
    /// What clap calls it.
    id: String,
    /// The flag, without dashes.
    name: String,
    variable: String,
}

/// All that can be set.
fn settings(command: &Command) -> Vec<Setting> {
    let mut found = Vec::new();
    for subcommand in command.get_subcommands() {
        for arg in subcommand.get_arguments() {
            let (Some(variable), Some(name)) = (arg.get_env(), arg.get_long()) else { continue };
            found.push(Setting {
                command: subcommand.get_name().to_owned(),
                id: arg.get_id().to_string(),
                name: name.to_owned(),
                variable: variable.to_string_lossy().into_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Result<Files, Failure> {
        Files::from_texts([("a.toml".into(), text.to_owned())], &settings(&Cli::command()))
    }

    fn jobs(text: &str, args: &[&str]) -> Option<String> {
        let command = with_files(Cli::command(), &files(text).expect("the file is understood"));
        let matches = command.try_get_matches_from(args).expect("the arguments are understood");
        let (_, matches) = matches.subcommand().expect("there is a command");
        matches.get_one::<String>("jobs").cloned()
    }

    #[test]
    fn a_flag_wins_over_a_file_and_a_section_over_what_is_for_all() {
        let text = "jobs = 3\n[work]\njobs = \"50%\"\n";
        assert_eq!(jobs(text, &["distchan", "run", "true"]).as_deref(), Some("3"));
        assert_eq!(jobs(text, &["distchan", "run", "-j5", "true"]).as_deref(), Some("5"));
        assert_eq!(jobs(text, &["distchan", "work", "x", "--allow-exec"]).as_deref(), Some("50%"));
    }

    #[test]
    fn what_nobody_understands_is_an_error() {
        for (text, word) in [
            ("jbos = 3", "jbos"),
            ("[run]\nallow-exec = true", "allow-exec"),
            ("ticket = 'secret'", "ticket"),
            ("[walk]\njobs = 1", "walk"),
            ("jobs = [1]", "jobs"),
            ("jobs = ", "a.toml"),
        ] {
            let Err(failure) = files(text) else { panic!("{text:?} is understood") };
            assert!(failure.message.contains(word), "{:?}", failure.message);
            assert!(!failure.message.contains("secret"), "{:?}", failure.message);
        }
    }
}
