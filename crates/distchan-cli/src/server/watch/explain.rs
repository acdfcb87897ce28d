//! Why a job waits, or what has become of it, in words.

use std::time::UNIX_EPOCH;

use crate::report::{AttemptReport, Explained, SCHEMA, State};
use crate::server::ledger::{AttemptRecord, Counts, JobRecord, JobState};
use crate::wire::Exit;

/// What has become of the job with this number, as far as it is remembered.
pub(super) fn explain(
    seq: u64,
    job: Option<&JobRecord>,
    command: Option<String>,
    counts: Counts,
    has_workers: bool,
) -> Explained {
    let (state, reason) = match job {
        Some(job) => known(job, counts, has_workers),
        None => unknown(seq, counts),
    };
    let attempts = job.map(|job| job.attempts.iter().map(attempt).collect()).unwrap_or_default();
    Explained { schema: SCHEMA, job: seq, state, reason, command, attempts }
}

fn known(job: &JobRecord, counts: Counts, has_workers: bool) -> (State, String) {
    match job.state {
        JobState::Queued if !has_workers => {
            (State::Queued, "it waits for a worker: none is there".to_owned())
        }
        JobState::Queued if job.runs > 0 => {
            (State::Queued, format!("it has failed in {}, and waits to be run again", runs(job.runs)))
        }
        JobState::Queued => {
            (State::Queued, format!("it waits for a free slot; {} jobs are running", counts.running))
        }
        JobState::Running => (State::Running, "a process is at work on it".to_owned()),
        JobState::Succeeded => (State::Succeeded, format!("it succeeded, in {}", runs(job.runs))),
        JobState::Failed => {
            (State::Failed, format!("it failed in {}, and is not tried again", runs(job.runs)))
        }
    }
}

fn unknown(seq: u64, counts: Counts) -> (State, String) {
    let numbered = counts.sent + counts.skipped;
    match seq {
        0 => (State::Unknown, "jobs are counted from 1".to_owned()),
        _ if seq <= numbered => {
            let text = "it has ended, or was passed over: of jobs that ended, the newest 10,000 failed and 1,000 others are remembered; all are in --joblog";
            (State::Forgotten, text.to_owned())
        }
        _ if counts.is_total => (State::Unknown, format!("there are {numbered} jobs")),
        _ => (State::Unknown, format!("its input has not been read yet; {numbered} have been")),
    }
}

fn runs(number: u32) -> String {
    if number == 1 { "1 run".to_owned() } else { format!("{number} runs") }
}

fn attempt(attempt: &AttemptRecord) -> AttemptReport {
    let AttemptRecord { host, slot, started, runtime, exit, .. } = attempt;
    AttemptReport {
        host: host.to_string(),
        slot: *slot,
        started: started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        runtime_s: runtime.map(|time| time.as_secs_f64()),
        outcome: exit.as_ref().map_or_else(|| "running".to_owned(), outcome),
        status: exit.as_ref().map(Exit::status),
    }
}

fn outcome(exit: &Exit) -> String {
    match exit {
        Exit::Code(0) => "succeeded".to_owned(),
        Exit::Code(code) => format!("exited with status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::TimedOut(signal) => format!("took too long, and was ended by signal {signal}"),
        Exit::NotStarted(_, reason) => format!("could not be started: {reason}"),
        Exit::Misbehaved(reason) => format!("answered wrongly: {reason}"),
        Exit::Lost(reason) => format!("was lost with its worker: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(seq: u64, counts: Counts) -> Explained {
        explain(seq, None, None, counts, true)
    }

    #[test]
    fn a_number_that_no_job_has_is_explained() {
        let counts = Counts { sent: 3, skipped: 2, is_total: true, ..Counts::default() };
        assert_eq!(asked(0, counts).reason, "jobs are counted from 1");
        assert_eq!(asked(5, counts).state, State::Forgotten);
        assert_eq!(
            (asked(6, counts).state, asked(6, counts).reason.as_str()),
            (State::Unknown, "there are 5 jobs")
        );
        let reading = Counts { is_total: false, ..counts };
        assert_eq!(asked(6, reading).reason, "its input has not been read yet; 5 have been");
    }

    #[test]
    fn an_end_is_put_in_words() {
        assert_eq!(outcome(&Exit::Code(3)), "exited with status 3");
        assert_eq!(outcome(&Exit::Signal(9)), "was ended by signal 9");
        assert_eq!(
            outcome(&Exit::NotStarted(127, "no such program".to_owned())),
            "could not be started: no such program"
        );
    }
}
