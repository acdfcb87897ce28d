//! What ends a process when the one that started it has ended, however it ended. It must not cost anything while that lives.

use std::io::{self, Read};
use std::thread;

/// From now on, the end of standard input ends this process: whoever holds the other end of that pipe lives no more.
///
/// A worker would otherwise look for its server for minutes, and be in the way of the next run.
pub(crate) fn leash() {
    thread::spawn(|| {
        let mut stdin = io::stdin().lock();
        while stdin.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        std::process::exit(1);
    });
}
