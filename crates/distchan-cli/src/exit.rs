//! What the process's exit status says, in one table.

use std::process::ExitCode;

/// All went well; also where whoever read the output wanted no more of it.
pub(crate) const SUCCESS: u8 = 0;
/// What was typed cannot be used. clap exits with this by itself.
pub(crate) const USAGE: u8 = 2;
/// The server cannot be reached, or was lost.
pub(crate) const UNREACHABLE: u8 = 3;
/// The server and the worker do not trust each other, or the worker is not allowed to do what it is asked for.
pub(crate) const AUTHENTICATION: u8 = 4;
/// The other side is another version, or another program.
pub(crate) const VERSION: u8 = 5;
/// Up to so many failed jobs are counted.
pub(crate) const MOST_FAILED: u8 = 100;
/// More jobs failed.
pub(crate) const MORE_FAILED: u8 = 101;
/// Something else went wrong: a file cannot be read or written.
pub(crate) const INTERNAL: u8 = 255;

/// How a command ended that did not do what it should: what to print, and what to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

/// What a command comes to.
pub(crate) type Outcome = Result<u8, Failure>;

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What was typed cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Something else went wrong.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL, message)
    }
}

/// The status for so many failed jobs.
pub(crate) fn of_failed(jobs: u64) -> u8 {
    match u8::try_from(jobs) {
        Ok(jobs) if jobs <= MOST_FAILED => jobs,
        Ok(_) | Err(_) => MORE_FAILED,
    }
}

/// The status of a process that a signal ended.
pub(crate) fn of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(INTERNAL)
}

/// Prints what went wrong, and makes of it what `main` returns.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            crate::output::messages::error(&message);
            ExitCode::from(code)
        }
    }
}
