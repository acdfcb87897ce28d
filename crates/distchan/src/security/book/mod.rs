//! The tickets that a server has given, and which of them still count. It must never hand out a secret but in a ticket.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use distchan_proto::proof::{Exporter, Refusal, Secret, TicketId, WorkerProof};
use zeroize::Zeroizing;

use crate::security::identity::Identity;
use crate::security::ticket::TicketError;

/// Tickets that are neither revoked nor expired.
const MAX_TICKETS: usize = 4096;

/// Others, that are remembered so that their workers are told why they are refused.
const MAX_DEAD: usize = 1024;

/// The tickets of one server.
pub(in crate::security) struct Book {
    entries: BTreeMap<TicketId, Entry>,
    next: u64,
    /// Where all this is kept, and the key that is kept with it.
    file: Option<(PathBuf, Zeroizing<String>)>,
}

struct Entry {
    /// In the order of making.
    number: u64,
    secret: Secret,
    expires: Option<SystemTime>,
    is_revoked: bool,
}

impl Entry {
    fn standing(&self, now: SystemTime) -> Result<(), Refusal> {
        if self.is_revoked {
            Err(Refusal::Revoked)
        } else if self.expires.is_some_and(|expires| expires <= now) {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }
}

impl Book {
    /// A book that lives as long as the server.
    pub(in crate::security) fn in_memory() -> io::Result<(Identity, Self)> {
        let mut book = Self { entries: BTreeMap::new(), next: 0, file: None };
        book.main(SystemTime::now()).map_err(flatten)?;
        Ok((Identity::generate()?, book))
    }

    /// The secret of the oldest ticket that still counts, and does not expire; a new one where there is none.
    pub(in crate::security) fn main(&mut self, now: SystemTime) -> Result<Secret, TicketError> {
        let lasting = self.entries.values().filter(|entry| entry.expires.is_none() && !entry.is_revoked);
        match lasting.min_by_key(|entry| entry.number) {
            Some(entry) => Ok(entry.secret.clone()),
            None => self.issue(None, now),
        }
    }

    /// A new ticket's secret.
    pub(in crate::security) fn issue(
        &mut self,
        lifetime: Option<Duration>,
        now: SystemTime,
    ) -> Result<Secret, TicketError> {
        self.forget_dead(now);
        if self.entries.values().filter(|entry| entry.standing(now).is_ok()).count() >= MAX_TICKETS {
            return Err(TicketError::TooMany);
        }
        let mut bytes = Zeroizing::new([0; Secret::LENGTH]);
        getrandom::fill(&mut *bytes).map_err(io::Error::from)?;
        let secret = Secret::new(*bytes);
        // What is too far to be a time is never.
        let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        let entry = Entry { number: self.next, secret: secret.clone(), expires, is_revoked: false };
        self.next += 1;
        self.entries.insert(secret.id(), entry);
        if let Err(error) = self.keep() {
            self.entries.remove(&secret.id());
            return Err(error.into());
        }
        Ok(secret)
    }

    /// A ticket counts no longer; false where it is none of this server's. Where that cannot be kept, it is revoked as long as the server
    /// lives.
    pub(in crate::security) fn revoke(&mut self, ticket: TicketId) -> io::Result<bool> {
        let Some(entry) = self.entries.get_mut(&ticket) else { return Ok(false) };
        entry.is_revoked = true;
        self.keep()?;
        Ok(true)
    }

    /// The secret behind a worker's proof, where it is let in. Who does not have the secret learns nothing of the ticket.
    pub(in crate::security) fn check(
        &self,
        proof: &WorkerProof,
        exporter: &Exporter,
        now: SystemTime,
    ) -> Result<Secret, Refusal> {
        let entry = self.entries.get(&proof.ticket()).ok_or(Refusal::Unknown)?;
        if !proof.is_of(&entry.secret, exporter) {
            return Err(Refusal::Unknown);
        }
        entry.standing(now)?;
        Ok(entry.secret.clone())
    }

    /// Whether a ticket was revoked.
    pub(in crate::security) fn is_revoked(&self, ticket: TicketId) -> bool {
        self.entries.get(&ticket).is_none_or(|entry| entry.is_revoked)
    }

    /// A file with a new key and these lines of tickets, read, written, and read again; `None` where they are none.
    #[cfg(feature = "fuzzing")]
    pub(in crate::security) fn reread(key: &str, lines: &str) -> Option<[Zeroizing<String>; 2]> {
        let (identity, book) = Self::parse(&format!("distchan identity 1\nkey {key}\n{lines}"))?;
        let written = book.text(key);
        let (again, reread) = Self::parse(&written).expect("this side has written it");
        assert_eq!(again.hash(), identity.hash());
        Some([reread.text(key), written])
    }

    fn forget_dead(&mut self, now: SystemTime) {
        let dead = self.entries.iter().filter(|(_, entry)| entry.standing(now).is_err());
        let mut dead: Vec<_> = dead.map(|(id, entry)| (entry.number, *id)).collect();
        dead.sort_unstable();
        let excess = dead.len().saturating_sub(MAX_DEAD);
        for (_, id) in dead.drain(..excess) {
            self.entries.remove(&id);
        }
    }
}

/// What can go wrong with a first ticket is the system's.
fn flatten(error: TicketError) -> io::Error {
    match error {
        TicketError::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTER: Exporter = [3; 32];

    pub(super) fn try_in(book: &Book, secret: &Secret) -> Result<(), Refusal> {
        book.check(&WorkerProof::new(secret, &EXPORTER), &EXPORTER, SystemTime::now()).map(drop)
    }

    #[test]
    fn who_has_a_secret_is_let_in_until_it_expires_or_is_revoked() {
        let now = SystemTime::now();
        let (_, mut book) = Book::in_memory().unwrap();
        let main = book.main(now).unwrap();
        let short = book.issue(Some(Duration::from_secs(60)), now).unwrap();
        assert_eq!(try_in(&book, &main), Ok(()));
        assert_eq!(try_in(&book, &short), Ok(()));
        assert_eq!(try_in(&book, &Secret::new([0; 16])), Err(Refusal::Unknown));
        let later = now + Duration::from_secs(60);
        let proof = WorkerProof::new(&short, &EXPORTER);
        assert_eq!(book.check(&proof, &EXPORTER, later), Err(Refusal::Expired));
        assert_eq!(
            book.check(&proof, &[4; 32], later),
            Err(Refusal::Unknown),
            "who has no secret learns nothing"
        );
        assert!(book.revoke(main.id()).unwrap());
        assert!(!book.revoke(Secret::new([0; 16]).id()).unwrap());
        assert_eq!(try_in(&book, &main), Err(Refusal::Revoked));
        assert_ne!(book.main(now).unwrap(), main, "a revoked ticket is followed by a new one");
    }

    #[test]
    fn a_server_has_a_bounded_number_of_tickets() {
        let now = SystemTime::now();
        let (_, mut book) = Book::in_memory().unwrap();
        for _ in 0..3 * MAX_DEAD {
            book.issue(Some(Duration::ZERO), now).unwrap();
        }
        assert!(book.entries.len() <= MAX_DEAD + 2, "{}", book.entries.len());
        for _ in 1..MAX_TICKETS {
            book.issue(None, now).unwrap();
        }
        assert!(matches!(book.issue(None, now), Err(TicketError::TooMany)));
    }
}
