//! Who a worker is, and what it may do.

use crate::settings::Permission;

/// Who a worker is, and what it may do.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// A number of its own choice, that no other worker has.
    pub(crate) number: u64,
    /// The machine's name; empty inside the server's process.
    pub(crate) host: String,
    pub(crate) slots: usize,
    pub(crate) permission: Permission,
}

impl Identity {
    pub(crate) fn new(host: String, slots: usize, permission: Permission) -> Self {
        Self { number: rand::random(), host, slots, permission }
    }
}
