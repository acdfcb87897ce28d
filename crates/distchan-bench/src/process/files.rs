//! The limit on open files, of which every connection is one.

use anyhow::Result;

/// Lets this process, and all that it starts from now on, have so many files open at once. An error says what stands in the way.
#[cfg(unix)]
pub(crate) fn raise_file_limit(needed: u64) -> Result<()> {
    use anyhow::ensure;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(());
    }
    // Beyond the hard limit only the superuser may go.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed));
    ensure!(raised.is_ok(), "{needed} files have to be open at once, and {hard} may be: raise `ulimit -Hn`");
    Ok(())
}

/// There is no such limit to raise.
#[cfg(not(unix))]
pub(crate) fn raise_file_limit(_needed: u64) -> Result<()> {
    Ok(())
}
