//! The tickets that a server has given, which of them still count, and the file in which they are kept with the server's key, where its user
//! wants that. It must never hand out a secret but in a ticket.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use distchan_proto::proof::{Exporter, Refusal, Secret, TicketId, WorkerProof};
use zeroize::Zeroizing;

use crate::security::identity::Identity;
use crate::security::ticket::TicketError;
use crate::security::{base64, private_file};

/// Tickets that are neither revoked nor expired.
const MAX_TICKETS: usize = 4096;

/// Others, that are remembered so that their workers are told why they are refused.
const MAX_DEAD: usize = 1024;

const HEAD: &str = "distchan identity 1";

/// The tickets of one server.
pub(super) struct Book {
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
    pub(super) fn in_memory() -> io::Result<(Identity, Self)> {
        let mut book = Self { entries: BTreeMap::new(), next: 0, file: None };
        book.main(SystemTime::now()).map_err(flatten)?;
        Ok((Identity::generate()?, book))
    }

    /// The book in a file, which is made where there is none.
    pub(super) fn kept_in(path: PathBuf) -> io::Result<(Identity, Self)> {
        let (identity, mut book) = match private_file::read(&path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| {
                let text = format!("{} is not the file of a server's identity", path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (Identity::generate()?, Self { entries: BTreeMap::new(), next: 0, file: None })
            }
            Err(error) => return Err(error),
        };
        book.file = Some((path, Zeroizing::new(base64::encode(identity.key()))));
        book.main(SystemTime::now()).map_err(flatten)?;
        Ok((identity, book))
    }

    /// The secret of the oldest ticket that still counts, and does not expire; a new one where there is none.
    pub(super) fn main(&mut self, now: SystemTime) -> Result<Secret, TicketError> {
        let lasting = self.entries.values().filter(|entry| entry.expires.is_none() && !entry.is_revoked);
        match lasting.min_by_key(|entry| entry.number) {
            Some(entry) => Ok(entry.secret.clone()),
            None => self.issue(None, now),
        }
    }

    /// A new ticket's secret.
    pub(super) fn issue(
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
    pub(super) fn revoke(&mut self, ticket: TicketId) -> io::Result<bool> {
        let Some(entry) = self.entries.get_mut(&ticket) else { return Ok(false) };
        entry.is_revoked = true;
        self.keep()?;
        Ok(true)
    }

    /// The secret behind a worker's proof, where it is let in. Who does not have the secret learns nothing of the ticket.
    pub(super) fn check(
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
    pub(super) fn is_revoked(&self, ticket: TicketId) -> bool {
        self.entries.get(&ticket).is_none_or(|entry| entry.is_revoked)
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

    fn keep(&self) -> io::Result<()> {
        let Some((path, key)) = &self.file else { return Ok(()) };
        let mut text = Zeroizing::new(format!("{HEAD}\nkey {}\n", **key));
        let mut entries: Vec<_> = self.entries.values().collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        for entry in entries {
            let state = if entry.is_revoked { "revoked" } else { "valid" };
            let secret = Zeroizing::new(base64::encode(entry.secret.expose()));
            let expires = entry.expires.map_or_else(
                || "never".to_owned(),
                |time| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string(),
            );
            // Writing to a String cannot fail.
            let _ = writeln!(text, "ticket {} {state} {expires}", *secret);
        }
        private_file::write(path, &text)
    }

    fn parse(text: &str) -> Option<(Identity, Self)> {
        let mut lines = text.lines();
        if lines.next()? != HEAD {
            return None;
        }
        let key = Zeroizing::new(base64::decode(lines.next()?.strip_prefix("key ")?)?);
        let identity = Identity::with_key(&key).ok()?;
        let mut book = Self { entries: BTreeMap::new(), next: 0, file: None };
        for line in lines {
            let mut words = line.strip_prefix("ticket ")?.split(' ');
            let secret = Zeroizing::new(base64::decode(words.next()?)?);
            let secret = Secret::new(secret.as_slice().try_into().ok()?);
            let is_revoked = match words.next()? {
                "valid" => false,
                "revoked" => true,
                _ => return None,
            };
            let expires = match words.next()? {
                "never" => None,
                millis => Some(UNIX_EPOCH.checked_add(Duration::from_millis(millis.parse().ok()?))?),
            };
            book.entries.insert(secret.id(), Entry { number: book.next, secret, expires, is_revoked });
            book.next += 1;
        }
        Some((identity, book))
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

    fn try_in(book: &Book, secret: &Secret) -> Result<(), Refusal> {
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
    fn a_kept_book_is_the_same_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        let now = SystemTime::now();
        let (identity, mut book) = Book::kept_in(path.clone()).unwrap();
        let main = book.main(now).unwrap();
        let (short, revoked) =
            (book.issue(Some(Duration::from_secs(60)), now).unwrap(), book.issue(None, now).unwrap());
        book.revoke(revoked.id()).unwrap();
        let (again, mut reread) = Book::kept_in(path.clone()).unwrap();
        assert_eq!(again.hash(), identity.hash());
        assert_eq!(reread.main(now).unwrap(), main);
        assert_eq!(try_in(&reread, &short), Ok(()));
        assert_eq!(try_in(&reread, &revoked), Err(Refusal::Revoked));
        std::fs::write(&path, "something else").unwrap();
        let error = Book::kept_in(path.clone()).map(drop).unwrap_err();
        assert!(error.to_string().contains("identity"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else", "it is left alone");
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
