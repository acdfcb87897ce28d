//! What `run` and `serve` are to do.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use regex::bytes::Regex;

use crate::args::{InputArgs, OutputArgs, PipeArgs, RunArgs};
use crate::exit::Failure;
use crate::input::{Blocks, Cut, Lists, Source, Spec, split_words};
use crate::settings::{Halt, amount, env};
use crate::wire::{Command, Delivery, Feeding, Pauses, Plan};

/// What `run` and `serve` are to do.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) inputs: Spec,
    /// What jobs have in common. The names of arguments are filled in when the inputs are opened.
    pub(crate) plan: Plan,
    /// The command, for what is shown and kept; also where the workers have their own.
    pub(crate) command: Command,
    /// Slots on this machine; 0 where only others work.
    pub(crate) slots: usize,
    pub(crate) halt: Option<Halt>,
    pub(crate) timeout: Timeout,
    /// How often a job is run that fails, in all.
    pub(crate) runs: u32,
    pub(crate) printing: Printing,
    pub(crate) state: State,
    pub(crate) listen: Option<Listen>,
    /// Where HTTP is answered.
    pub(crate) http: Option<SocketAddr>,
}

/// How long a job may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timeout {
    Never,
    After(Duration),
    /// Of the median of the jobs that have succeeded.
    Percent(f64),
}

/// What is shown.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Printing {
    pub(crate) keeps_order: bool,
    /// What stands before each line, with replacement strings.
    pub(crate) tag: Option<Bytes>,
    pub(crate) is_dry: bool,
    pub(crate) shows_command: bool,
    pub(crate) traces: bool,
    pub(crate) shows_bar: bool,
}

/// What is kept.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) joblog: Option<PathBuf>,
    pub(crate) resumes: bool,
    /// Jobs that failed are run again.
    pub(crate) resumes_failed: bool,
    pub(crate) results: Option<PathBuf>,
}

/// Where workers come from.
#[derive(Debug)]
pub(crate) struct Listen {
    pub(crate) address: String,
    pub(crate) ticket_file: Option<PathBuf>,
    pub(crate) identity: Option<PathBuf>,
    pub(crate) inputs_only: bool,
}

pub(super) fn settle(args: RunArgs, listen: Option<Listen>) -> Result<Run, Failure> {
    settle_text(args, listen).map_err(Failure::usage)
}

fn settle_text(args: RunArgs, listen: Option<Listen>) -> Result<Run, String> {
    let RunArgs { inputs, pipe, control, output, state, http, jobs, rest } = args;
    let (words, sources) = split_words(rest)?;
    let takes_args = !pipe.pipe && !pipe.persistent && !inputs.stdin;
    let feeding = feeding(&inputs, &pipe)?;
    let command = Command {
        words: words.into_iter().map(|word| Bytes::from(word.into_vec())).collect(),
        is_quoted: inputs.quote,
        braces: Bytes::from(inputs.braces.clone().map_or_else(|| b"{}".to_vec(), OsString::into_vec)),
        names: Vec::new(),
        appends: takes_args,
    };
    let inputs_only = listen.as_ref().is_some_and(|listen| listen.inputs_only);
    if inputs_only && !command.words.is_empty() {
        return Err("with --inputs-only the workers bring the command: leave it out here".to_owned());
    }
    if command.words.is_empty() && !takes_args && !inputs_only {
        return Err("--pipe, --persistent and --stdin want a command".to_owned());
    }
    let inputs = spec(inputs, sources, &pipe, feeding)?;
    let timeout = timeout(control.timeout.as_deref())?;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let optional_time = |text: Option<&str>| text.map_or(Ok(Duration::ZERO), amount::time);
    let mut plan = Plan {
        command: (!inputs_only).then(|| command.clone()),
        names: Vec::new(),
        appends: takes_args,
        env: env::pairs(control.env)?,
        workdir: control.workdir.map(|dir| Bytes::from(dir.into_os_string().into_vec())),
        delivery: delivery(&output),
        feeding,
        time_limit: if let Timeout::After(time) = timeout { Some(micros(time)) } else { None },
        delay: micros(optional_time(control.delay.as_deref())?),
        free_memory: control.memfree.as_deref().map_or(Ok(0), amount::size)?,
        pauses: Pauses::default(),
    };
    let halt = control.halt.as_deref().map_or(Ok(None), Halt::read)?;
    plan.pauses = halt.map_or_else(Pauses::default, Halt::pauses);
    let slots = if listen.is_some() && jobs.is_none() { 0 } else { amount::slots(jobs.as_deref())? };
    if inputs_only && slots > 0 {
        return Err("with --inputs-only there is nothing to run here: leave out -j".to_owned());
    }
    Ok(Run {
        inputs,
        plan,
        command,
        slots,
        halt,
        timeout,
        runs: control.retries.unwrap_or(1).max(1),
        printing: printing(output),
        state: State {
            joblog: state.joblog,
            resumes: state.resume || state.resume_failed,
            resumes_failed: state.resume_failed,
            results: state.results,
        },
        listen,
        http: http.as_deref().map(http_address).transpose()?,
    })
}

