//! How a run stands, as lines of text for people.

use std::fmt::Write;

use crate::report::{AttemptReport, Explained, Jobs, RunningJob, Status, WorkerStatus};

/// How a run stands.
pub(super) fn status(status: &Status) -> String {
    let mut text = String::new();
    for line in head(status) {
        push(&mut text, &line);
    }
    push(&mut text, "");
    push(
        &mut text,
        &format!("{:<24} {:>8} {:>5} {:>9} {:>9}", "worker", "pid", "slots", "in flight", "done"),
    );
    for worker in &status.workers {
        let WorkerStatus { host, pid, slots, in_flight, completed, is_connected, .. } = worker;
        let note = if *is_connected { "" } else { "  (lost its connection)" };
        push(
            &mut text,
            &format!("{:<24} {pid:>8} {slots:>5} {in_flight:>9} {completed:>9}{note}", name(host)),
        );
    }
    push(&mut text, "");
    push(
        &mut text,
        &format!("{:>9} {:<16} {:>4} {:>9} {:>3} command", "job", "worker", "slot", "for", "run"),
    );
    for job in &status.running {
        let RunningJob { job, host, slot, runtime_s, run, command } = job;
        let (host, time) = (name(host), duration(*runtime_s));
        push(&mut text, &format!("{job:>9} {host:<16} {slot:>4} {time:>9} {run:>3} {}", one_line(command)));
    }
    text
}

/// The lines that say it in short.
pub(super) fn head(status: &Status) -> Vec<String> {
    let Jobs { read, is_total, queued, running, succeeded, failed, retried, skipped } = status.jobs;
    let so_far = if is_total { "" } else { " so far" };
    let mut jobs =
        format!("{} of {read} jobs{so_far} done: {succeeded} succeeded, {failed} failed", succeeded + failed);
    if retried > 0 {
        jobs.push_str(&format!(", {retried} run again"));
    }
    if skipped > 0 {
        jobs.push_str(&format!(", {skipped} passed over"));
    }
    let left = status.eta_s.map_or_else(|| "unknown".to_owned(), duration);
    let rate = status.rate_per_s;
    let pace = format!(
        "{running} running, {queued} queued; {rate:.1} jobs/s; for {}, {left} left",
        duration(status.elapsed_s)
    );
    vec![jobs, pace, status.bottleneck.text().to_owned()]
}

/// What has become of a job.
pub(super) fn explained(explained: &Explained) -> String {
    let Explained { job, state, reason, command, attempts, .. } = explained;
    let mut text = String::new();
    push(&mut text, &format!("job {job}: {}: {reason}", state.text()));
    if let Some(command) = command {
        push(&mut text, &format!("  {}", one_line(command)));
    }
    for (number, attempt) in (1..).zip(attempts) {
        let AttemptReport { host, slot, runtime_s, outcome, .. } = attempt;
        let time = runtime_s.map(|time| format!(", after {}", duration(time))).unwrap_or_default();
        push(
            &mut text,
            &format!("  run {number}: on {}, slot {slot}: {}{time}", name(host), one_line(outcome)),
        );
    }
    text
}

/// A machine, for people: `:` is the job log's word.
pub(super) fn name(host: &str) -> String {
    if host == ":" { "here".to_owned() } else { one_line(host) }
}

/// Text from elsewhere, on one line, and without anything that a terminal obeys.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time, with the unit that fits.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    if !seconds.is_finite() || seconds > 3.2e9 {
        return "centuries".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 60 and 3.2e9"
    )]
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours / 24, hours % 24) {
        (0, 0) => format!("{minutes}:{seconds:02} min"),
        (0, hours) => format!("{hours}:{minutes:02} h"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

fn push(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{SCHEMA, State};

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(duration(0.04), "0.0 s");
        assert_eq!(duration(59.94), "59.9 s");
        assert_eq!(duration(61.0), "1:01 min");
        assert_eq!(duration(3_660.0), "1:01 h");
        assert_eq!(duration(90_000.0), "1 d 1 h");
        assert_eq!(duration(f64::INFINITY), "centuries");
    }

    #[test]
    fn what_others_name_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }

    #[test]
    fn a_job_is_explained_attempt_by_attempt() {
        let attempt = AttemptReport {
            host: "left".to_owned(),
            slot: 2,
            started: 0.0,
            runtime_s: Some(1.5),
            outcome: "exited with status 3".to_owned(),
            status: Some(3),
        };
        let again = AttemptReport {
            host: ":".to_owned(),
            runtime_s: None,
            outcome: "running".to_owned(),
            status: None,
            ..attempt.clone()
        };
        let said = Explained {
            schema: SCHEMA,
            job: 7,
            state: State::Running,
            reason: "a process is at work on it".to_owned(),
            command: Some("sh -c 'exit 3'".to_owned()),
            attempts: vec![attempt, again],
        };
        let expected = "job 7: running: a process is at work on it\n  sh -c 'exit 3'\n  run 1: on left, slot 2: exited with status 3, after 1.5 s\n  run 2: on here, slot 2: running\n";
        assert_eq!(explained(&said), expected);
    }
}
