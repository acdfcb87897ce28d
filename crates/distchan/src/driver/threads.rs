//! The threads on which this process's workers and servers do what must not be done on their users' own. Nothing of the user's runs on them but a
//! worker's transforms.

use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::transport::Address;

/// Moves workers' bytes. A handler that keeps every thread of its runtime busy must not make its worker look dead: heartbeats, and all bytes, go their
/// way here.
static BYTES: Thread = Thread::new("distchan");

/// Sleeps for others. On a thread that moves bytes the system would have to set a timer each time that it waits for some, and to clear it when they
/// come; for one that rings within milliseconds the hardware's clock, too.
static TIME: Thread = Thread::new("distchan time");

/// Where the tasks of a worker run that move bytes.
pub(super) fn bytes(address: &Address) -> io::Result<Handle> {
    BYTES.runtime_for(address)
}

/// Where timers ring.
pub(super) fn time(address: &Address) -> io::Result<Handle> {
    TIME.runtime_for(address)
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

    /// Within one process, the caller's runtime: when that is busy it holds up both ends alike, and tests may have stopped its clock.
    fn runtime_for(&self, address: &Address) -> io::Result<Handle> {
        if matches!(address, Address::Memory(_)) { Ok(Handle::current()) } else { self.runtime() }
    }

    /// The thread's. It is begun when it is first asked for, and ends with the process.
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
