//! The file in which a server's tickets are kept with its key, where its user wants that: a line each. Which tickets count is the book's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use distchan_proto::proof::Secret;
use zeroize::Zeroizing;

use crate::security::book::{Book, Entry, flatten};
use crate::security::identity::Identity;
use crate::security::{base64, private_file};

const HEAD: &str = "distchan identity 1";

impl Book {
    /// The book in a file, which is made where there is none.
    pub(in crate::security) fn kept_in(path: PathBuf) -> io::Result<(Identity, Self)> {
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

    /// Writes the file, if there is to be one.
    pub(super) fn keep(&self) -> io::Result<()> {
        let Some((path, key)) = &self.file else { return Ok(()) };
        private_file::write(path, &self.text(key))
    }

    /// What stands in the file, beside this key.
    pub(super) fn text(&self, key: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("{HEAD}\nkey {key}\n"));
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
        text
    }

    pub(super) fn parse(text: &str) -> Option<(Identity, Self)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::book::tests::try_in;
    use distchan_proto::proof::Refusal;

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
}
