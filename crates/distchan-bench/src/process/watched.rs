//! A process whose line is wanted, and that must not be waited for without end.

use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// How often is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a process that prints one JSON line, and has called [`leash`](super::leash()): it is let go, and with it all that it
/// started, when the time is up.
pub(crate) fn line_within<L: DeserializeOwned>(command: Command, limit: Duration) -> Result<L> {
    let output = output_within(command, limit)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, said.lines().next().unwrap_or_default());
    }
    serde_json::from_slice(&output.stdout).context("read the run's line")
}

fn output_within(mut command: Command, limit: Duration) -> Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let leash = child.stdin.take().context("the standard input was piped")?;
    let deadline = Instant::now() + limit;
    while !has_ended(&mut child)? {
        if Instant::now() >= deadline {
            drop(leash);
            child.wait()?;
            bail!("was not done after {} s", limit.as_secs());
        }
        thread::sleep(LOOK);
    }
    Ok(child.wait_with_output()?)
}

fn has_ended(child: &mut Child) -> Result<bool> {
    Ok(child.try_wait()?.is_some())
}
