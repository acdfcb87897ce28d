//! I/O errors that say where they happened. The kind stays what it was: callers branch on it.

use std::fmt::Display;
use std::io;

/// `error`, met when trying to `verb` (a verb with its preposition, "connect to") `address`.
pub(crate) fn at(verb: &str, address: &dyn Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {verb} {address}: {error}"))
}

/// The error of a kind of address that this platform has not.
#[cfg(not(unix))]
pub(crate) fn no_unix_sockets() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this platform has no Unix sockets here")
}
