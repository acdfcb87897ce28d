//! The thread on which the connections of all workers of this process live. A handler that keeps every thread of its runtime busy must not
//! make its worker look dead: heartbeats, and all bytes, go their way here. Nothing of the user's runs on it but transforms.

use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

static THREAD: OnceLock<Handle> = OnceLock::new();

/// Begun once, also where several ask at the same time.
static BEGINNING: Mutex<()> = Mutex::new(());

/// The thread's runtime. The thread is begun with the first worker, and ends with the process.
pub(super) fn runtime() -> io::Result<Handle> {
    let _one_at_a_time = BEGINNING.lock();
    if let Some(handle) = THREAD.get() {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("distchan".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(THREAD.get_or_init(|| handle).clone())
}
