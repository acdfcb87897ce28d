//! When a system that is async has waited long enough. It must not cost anything while values arrive.

use std::cell::Cell;

use anyhow::Result;

use crate::scenarios::PATIENCE;

/// Runs `work` until it ends, or until its count has stood still for [`PATIENCE`]: the rest is then counted as lost.
pub(super) async fn while_moving(count: &Cell<u64>, work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut work = std::pin::pin!(work);
    loop {
        let before = count.get();
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(ended) => return ended,
            Err(_) if count.get() == before => return Ok(()),
            Err(_) => {}
        }
    }
}
