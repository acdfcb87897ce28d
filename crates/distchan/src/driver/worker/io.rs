//! The threads on which all workers of this process live, beside their users' own. A handler that keeps every thread of its runtime busy must not
//! make its worker look dead: heartbeats, and all bytes, go their way here. Nothing of the user's runs on them but transforms.

use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

/// Moves bytes.
static BYTES: Thread = Thread::new("distchan");

/// Looks for jobs that take long. Not on the thread that moves bytes: there a timer that rings within milliseconds would be set and cleared
/// with every message, and the hardware's clock with it.
static TICKS: Thread = Thread::new("distchan ticks");

/// Where the tasks of a worker run.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) bytes: Handle,
    pub(super) ticks: Handle,
}

impl Places {
    /// The threads of this process's workers. They are begun with the first, and end with the process.
    pub(super) fn threads() -> io::Result<Self> {
        Ok(Self { bytes: BYTES.runtime()?, ticks: TICKS.runtime()? })
    }

    /// All on the caller's runtime.
    pub(super) fn here() -> Self {
        Self { bytes: Handle::current(), ticks: Handle::current() }
    }
}

/// A thread with a runtime of its own.
struct Thread {
    name: &'static str,
    handle: OnceLock<Handle>,
    /// Begun once, also where several ask at the same time.
    beginning: Mutex<()>,
}

impl Thread {
    const fn new(name: &'static str) -> Self {
        Self { name, handle: OnceLock::new(), beginning: Mutex::new(()) }
    }

    fn runtime(&self) -> io::Result<Handle> {
        let _one_at_a_time = self.beginning.lock();
        if let Some(handle) = self.handle.get() {
            return Ok(handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(self.handle.get_or_init(|| handle).clone())
    }
}
