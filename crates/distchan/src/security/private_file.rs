//! Files that only their owner can read, from the moment in which they are there. What stands in them is not known here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The most that is read of one: thousands of tickets.
const LARGEST: u64 = 1024 * 1024;

/// Puts `text` at `path`, in the place of what was there. The file is made with mode 0600 and then moved to its place: nobody else can
/// read it at any time, and a crash leaves the old one or the new one.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let (beside, mut file) = create_beside(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let moved = written.and_then(|()| fs::rename(&beside, path));
    if moved.is_err() {
        // What could not be moved must not stay.
        let _ = fs::remove_file(&beside);
    }
    moved.map_err(|error| at("write", path, &error))
}

/// Reads all of it. A file that others can read is read all the same, with a warning: what stands in it is a secret no longer.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path).map_err(|error| at("read", path, &error))?;
    warn_if_open(path, &file);
    read_from(file).map_err(|error| at("read", path, &error))
}

/// Reads a text that is no longer than a file of these may be.
pub(super) fn read_from(reader: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    reader.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| {
        let text = format!("{} names no file", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut attempt = 0u8;
    loop {
        let mut beside = name.to_owned();
        beside.push(format!(".{:x}.{attempt:x}", std::process::id()));
        let beside = path.with_file_name(beside);
        match options.open(&beside) {
            Ok(file) => return Ok((beside, file)),
            // Left by a process that was killed here, or another thread's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < u8::MAX => attempt += 1,
            Err(error) => return Err(at("make", &beside, &error)),
        }
    }
}

#[cfg(unix)]
fn warn_if_open(path: &Path, file: &File) {
    use std::os::unix::fs::MetadataExt;
    if file.metadata().is_ok_and(|found| found.mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others than its owner can read this file, or write to it: chmod 600");
    }
}

#[cfg(not(unix))]
fn warn_if_open(_path: &Path, _file: &File) {}

fn at(verb: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {verb} {}: {error}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_file_is_its_owners_also_where_another_was_everybodys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for text in ["new", "newer"] {
            write(&path, text).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert_eq!(*read(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        let error = write(&directory.path().join("not there/kept"), "x").unwrap_err();
        assert!(error.to_string().contains("not there"), "{error}");
    }
}
