//! Which jobs are passed over, because an earlier run has done them.
//!
//! A job is known by the hash of its command, as the log's last column has it, and not by its number: inputs may have been added, removed or sorted
//! since. Where the same command is there several times, it is passed over as often as it was done.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::command::Composer;
use crate::exit::Failure;
use crate::server::joblog;
use crate::settings::State;

/// Half of a SHA-256: enough that no two commands of any list share one.
type Key = [u8; 16];

/// What an earlier run has done.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    done: HashMap<Key, u64>,
    composer: Option<Arc<Composer>>,
}

impl Resume {
    /// Nothing was done.
    pub(super) fn nothing() -> Self {
        Self { done: HashMap::new(), composer: None }
    }

    /// Reads the job log. One that is not there yet has nothing.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn load(state: &State, composer: &Arc<Composer>) -> Result<Self, Failure> {
        let mut resume = Self { done: HashMap::new(), composer: Some(Arc::clone(composer)) };
        let Some(path) = &state.joblog else { return Ok(resume) };
        let cannot =
            |error: io::Error| Failure::internal(format!("cannot read the job log {path:?}: {error}"));
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(resume),
            Err(error) => return Err(cannot(error)),
        };
        for (number, line) in (1..).zip(io::BufReader::new(file).split(b'\n')) {
            let line = line.map_err(cannot)?;
            if number == 1 && line.starts_with(b"Seq\t") {
                continue;
            }
            let Some(row) = joblog::Row::read(&line) else {
                return Err(Failure::internal(format!(
                    "line {number} of the job log {path:?} is none: it wants nine columns"
                )));
            };
            if row.is_success || !state.resumes_failed {
                *resume.done.entry(key(row.command)).or_default() += 1;
            }
        }
        Ok(resume)
    }

    /// Whether a job was done; each time that it was counts once.
    pub(super) fn passes_over(&mut self, seq: u64, args: &[Bytes]) -> bool {
        let Some(composer) = &self.composer else { return false };
        let text = joblog::one_line(composer.text(seq, args, None));
        match self.done.get_mut(&key(&text)) {
            Some(times @ 1..) => {
                *times -= 1;
                true
            }
            Some(0) | None => false,
        }
    }
}

fn key(command: &[u8]) -> Key {
    let hash: [u8; 32] = Sha256::digest(command).into();
    let mut key = Key::default();
    key.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
    key
}
