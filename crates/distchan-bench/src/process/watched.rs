//! A process whose line is wanted, and that must not be waited for without end.

use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

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

/// Sleeps until the process has ended: to look now and then would take a core from it.
fn output_within(mut command: Command, limit: Duration) -> Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let leash = child.stdin.take().context("the standard input was piped")?;
    let (done, ended) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let output = child.wait_with_output();
        // Where it took too long, nobody listens any more.
        let _ = done.send(());
        output
    });
    let is_late = ended.recv_timeout(limit).is_err();
    drop(leash);
    let output = waiting.join().map_err(|_| anyhow::anyhow!("the thread that waits has panicked"))?;
    if is_late {
        bail!("was not done after {} s", limit.as_secs());
    }
    Ok(output?)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_process_that_has_said_its_line_was_in_time() {
        let output = output_within(shell("echo 5; echo fine >&2"), Duration::from_secs(60)).unwrap();
        assert_eq!((output.stdout, output.stderr), (b"5\n".to_vec(), b"fine\n".to_vec()));
        assert_eq!(line_within::<u32>(shell("echo 5"), Duration::from_secs(60)).unwrap(), 5);
    }

    #[test]
    fn more_than_a_pipe_holds_is_taken_while_it_runs() {
        let output = output_within(shell("head -c 1000000 /dev/zero"), Duration::from_secs(60)).unwrap();
        assert_eq!(output.stdout.len(), 1_000_000);
    }

    #[test]
    fn a_process_that_takes_too_long_is_let_go() {
        let error = output_within(shell("cat"), Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.to_string(), "was not done after 0 s");
    }

    #[test]
    fn what_a_process_that_has_failed_said_is_the_error() {
        let error = line_within::<u32>(shell("echo why >&2; exit 3"), Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().ends_with("3: why"), "{error}");
    }
}
