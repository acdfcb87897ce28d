//! Messages for people, on standard error, each on a line of its own behind the command's name. Nobody is told that nobody listens.

use std::io::Write;

/// Something went wrong.
pub(crate) fn error(message: &str) {
    line(&format!("distchan: {message}"));
}

/// Something that is good to know.
pub(crate) fn note(message: &str) {
    line(&format!("distchan: {message}"));
}

/// A line as it is, to be pasted.
pub(crate) fn line(text: &str) {
    // One write, so that lines of several processes do not mix. Where it fails there is nowhere to say so.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
