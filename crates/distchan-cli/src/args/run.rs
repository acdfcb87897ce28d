//! The options of `run`, which `serve` has too. Names, and what they mean, are GNU parallel's wherever it has them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Run a command for each input, on this machine.
///
/// Inputs are lines of standard input, or follow `:::`. A replacement string stands for the input: `{}`, `{.}` without extension, `{/}` without
/// directory, `{//}` its directory, `{/.}` both, `{1}` `{2}` … by position or column, `{name}` with --header, `{#}` the job's number, `{%}` its slot.
/// Without one, the input is put at the end. A command with shell syntax is run by the shell; inputs never become a part of its text.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: the number of jobs that failed up to 100, 101 for more; with --halt now or soon, that of the job it was for, and 124 if that job timed \
out; 130 or 143 after SIGINT or SIGTERM; 2 for wrong usage; 255 for what cannot be read or written.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    #[command(flatten)]
    pub(crate) pipe: PipeArgs,
    #[command(flatten)]
    pub(crate) control: ControlArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,

    /// Answer HTTP at this address, or this port of this machine: /metrics for Prometheus, /healthz, /readyz
    #[arg(long, value_name = "ADDRESS", env = "DISTCHAN_HTTP")]
    pub(crate) http: Option<String>,
    /// How many jobs at once: a number, +N or -N (cores and more, or fewer), N% of the cores, 0 for as many as possible
    #[arg(
        short = 'j',
        long = "jobs",
        visible_short_alias = 'P',
        alias = "max-procs",
        value_name = "N",
        env = "DISTCHAN_JOBS",
        allow_hyphen_values = true
    )]
    pub(crate) jobs: Option<String>,

    /// The command, and after ::: its inputs (::: words, :::: files, :::+ and ::::+ linked with those before)
    #[arg(trailing_var_arg = true, value_name = "COMMAND ... ::: INPUT ...")]
    pub(crate) rest: Vec<OsString>,
}

/// Where inputs come from, and how they are cut.
#[derive(Debug, Args)]
#[command(next_help_heading = "Inputs")]
pub(crate) struct InputArgs {
    /// Read inputs from a file (- is standard input); more than once for combinations of all
    #[arg(short = 'a', long = "arg-file", value_name = "FILE")]
    pub(crate) arg_file: Vec<PathBuf>,
    /// Inputs end with NUL, not with a newline
    #[arg(short = '0', long, conflicts_with = "delimiter")]
    pub(crate) null: bool,
    /// Inputs end with this character (\n, \t, \0 and \xHH are understood)
    #[arg(short = 'd', long, value_name = "CHAR")]
    pub(crate) delimiter: Option<OsString>,
    /// Cut each input into columns {1}, {2}, … at this regular expression
    #[arg(short = 'C', long, value_name = "REGEX")]
    pub(crate) colsep: Option<String>,
    /// The first input of each source names it (or its columns): only ":" is understood
    #[arg(long, value_name = ":", value_parser = [":"])]
    pub(crate) header: Option<String>,
    /// So many inputs for each job
    #[arg(
        short = 'n',
        long = "max-args",
        visible_short_alias = 'N',
        visible_alias = "max-replace-args",
        value_name = "N"
    )]
    pub(crate) max_args: Option<usize>,
    /// Link all sources: the first input of each, the second of each, …; short sources begin again
    #[arg(long)]
    pub(crate) link: bool,
    /// Remove blanks of each input: on the left, the right, or both
    #[arg(long, value_name = "SIDE", value_parser = ["n", "l", "r", "lr", "rl"])]
    pub(crate) trim: Option<String>,
    /// Pass over empty inputs
    #[arg(short = 'r', long)]
    pub(crate) no_run_if_empty: bool,
    /// Run the jobs in random order (keeps all of them in memory)
    #[arg(long)]
    pub(crate) shuf: bool,
    /// The replacement string to use instead of {}
    #[arg(short = 'I', long = "replace", value_name = "STRING")]
    pub(crate) braces: Option<OsString>,
    /// The command's words reach the program as they are; no shell
    #[arg(short = 'q', long)]
    pub(crate) quote: bool,
    /// Give each input to its job on standard input, and not as an argument
    #[arg(long, conflicts_with = "pipe")]
    pub(crate) stdin: bool,
}

