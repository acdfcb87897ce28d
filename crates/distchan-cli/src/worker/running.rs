//! Which process groups run now, one to a slot, so that all can be ended at once; also by the [guardian](super::guardian), from the table that is
//! shared with it, if this process is killed.
//!
//! A group is in the table from when its first process was started until that one is waited for: as long as it is not, the system gives its number to no
//! other, and no stranger is ever ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long processes have between being asked to end and being ended.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The process groups that run.
#[derive(Debug)]
pub(crate) struct Running {
    groups: Mutex<Vec<Option<Pid>>>,
    /// The same numbers, for the guardian; 0 for none.
    table: File,
    is_stopping: AtomicBool,
}

impl Running {
    /// For so many slots.
    ///
    /// # Errors
    /// There is no memory file to be had.
    pub(crate) fn new(slots: usize) -> io::Result<Arc<Self>> {
        let table =
            File::from(rustix::fs::memfd_create("distchan running", rustix::fs::MemfdFlags::CLOEXEC)?);
        table.set_len(slots as u64 * 4)?;
        let groups = Mutex::new(vec![None; slots]);
        Ok(Arc::new(Self { groups, table, is_stopping: AtomicBool::new(false) }))
    }

    /// The table, for another process.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.table.as_fd().try_clone_to_owned()
    }

    /// A process was started in a slot, as the first of a group of its own. It is ended at once if all are being ended.
    pub(super) fn enter(&self, slot: usize, group: Pid) {
        self.set(slot, Some(group));
        if self.is_stopping() {
            signal(group, Signal::KILL);
        }
    }

    /// The process of a slot has ended, and is about to be waited for.
    pub(super) fn leave(&self, slot: usize) {
        self.set(slot, None);
    }

    /// Whether nothing is to be started any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Asks all groups to end, and sees to it that nothing is started any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.signal_all(Signal::TERM);
    }

    /// Ends all groups.
    pub(crate) fn kill(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.signal_all(Signal::KILL);
    }

    /// Whether none is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().iter().all(Option::is_none)
    }

    /// Asks all to end, and ends those that have not done so in time. Blocks for a second at most.
    pub(crate) fn end(&self) {
        self.stop();
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < GRACE && !self.is_empty() {
            std::thread::sleep(step);
            waited += step;
        }
        self.kill();
    }

    fn signal_all(&self, which: Signal) {
        // Under the lock: none of them is waited for meanwhile.
        for group in self.lock().iter().flatten() {
            signal(*group, which);
        }
    }

    fn set(&self, slot: usize, group: Option<Pid>) {
        let mut groups = self.lock();
        if let Some(place) = groups.get_mut(slot) {
            *place = group;
        }
        let number = group.map_or(0, Pid::as_raw_pid);
        // Memory is written; where that fails there is no guardian, and nothing else is lost.
        let _ = self.table.write_at(&number.to_ne_bytes(), slot as u64 * 4);
    }

    /// The table is whole after every statement.
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Pid>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal to a group; one that is gone needs none.
pub(super) fn signal(group: Pid, which: Signal) {
    let _ = kill_process_group(group, which);
}
