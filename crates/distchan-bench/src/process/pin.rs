//! Confines a run to one core, so that latencies are of work and not of cores that wake.

use anyhow::Result;

/// Puts this process, before it has started threads, and all that it starts from now on, on the first core it may use.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to_one_core() -> Result<()> {
    use anyhow::Context;
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("ask for the cores of this process")?;
    let is_allowed = |&core: &usize| allowed.is_set(core).unwrap_or(false);
    let first = (0..CpuSet::count()).find(is_allowed).context("this process has no core")?;
    let mut one = CpuSet::new();
    one.set(first)?;
    sched_setaffinity(this, &one).with_context(|| format!("pin this process to core {first}"))
}

/// There is no way to do this that holds for child processes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to_one_core() -> Result<()> {
    anyhow::bail!("processes can be pinned to a core on Linux only")
}
