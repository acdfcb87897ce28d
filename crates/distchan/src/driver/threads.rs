//! The threads on which this process's workers and servers do what must not be done on their users' own. Nothing of the user's runs on them but a
//! worker's transforms.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::transport::Address;

/// Moves workers' bytes. A handler that keeps every thread of its runtime busy must not make its worker look dead: heartbeats, and all bytes, go their
/// way here.
static BYTES: Thread = Thread::new("distchan", None);

/// Sleeps for others. On a thread that moves bytes the system would have to set a timer each time that it waits for some, and to clear it when they
/// come; for one that rings within milliseconds the hardware's clock, too.
static TIME: Thread = Thread::new("distchan time", None);

/// Looks now and then, and need not be exact. To be woken for it would hold up whoever works on that core just then; so the system may do it when its own
/// clock ticks, which it does in this time nearly everywhere where something runs.
static LOOKS: Thread = Thread::new("distchan looks", Some(Duration::from_millis(5)));

/// Where the tasks of a worker run that move bytes.
pub(super) fn bytes(address: &Address) -> io::Result<Handle> {
    BYTES.runtime_for(address)
}

/// Where timers ring.
pub(super) fn time(address: &Address) -> io::Result<Handle> {
    TIME.runtime_for(address)
}

/// Where a worker looks which of its jobs take long.
pub(super) fn looks(address: &Address) -> io::Result<Handle> {
    LOOKS.runtime_for(address)
}

/// A thread with a runtime of its own.
struct Thread {
    name: &'static str,
    /// By so much it may be woken late, together with others.
    slack: Option<Duration>,
    handle: OnceLock<Handle>,
    /// Begun once, also where several ask at the same time.
    beginning: Mutex<()>,
}

impl Thread {
    const fn new(name: &'static str, slack: Option<Duration>) -> Self {
        Self { name, slack, handle: OnceLock::new(), beginning: Mutex::new(()) }
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
        let slack = self.slack;
        std::thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            if let Some(Err(error)) = slack.map(be_late) {
                tracing::debug!(%error, "the system wakes this thread on time");
            }
            runtime.block_on(std::future::pending::<()>());
        })?;
        Ok(self.handle.get_or_init(|| handle).clone())
    }
}

/// Lets the system wake this thread so much later than is asked for.
#[cfg(target_os = "linux")]
fn be_late(by: Duration) -> io::Result<()> {
    Ok(nix::sys::prctl::set_timerslack(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX))?)
}

/// Other systems have no such thing, or decide it themselves.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail where there is such a thing")]
const fn be_late(_by: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::sys::prctl::get_timerslack;

    use super::*;

    #[tokio::test]
    async fn only_who_looks_now_and_then_may_be_woken_late() {
        let try_it = std::thread::spawn(|| be_late(Duration::from_millis(1)));
        if let Err(error) = try_it.join().unwrap() {
            println!(
                "SKIP only_who_looks_now_and_then_may_be_woken_late: the system does not let it ({error})"
            );
            return;
        }
        let address = "127.0.0.1:0".parse().unwrap();
        let of = async |handle: Handle| handle.spawn(async { get_timerslack().unwrap() }).await.unwrap();
        assert_eq!(of(looks(&address).unwrap()).await, 5_000_000);
        let usual = get_timerslack().unwrap();
        assert_eq!(of(bytes(&address).unwrap()).await, usual);
        assert_eq!(of(time(&address).unwrap()).await, usual);
    }
}
