//! What a worker's process says of itself. It must be said in this order: ready, then a report.

use std::time::Duration;

use anyhow::Result;

use super::{WorkerLine, add_cpu, write_json_line};
use crate::payload::Tally;
use crate::usage::cpu_time;

/// A worker that said that it is ready, and owes a report.
#[derive(Debug)]
pub(crate) struct Shift {
    cpu: Option<Duration>,
}

impl Shift {
    /// Tells the server that this worker is connected.
    pub(crate) fn start() -> Result<Self> {
        write_json_line(&WorkerLine::Ready)?;
        Ok(Self { cpu: cpu_time() })
    }

    /// Tells the server what arrived here, and what it cost.
    pub(crate) fn end(self, tally: Tally) -> Result<()> {
        let cpu = add_cpu(self.cpu, cpu_time(), Some(Duration::ZERO));
        write_json_line(&WorkerLine::Done { tally, cpu })
    }
}
