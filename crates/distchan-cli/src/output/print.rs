//! Data that is there as a whole.

use std::io::Write;

use crate::exit::{self, Failure, Outcome};

/// Prints data. Nobody is told that nobody reads it.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(text: &[u8]) -> Outcome {
    match std::io::stdout().write_all(text) {
        Ok(()) => Ok(exit::SUCCESS),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(exit::SUCCESS),
        Err(error) => Err(Failure::internal(format!("cannot write: {error}"))),
    }
}
