//! What other processes, and people at the keyboard, ask for: the first SIGINT or SIGTERM drains, the second stops; SIGHUP drains; SIGUSR1 lists what
//! runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{self, Failure};
use crate::server::notice::{Notice, Notify};
use crate::worker::Running;

/// How long the conductor has to stop, where it may be waiting for whoever reads our output.
const PATIENCE: Duration = Duration::from_secs(3);

/// SIGHUP, SIGINT, SIGTERM.
pub(super) const HUP: i32 = 1;
const INT: i32 = 2;
const TERM: i32 = 15;

/// Listens.
///
/// # Errors
/// The system's.
pub(super) fn listen(runtime: &Runtime, notify: &Notify, running: &Arc<Running>) -> Result<(), Failure> {
    let _context = runtime.enter();
    let on =
        |kind| signal(kind).map_err(|error| Failure::internal(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    let (mut hangup, mut asked) = (on(SignalKind::hangup())?, on(SignalKind::user_defined1())?);
    let (notify, running) = (notify.clone(), Arc::clone(running));
    runtime.spawn(async move {
        let mut stops = 0;
        loop {
            let notice = tokio::select! {
                _ = interrupt.recv() => Notice::Signal(INT),
                _ = terminate.recv() => Notice::Signal(TERM),
                _ = hangup.recv() => Notice::Signal(HUP),
                _ = asked.recv() => Notice::Asked,
            };
            if let Notice::Signal(which @ (INT | TERM)) = notice {
                stops += 1;
                if stops >= 2 {
                    // Now, even where the conductor waits for whoever reads our output.
                    running.stop();
                    std::thread::spawn(move || leave_at_last(which));
                }
            }
            let notify = notify.clone();
            tokio::spawn(async move { drop(notify.send(notice).await) });
        }
    });
    Ok(())
}

/// Ends the process if it is still there after a while; what runs is ended by the guardian.
fn leave_at_last(which: i32) {
    std::thread::sleep(PATIENCE);
    std::process::exit(i32::from(exit::of_signal(which)));
}
