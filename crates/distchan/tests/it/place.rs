//! Where tests listen.

use std::sync::atomic::{AtomicU16, Ordering};

/// Where a server finds a free port: a place of its own, as far as the system has many. A worker whose server is gone goes on looking for it
/// at its port, which may be another test's by then.
pub(crate) fn place() -> String {
    static PLACES: AtomicU16 = AtomicU16::new(0);
    if cfg!(target_os = "linux") {
        let [high, low] = PLACES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        format!("127.1.{high}.{low}:0")
    } else {
        "127.0.0.1:0".to_owned()
    }
}
