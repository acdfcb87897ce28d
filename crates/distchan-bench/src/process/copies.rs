//! One speed of copying for all runs. glibc before 2.39 copies 4 KiB and more with `rep movsb`, also on AMD's Zen 3 and 4, where that takes up to thirty
//! times as long if the target happens to lie a few bytes behind the source within a page (glibc's bug 30994). Where the allocator has put a buffer
//! would decide what a system is measured to do.

use std::io;

/// Begins this program anew with copies as newer versions of glibc make them, if nothing was said of it: in `GLIBC_TUNABLES`, which may be empty. It is
/// read once, as a process starts, and inherited by all that this one starts.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(crate) fn even_out_copies() -> io::Result<()> {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const TUNABLES: &str = "GLIBC_TUNABLES";
    // Longer than anything that is copied.
    const NEVER: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000";

    if env::var_os(TUNABLES).is_some() {
        return Ok(());
    }
    Err(Command::new(env::current_exe()?).args(env::args_os().skip(1)).env(TUNABLES, NEVER).exec())
}

/// Others have no such choice.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
#[expect(clippy::unnecessary_wraps, reason = "where there is a choice, making it can fail")]
pub(crate) fn even_out_copies() -> io::Result<()> {
    Ok(())
}
