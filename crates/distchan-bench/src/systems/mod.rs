//! Who does the work, one file each. A system's file is written as its user would write it: it must not be tuned
//! beyond what its own documentation advises. Systems do not know each other.

mod distchan;
mod raw;
#[cfg(feature = "peers")]
mod zmq;

use anyhow::Result;

use crate::report::Measured;
use crate::scenarios::{Order, SystemName};

/// One way of carrying values between two processes. Both functions match on the order's scenario, so that the compiler
/// names every system that a new scenario concerns.
pub(crate) trait System {
    /// Is the server: binds, starts the worker with [`WorkerProcess::start`](crate::process::WorkerProcess::start),
    /// starts the clock once it is connected, does the work, ends it, stops the clock.
    fn serve(&self, order: &Order) -> Result<Measured>;

    /// Is the worker: connects to `address`, says so with [`Shift::start`](crate::process::Shift::start), works until the end, reports.
    fn work(&self, order: &Order, address: &str) -> Result<()>;
}

/// The systems of this build, in the order in which they take turns.
pub(crate) fn built_in() -> Vec<SystemName> {
    let mut systems = vec![SystemName::Distchan, SystemName::Raw];
    if cfg!(feature = "peers") {
        systems.push(SystemName::Zmq);
    }
    systems
}

/// Finds a system by its name; an error says how to build the one that is missing.
pub(crate) fn find(name: SystemName) -> Result<Box<dyn System>> {
    match name {
        SystemName::Distchan => Ok(Box::new(distchan::Distchan)),
        SystemName::Raw => Ok(Box::new(raw::Raw)),
        #[cfg(feature = "peers")]
        SystemName::Zmq => Ok(Box::new(zmq::Zmq)),
        #[cfg(not(feature = "peers"))]
        SystemName::Zmq => anyhow::bail!("zmq is not built in: add `--features peers` (needs libzmq)"),
    }
}
