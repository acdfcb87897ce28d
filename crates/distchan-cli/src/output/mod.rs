//! What leaves the process: data on standard output, messages on standard error.

pub(crate) mod messages;
mod print;
mod sink;

pub(crate) use crate::output::print::print;
pub(crate) use crate::output::sink::Sink;