/// An address, or a port of this machine's own.
fn http_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| format!("--http {text}: give a port, or an address and a port like 127.0.0.1:9100"))
}

fn timeout(text: Option<&str>) -> Result<Timeout, String> {
    let Some(text) = text else { return Ok(Timeout::Never) };
    let Some(percent) = text.strip_suffix('%') else { return amount::time(text).map(Timeout::After) };
    match percent.parse::<f64>() {
        Ok(percent) if percent > 0.0 => Ok(Timeout::Percent(percent)),
        Ok(_) | Err(_) => Err(format!("{text:?} is not a part of the median: 200%")),
    }
}

fn feeding(inputs: &InputArgs, pipe: &PipeArgs) -> Result<Feeding, String> {
    if !pipe.persistent {
        return Ok(Feeding::Once);
    }
    if pipe.length_prefixed {
        return Ok(Feeding::Lengths);
    }
    record_end(inputs).map(Feeding::Records)
}

/// The byte that ends an input.
fn record_end(inputs: &InputArgs) -> Result<u8, String> {
    match &inputs.delimiter {
        _ if inputs.null => Ok(0),
        Some(delimiter) => amount::delimiter(delimiter),
        None => Ok(b'\n'),
    }
}

const fn delivery(output: &OutputArgs) -> Delivery {
    match (output.line_buffer, output.ungroup) {
        (true, _) => Delivery::Lines,
        (false, true) => Delivery::AsRead,
        (false, false) => Delivery::Whole,
    }
}

fn printing(output: OutputArgs) -> Printing {
    let tag = output.tagstring.map(|text| Bytes::from(text.into_vec()));
    Printing {
        // Mixed output has no order, and no lines to put anything before: as in GNU parallel.
        keeps_order: output.keep_order && !output.ungroup,
        tag: tag.or_else(|| output.tag.then(|| Bytes::from_static(b"{}"))).filter(|_| !output.ungroup),
        is_dry: output.dry_run,
        shows_command: output.verbose,
        traces: output.trace,
        shows_bar: output.bar || output.eta,
    }
}

fn spec(args: InputArgs, sources: Vec<Source>, pipe: &PipeArgs, feeding: Feeding) -> Result<Spec, String> {
    let end = record_end(&args)?;
    let mut files: Vec<Source> = args.arg_file.into_iter().map(Source::file).collect();
    if pipe.pipe || pipe.persistent {
        if !sources.is_empty() {
            return Err("--pipe and --persistent read standard input, or -a FILE: leave out :::".to_owned());
        }
        if pipe.persistent && args.header.is_some() {
            return Err(
                "--header goes with lists and with --pipe: a --persistent program sees the first line once"
                    .to_owned(),
            );
        }
        if files.is_empty() {
            files.push(Source::stdin());
        }
        return Ok(Spec::Blocks(Blocks {
            files,
            cut: cut(pipe, feeding)?,
            size: block(&pipe.block)?,
            records: args.max_args,
            has_header: args.header.is_some(),
        }));
    }
    files.extend(sources);
    if files.is_empty() {
        files.push(Source::stdin());
    }
    let trim = args.trim.unwrap_or_default();
    Ok(Spec::Lists(Lists {
        sources: files,
        end,
        // Inputs on the command line are cut only where somebody asks for it.
        cuts_words: args.delimiter.is_some(),
        columns: args.colsep.as_deref().map(regex).transpose()?,
        has_header: args.header.is_some(),
        at_once: args.max_args.unwrap_or(1),
        links: args.link,
        trims_left: trim.contains('l'),
        trims_right: trim.contains('r'),
        skips_empty: args.no_run_if_empty,
        shuffles: args.shuf,
        to_stdin: args.stdin,
    }))
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("--colsep {text:?} is not a regular expression: {error}"))
}

fn block(text: &str) -> Result<usize, String> {
    let size = usize::try_from(amount::size(text)?).map_err(|_| format!("--block {text} is too large"))?;
    if size > crate::wire::MAX_VALUE / 2 {
        return Err(format!("--block {text} is too large: 512M at most"));
    }
    Ok(size.max(1))
}

fn cut(pipe: &PipeArgs, feeding: Feeding) -> Result<Cut, String> {
    match feeding {
        Feeding::Records(end) => return Ok(Cut::Eager(end)),
        Feeding::Lengths => return Ok(Cut::Lengths),
        Feeding::Once => {}
    }
    let start = pipe.recstart.as_deref().map(amount::separator).unwrap_or_default();
    let end = match &pipe.recend {
        Some(end) => amount::separator(end),
        None if start.is_empty() => b"\n".to_vec(),
        None => Vec::new(),
    };
    if start.is_empty() && end.is_empty() {
        return Err("--recend '' wants a --recstart: where would a record end?".to_owned());
    }
    Ok(Cut::At { start, end })
}
