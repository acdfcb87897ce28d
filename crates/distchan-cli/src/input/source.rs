//! Where a list comes from, and how the words after a command are told from the command.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// One list of inputs.
#[derive(Debug)]
pub(crate) struct Source {
    pub(super) from: From,
    /// It goes side by side with the list before, instead of being combined with it.
    pub(super) is_linked: bool,
}

/// Where a list comes from.
#[derive(Debug)]
pub(super) enum From {
    Words(Vec<Bytes>),
    File(PathBuf),
    Stdin,
}

impl Source {
    /// The lines of a file; `-` is standard input.
    pub(crate) fn file(path: PathBuf) -> Self {
        let from = if path == Path::new("-") { From::Stdin } else { From::File(path) };
        Self { from, is_linked: false }
    }

    pub(crate) const fn stdin() -> Self {
        Self { from: From::Stdin, is_linked: false }
    }
}

/// Opens a file or standard input; the error names the file.
pub(super) fn open(from: &From) -> io::Result<Box<dyn Read + Send>> {
    match from {
        From::Words(_) => Ok(Box::new(io::empty())),
        From::Stdin => Ok(Box::new(io::stdin())),
        From::File(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(named(from, &error)),
        },
    }
}

/// The same error, with the file's name before it.
pub(super) fn named(from: &From, error: &io::Error) -> io::Error {
    let name = match from {
        From::Words(_) => "the arguments".to_owned(),
        From::Stdin => "standard input".to_owned(),
        From::File(path) => format!("{path:?}"),
    };
    io::Error::new(error.kind(), format!("cannot read {name}: {error}"))
}

/// The command, and the lists behind `:::` and its kin.
pub(crate) fn split_words(rest: Vec<OsString>) -> Result<(Vec<OsString>, Vec<Source>), String> {
    let mut command = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    // Which kind of list the words go to; the command, before the first.
    let mut list: Option<(bool, bool)> = None;
    for word in rest {
        let separator = match word.to_str() {
            Some(":::") => Some((false, false)),
            Some(":::+") => Some((false, true)),
            Some("::::") => Some((true, false)),
            Some("::::+") => Some((true, true)),
            Some(_) | None => None,
        };
        if let Some((are_files, is_linked)) = separator {
            if is_linked && sources.is_empty() {
                return Err(format!("{} links with a list before, and there is none", word.display()));
            }
            list = Some((are_files, is_linked));
            if !are_files {
                sources.push(Source { from: From::Words(Vec::new()), is_linked });
            }
            continue;
        }
        match list {
            None => command.push(word),
            Some((true, is_linked)) => {
                sources.push(Source { is_linked, ..Source::file(PathBuf::from(word)) });
            }
            Some((false, _)) => {
                if let Some(Source { from: From::Words(words), .. }) = sources.last_mut() {
                    words.push(Bytes::from(word.into_vec()));
                }
            }
        }
    }
    Ok((command, sources))
}
