//! What is measured of this project alone: what idle workers cost, whether memory stays bounded, what is lost by not setting a
//! prefetch, how many workers a second are let in. Nobody else stands beside it here, so nothing here may be called fast.

mod credit;
mod handshakes;
mod idle;
mod memory;

use std::fmt;
use std::io::{self, Write};

use anyhow::Result;
use clap::Subcommand;

use crate::process::leash;

#[derive(Debug, Subcommand)]
pub(crate) enum Own {
    /// What thousands of idle workers cost the server, and those that are busy
    Idle(idle::IdleArgs),
    /// Whether the server's memory stays flat while the results' reader and a worker stop at times
    Memory(memory::MemoryArgs),
    /// Jobs of every length, without a setting and with every sensible fixed prefetch
    Credit(credit::CreditArgs),
    /// How many workers a second a server lets in, without encryption and with tickets
    Handshakes(handshakes::HandshakeArgs),
    #[command(hide = true)]
    IdleServer(idle::Setup),
    #[command(hide = true)]
    IdleWorkers(idle::WaitingArgs),
    #[command(hide = true)]
    MemoryWorker(memory::WorkingArgs),
    #[command(hide = true)]
    CreditWorker(credit::WorkingArgs),
}

impl Own {
    /// Measures, and prints one JSON line; what a person wants to read meanwhile goes to standard error.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Idle(args) => idle::measure(args),
            Self::Memory(args) => memory::measure(args),
            Self::Credit(args) => credit::measure(args),
            Self::Handshakes(args) => handshakes::measure(args),
            Self::IdleServer(setup) => as_child(|| idle::serve(setup)),
            Self::IdleWorkers(args) => as_child(|| idle::wait(args)),
            Self::MemoryWorker(args) => as_child(|| memory::work(args)),
            Self::CreditWorker(args) => as_child(|| credit::work(args)),
        }
    }
}

/// Is a process that the measurement started, and that ends with it.
fn as_child(part: impl FnOnce() -> Result<()>) -> Result<()> {
    leash();
    part()
}

/// Tells whoever watches.
fn say(line: impl fmt::Display) -> Result<()> {
    Ok(writeln!(io::stderr(), "{line}")?)
}
