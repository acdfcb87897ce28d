//! A command's text, taken apart at its replacement strings.

use bytes::Bytes;

use crate::command::path::Operation;
use crate::wire::Command;

/// A piece of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    /// All inputs of the job, one after the other.
    All(Operation),
    /// The input at this place, from 1; from -1 counted from the end.
    One(isize, Operation),
    /// The job's number.
    Seq,
    /// The slot that runs it.
    Slot,
}

/// Takes a text apart.
pub(super) fn parse(text: &[u8], command: &Command) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let Some((part, length)) = starts_with_part(rest, command) else {
            plain.push(*first);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(part);
        rest = rest.get(length..).unwrap_or_default();
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// The replacement string that a text begins with, and its length.
fn starts_with_part(text: &[u8], command: &Command) -> Option<(Part, usize)> {
    if !command.braces.is_empty() && text.starts_with(&command.braces) {
        return Some((Part::All(Operation::Whole), command.braces.len()));
    }
    let inner = text.strip_prefix(b"{")?;
    let length = inner.iter().position(|byte| matches!(byte, b'}' | b'{' | b'\n'))?;
    let inner = inner.get(..length)?;
    let is_closed = text.get(length + 1) == Some(&b'}');
    let part = meaning(inner, command).filter(|_| is_closed)?;
    // Another string stands for `{}`, which then means nothing.
    let is_replaced = inner.is_empty() && &*command.braces != b"{}";
    (!is_replaced).then_some((part, length + 2))
}

fn meaning(inner: &[u8], command: &Command) -> Option<Part> {
    match inner {
        b"#" => return Some(Part::Seq),
        b"%" => return Some(Part::Slot),
        _ => {}
    }
    if let Some(operation) = Operation::read(inner) {
        return Some(Part::All(operation));
    }
    let digits =
        inner.strip_prefix(b"-").unwrap_or(inner).iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 {
        let (place, operation) = inner.split_at(digits + usize::from(inner.starts_with(b"-")));
        let place: isize = std::str::from_utf8(place).ok()?.parse().ok()?;
        let operation = Operation::read(operation)?;
        return Some(if place == 0 { Part::All(operation) } else { Part::One(place, operation) });
    }
    let name = |(at, name): (usize, &Bytes)| {
        let operation = Operation::read(inner.strip_prefix(&**name)?)?;
        Some(Part::One(isize::try_from(at).ok()? + 1, operation))
    };
    command.names.iter().enumerate().find_map(name)
}

impl Part {
    /// The inputs that this stands for; `None` for what stands for no input.
    pub(super) fn inputs<'a>(&self, args: &'a [Bytes]) -> Option<(&'a [Bytes], Operation)> {
        match *self {
            Self::Text(_) | Self::Seq | Self::Slot => None,
            Self::All(operation) => Some((args, operation)),
            Self::One(place, operation) => {
                let at = match usize::try_from(place) {
                    Ok(place) => place.checked_sub(1),
                    Err(_) => args.len().checked_sub(place.unsigned_abs()),
                };
                let found = at.and_then(|at| args.get(at..=at));
                Some((found.unwrap_or_default(), operation))
            }
        }
    }
}
