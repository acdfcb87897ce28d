//! Who does the work, one file or folder each. A system's file is written as its user would write it: it must not be tuned
//! beyond what its own documentation advises. Systems do not know each other.

mod distchan;
mod loops;
#[cfg(feature = "peers")]
mod nats;
mod raw;
mod raw_tokio;
#[cfg(feature = "peers")]
mod remoc;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod tonic;
#[cfg(feature = "peers")]
mod zmq;

use anyhow::Result;

pub(crate) use self::distchan::there_and_back;
pub(crate) use self::loops::while_moving;
use crate::report::Measured;
use crate::scenarios::{Order, SystemName};

/// One way of carrying values between processes. `serve` and `work` match on what [`Scenario::work`](crate::scenarios::Scenario::work)
/// says, so that the compiler names every system that a new kind of work concerns.
pub(crate) trait System {
    /// Why this system cannot carry out an order here, in words that stand in a footnote. None if it can.
    fn why_not(&self, order: &Order) -> Option<String>;

    /// Whether it is here under TLS, too.
    fn has_tls(&self) -> bool {
        false
    }

    /// Is the server: binds, starts the workers with [`Crew::start`](crate::process::Crew::start), starts the clock once they are
    /// connected, does the work, stops the clock, ends the work.
    fn serve(&self, order: &Order) -> Result<Measured>;

    /// Is a worker: connects to `address`, says so with [`Shift::start`](crate::process::Shift::start), works until the end, reports.
    fn work(&self, order: &Order, address: &str) -> Result<()>;
}

/// The systems of this build, in the order in which they take turns.
pub(crate) fn built_in() -> Vec<SystemName> {
    let mut systems = vec![SystemName::Raw, SystemName::RawTokio, SystemName::Distchan];
    if cfg!(feature = "peers") {
        systems.extend([
            SystemName::Tonic,
            SystemName::TonicPolled,
            SystemName::Zmq,
            SystemName::Remoc,
            SystemName::Tarpc,
        ]);
        systems.extend([SystemName::Nats, SystemName::Jetstream]);
    }
    systems
}

/// Is the process that holds a broker, for the systems that have one.
#[cfg(feature = "peers")]
pub(crate) fn hold_broker() -> Result<()> {
    nats::hold_broker()
}

/// Finds a system by its name; an error says how to build the one that is missing.
pub(crate) fn find(name: SystemName) -> Result<Box<dyn System>> {
    match name {
        SystemName::Distchan => Ok(Box::new(distchan::Distchan)),
        SystemName::Raw => Ok(Box::new(raw::Raw)),
        SystemName::RawTokio => Ok(Box::new(raw_tokio::RawTokio)),
        #[cfg(feature = "peers")]
        SystemName::Zmq => Ok(Box::new(zmq::Zmq)),
        #[cfg(feature = "peers")]
        SystemName::Remoc => Ok(Box::new(remoc::Remoc)),
        #[cfg(feature = "peers")]
        SystemName::Tarpc => Ok(Box::new(tarpc::Tarpc)),
        #[cfg(feature = "peers")]
        SystemName::Tonic => Ok(Box::new(tonic::Tonic { is_polled: false })),
        #[cfg(feature = "peers")]
        SystemName::TonicPolled => Ok(Box::new(tonic::Tonic { is_polled: true })),
        #[cfg(feature = "peers")]
        SystemName::Nats => Ok(Box::new(nats::Nats)),
        #[cfg(feature = "peers")]
        SystemName::Jetstream => Ok(Box::new(nats::JetStream)),
        #[cfg(not(feature = "peers"))]
        _ => anyhow::bail!("{name} is not built in: add `--features peers` (which needs libzmq)"),
    }
}
