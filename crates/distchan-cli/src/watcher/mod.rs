//! Watches a run from outside: asks its server, and shows the answers. Takes no jobs, and changes nothing.

mod screen;
mod session;
mod text;
mod top;

use tokio::runtime::Runtime;

use crate::exit::{self, Failure, Outcome};
use crate::output;
use crate::report::State;
use crate::settings::{Look, Watch};
use crate::watcher::session::Session;

/// Answered, and there is no such job.
const NO_SUCH_JOB: u8 = 1;

/// Shows what is asked for.
///
/// # Errors
/// The server cannot be reached, or is lost.
pub(crate) fn watch(settings: Watch) -> Outcome {
    let Watch { ticket, look } = settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let mut session = runtime.block_on(Session::open(ticket))?;
    let outcome = match look {
        Look::Screen(interval) => top::show(&runtime, &mut session, interval),
        Look::Status { is_json } => status(&runtime, &mut session, is_json),
        Look::Job { seq, is_json } => job(&runtime, &mut session, seq, is_json),
    };
    runtime.block_on(session.close());
    outcome
}

fn status(runtime: &Runtime, session: &mut Session, is_json: bool) -> Outcome {
    let status = runtime.block_on(session.status())?;
    output::print(&if is_json { json(&status)? } else { text::status(&status).into_bytes() })
}

fn job(runtime: &Runtime, session: &mut Session, seq: u64, is_json: bool) -> Outcome {
    let explained = runtime.block_on(session.explain(seq))?;
    output::print(&if is_json { json(&explained)? } else { text::explained(&explained).into_bytes() })?;
    let is_known = !matches!(explained.state, State::Unknown | State::Forgotten);
    Ok(if is_known { exit::SUCCESS } else { NO_SUCH_JOB })
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_vec_pretty(value);
    let mut text = text.map_err(|error| Failure::internal(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
