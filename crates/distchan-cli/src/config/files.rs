//! The files: where they are, and what they say.

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use toml::{Table, Value};

use crate::args::Cli;
use crate::config::{Setting, settings};
use crate::exit::Failure;

/// What all the files say. The nearest comes first.
#[derive(Debug)]
pub(super) struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// By command, or none for all that have the setting, and name.
    values: BTreeMap<(Option<String>, String), String>,
}

/// What a file says of a setting.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) text: &'a String,
    pub(super) path: &'a Path,
}

impl Files {
    /// Reads those that are there.
    pub(super) fn read() -> Result<Self, Failure> {
        let mut texts = Vec::new();
        for path in places() {
            match std::fs::read_to_string(&path) {
                Ok(text) => texts.push((path, text)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => {
                    return Err(Failure::internal(format!("cannot read {}: {error}", path.display())));
                }
            }
        }
        Self::from_texts(texts, &settings(&Cli::command()))
    }

    /// What these say.
    pub(super) fn from_texts(
        texts: impl IntoIterator<Item = (PathBuf, String)>,
        known: &[Setting],
    ) -> Result<Self, Failure> {
        let files = texts.into_iter().map(|(path, text)| File::new(path, &text, known));
        files.collect::<Result<_, _>>().map(Self)
    }

    /// What the nearest says that says anything.
    pub(super) fn find(&self, setting: &Setting) -> Option<Found<'_>> {
        let Setting { command, name, .. } = setting;
        self.0.iter().find_map(|File { path, values }| {
            let own = values.get(&(Some(command.clone()), name.clone()));
            let text = own.or_else(|| values.get(&(None, name.clone())))?;
            Some(Found { text, path })
        })
    }
}

impl File {
    fn new(path: PathBuf, text: &str, known: &[Setting]) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let mut values = BTreeMap::new();
        for (key, value) in table {
            match value {
                Value::Table(section) if known.iter().any(|setting| setting.command == key) => {
                    for (name, value) in section {
                        let is_known = |setting: &Setting| setting.command == key && setting.name == name;
                        if !known.iter().any(is_known) {
                            return Err(wrong(format!("nobody knows {name:?} in [{key}]{}", advice(known))));
                        }
                        let value =
                            in_words(&value).ok_or_else(|| wrong(format!("{name} is no text or number")))?;
                        values.insert((Some(key.clone()), name), value);
                    }
                }
                value if known.iter().any(|setting| setting.name == key) => {
                    let value =
                        in_words(&value).ok_or_else(|| wrong(format!("{key} is no text or number")))?;
                    values.insert((None, key), value);
                }
                _ => return Err(wrong(format!("nobody knows {key:?}{}", advice(known)))),
            }
        }
        Ok(Self { path, values })
    }
}

fn advice(known: &[Setting]) -> String {
    let mut names: Vec<_> = known.iter().map(|setting| setting.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    format!("; what can be set is {}", names.join(", "))
}

fn in_words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Where files may be, the nearest first.
fn places() -> Vec<PathBuf> {
    let user = match (env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME")) {
        (Some(dir), _) if !dir.is_empty() => Some(PathBuf::from(dir)),
        (_, Some(home)) if !home.is_empty() => Some(PathBuf::from(home).join(".config")),
        _ => None,
    };
    let mut places = vec![PathBuf::from("distchan.toml")];
    places.extend(user.map(|dir| dir.join("distchan").join("config.toml")));
    places.push(PathBuf::from("/etc/distchan.toml"));
    places
}
