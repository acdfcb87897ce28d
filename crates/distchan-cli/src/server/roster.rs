//! The workers that have said who they are, for whoever wants to see: written by the conductor.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wire::Hello;

/// The workers that have said who they are, by the names under which the library knows them.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<BTreeMap<String, Entry>>);

/// Who a worker is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) slots: u32,
}

impl Roster {
    /// A worker has come.
    pub(super) fn enter(&self, hello: &Hello) {
        let Hello { host, pid, slots, .. } = hello;
        let shown = if host.is_empty() { ":".to_owned() } else { host.clone() };
        let entry = Entry { host: shown, pid: *pid, slots: *slots };
        self.lock().insert(hello.name(), entry);
    }

    /// Who has this name; nobody where it watches only.
    pub(super) fn find(&self, name: &str) -> Option<Entry> {
        self.lock().get(name).cloned()
    }

    /// The map is whole after every statement that changes it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