/// Standard input as work, and not as a list.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pipe")]
pub(crate) struct PipeArgs {
    /// Cut standard input into blocks of whole records; each is the standard input of one job
    #[arg(long, alias = "spreadstdin")]
    pub(crate) pipe: bool,
    /// The size of a block (k, M, G are understood)
    #[arg(long, value_name = "SIZE", default_value = "1M")]
    pub(crate) block: String,
    /// A record begins with this
    #[arg(long, value_name = "STRING")]
    pub(crate) recstart: Option<OsString>,
    /// A record ends with this; a newline unless said otherwise
    #[arg(long, value_name = "STRING")]
    pub(crate) recend: Option<OsString>,
    /// Each slot keeps one process, which answers each record with one record; lines, or with -0 what ends with NUL
    #[arg(long, conflicts_with_all = ["recstart", "recend", "max_args", "stdin"])]
    pub(crate) persistent: bool,
    /// With --persistent: records begin with their length, 4 bytes, the highest first
    #[arg(long, requires = "persistent", conflicts_with_all = ["null", "delimiter"])]
    pub(crate) length_prefixed: bool,
}

/// When jobs start, and when they stop.
#[derive(Debug, Args)]
#[command(next_help_heading = "Control")]
pub(crate) struct ControlArgs {
    /// Stop early: now|soon,fail|success|done=N or N%; or never
    #[arg(long, value_name = "WHEN", env = "DISTCHAN_HALT")]
    pub(crate) halt: Option<String>,
    /// End a job after so long: seconds, or with s, m, h, d; or N% of the median
    #[arg(long, value_name = "TIME", env = "DISTCHAN_TIMEOUT")]
    pub(crate) timeout: Option<String>,
    /// Run a job that fails so often in all
    #[arg(long, value_name = "N", env = "DISTCHAN_RETRIES")]
    pub(crate) retries: Option<u32>,
    /// Wait so long between two starts
    #[arg(long, value_name = "TIME", env = "DISTCHAN_DELAY")]
    pub(crate) delay: Option<String>,
    /// Start a job only where so much memory is free
    #[arg(long, value_name = "SIZE", env = "DISTCHAN_MEMFREE")]
    pub(crate) memfree: Option<String>,
    /// Give this variable to the jobs, also on other machines; NAME, NAME=VALUE, or NAME,NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<OsString>,
    /// Run the jobs in this directory
    #[arg(long = "workdir", visible_alias = "wd", value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
}

/// What is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Output in the order of the inputs
    #[arg(short = 'k', long)]
    pub(crate) keep_order: bool,
    /// Output of a job when it has ended, in one piece (this is so unless said otherwise)
    #[arg(long, conflicts_with_all = ["line_buffer", "ungroup"])]
    pub(crate) group: bool,
    /// Output as it comes, in whole lines
    #[arg(long, visible_aliases = ["linebuffer", "lb"], conflicts_with = "ungroup")]
    pub(crate) line_buffer: bool,
    /// Output as it comes: lines of jobs may mix
    #[arg(short = 'u', long)]
    pub(crate) ungroup: bool,
    /// Put the input, and a tab, before each line of output
    #[arg(long)]
    pub(crate) tag: bool,
    /// Put this, with its replacement strings replaced, before each line
    #[arg(long, value_name = "STRING")]
    pub(crate) tagstring: Option<OsString>,
    /// Print the commands, and run none
    #[arg(long, visible_alias = "dryrun")]
    pub(crate) dry_run: bool,
    /// Print each command before its output
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Print each command on standard error as it is run
    #[arg(short = 't', long = "trace")]
    pub(crate) trace: bool,
    /// What scripts for GNU parallel say
    #[arg(long, hide = true, alias = "no-notice")]
    pub(crate) will_cite: bool,
    /// Show a progress bar (on a terminal)
    #[arg(long, visible_alias = "progress")]
    pub(crate) bar: bool,
    /// Show the time that is left (on a terminal)
    #[arg(long)]
    pub(crate) eta: bool,
}

/// What is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "State")]
pub(crate) struct StateArgs {
    /// Write a line for each job that has ended
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,
    /// Pass over the jobs that are in the job log
    #[arg(long, requires = "joblog", conflicts_with = "pipe")]
    pub(crate) resume: bool,
    /// Pass over the jobs that succeeded according to the job log
    #[arg(long, requires = "joblog", conflicts_with = "pipe")]
    pub(crate) resume_failed: bool,
    /// Keep the output of each job in a directory of its own below this one, and print none
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
}
