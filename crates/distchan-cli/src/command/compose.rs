//! What is executed for a job, and what is shown of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;

use crate::command::context::{Around, Reader};
use crate::command::quote::quote;
use crate::command::shell;
use crate::command::template::{Part, parse};
use crate::wire::Command;

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// A program and its arguments.
    Direct(Vec<OsString>),
    /// A shell's text, and the parameters that it refers to.
    Shell { script: OsString, parameters: Vec<OsString> },
}

/// A command, taken apart once, and put together for each job.
#[derive(Debug)]
pub(crate) struct Composer {
    kind: Kind,
    /// All of it, for what is shown.
    text: Vec<Part>,
    /// Whether the words are shown in quotes.
    is_quoted: bool,
}

#[derive(Debug)]
enum Kind {
    /// The inputs are the command.
    Inputs,
    /// Words that a program gets as they are.
    Direct(Vec<Vec<Part>>),
    /// A text for the shell: `Composer::text`.
    Shell,
}

impl Composer {
    /// `is_program` says whether there is a program of this name.
    pub(crate) fn new(command: &Command, is_program: impl Fn(&[u8]) -> bool) -> Self {
        if command.words.is_empty() {
            let text = vec![Part::All(crate::command::path::Operation::Whole)];
            return Self { kind: Kind::Inputs, text, is_quoted: false };
        }
        let mut words: Vec<Vec<Part>> = command.words.iter().map(|word| parse(word, command)).collect();
        let is_plain = |parts: &Vec<Part>| parts.iter().all(|part| matches!(part, Part::Text(_)));
        let appends = command.appends && words.iter().all(is_plain);
        let all = || Part::All(crate::command::path::Operation::Whole);
        if command.is_quoted {
            if appends {
                words.push(vec![all()]);
            }
            let text = words.join(&Part::Text(b" ".to_vec()));
            return Self { kind: Kind::Direct(words), text, is_quoted: true };
        }
        let mut text = parse(&command.words.join(b" ".as_slice()), command);
        if appends {
            text.extend([Part::Text(b" ".to_vec()), all()]);
        }
        let kind = match plain_words(&text) {
            Some(words) if runs_program(&words, is_program) => Kind::Direct(words),
            Some(_) | None => Kind::Shell,
        };
        Self { kind, text, is_quoted: false }
    }

    /// The program, where it is always the same one and no shell is needed.
    pub(crate) fn program(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Direct(words) => match words.first().map(Vec::as_slice) {
                Some([Part::Text(program)]) => Some(program),
                Some(_) | None => None,
            },
            Kind::Inputs | Kind::Shell => None,
        }
    }

    /// What is executed for a job.
    pub(crate) fn invocation(&self, seq: u64, args: &[Bytes], slot: u32) -> Invocation {
        match &self.kind {
            Kind::Inputs => {
                Invocation::Shell { script: shell_text(args.join(b" ".as_slice())), parameters: Vec::new() }
            }
            Kind::Direct(words) => {
                let words = words.iter().flat_map(|word| direct(word, seq, args, slot));
                Invocation::Direct(words.map(OsString::from_vec).collect())
            }
            Kind::Shell => script(&self.text, seq, args, slot),
        }
    }

    /// The command as a person would type it: shown, logged, and what `--resume` knows a job by. Without a slot `{%}` stays: which slot a job gets is
    /// no property of the job.
    pub(crate) fn text(&self, seq: u64, args: &[Bytes], slot: Option<u32>) -> Vec<u8> {
        if matches!(self.kind, Kind::Inputs) {
            return args.join(b" ".as_slice());
        }
        let mut reader = Reader::new();
        let mut out = Vec::new();
        for part in &self.text {
            match part {
                Part::Text(text) if self.is_quoted && text != b" " => quote(text, &mut out),
                Part::Text(text) => {
                    reader.read(text);
                    out.extend_from_slice(text);
                }
                part => {
                    if reader.take_escape() {
                        unescape(reader.around(), &mut out);
                    }
                    show(part, reader.around(), (seq, args, slot), &mut out);
                }
            }
        }
        out
    }
}

/// A tag, or any text with replacement strings: nothing is quoted.
pub(crate) fn fill(template: &Bytes, command: &Command, seq: u64, args: &[Bytes], slot: u32) -> Vec<u8> {
    direct(&parse(template, command), seq, args, slot).join(b" ".as_slice())
}

/// The words of a text that has no shell syntax; a blank ends one, and what stands for several inputs makes several.
fn plain_words(text: &[Part]) -> Option<Vec<Vec<Part>>> {
    let mut words = vec![Vec::new()];
    for part in text {
        let Part::Text(text) = part else {
            words.last_mut()?.push(part.clone());
            continue;
        };
        if shell::has_syntax(text) {
            return None;
        }
        for (at, piece) in text.split(|byte| matches!(byte, b' ' | b'\t')).enumerate() {
            if at > 0 {
                words.push(Vec::new());
            }
            if !piece.is_empty() {
                words.last_mut()?.push(Part::Text(piece.to_vec()));
            }
        }
    }
    words.retain(|word| !word.is_empty());
    Some(words)
}

/// Whether the first word is a program, and nothing that a shell does itself.
fn runs_program(words: &[Vec<Part>], is_program: impl Fn(&[u8]) -> bool) -> bool {
    match words.first().map(Vec::as_slice) {
        Some([Part::Text(name)]) => !shell::is_shells_own(name) && is_program(name),
        Some(_) | None => false,
    }
}

/// A word as it is given to a program: where a part stands for several inputs, several words.
fn direct(word: &[Part], seq: u64, args: &[Bytes], slot: u32) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut is_there = false;
    for part in word {
        let Some((inputs, operation)) = part.inputs(args) else {
            match part {
                Part::Text(text) => push(&mut words, text),
                Part::Seq => push(&mut words, seq.to_string().as_bytes()),
                _ => push(&mut words, slot.to_string().as_bytes()),
            }
            is_there = true;
            continue;
        };
        for (at, input) in inputs.iter().enumerate() {
            if at > 0 {
                words.push(Vec::new());
            }
            push(&mut words, operation.apply(input));
            is_there = true;
        }
    }
    // As in a shell's text, where nothing stands for an input that is not there.
    if is_there { words } else { Vec::new() }
}

/// Appends to the last word.
fn push(words: &mut [Vec<u8>], text: &[u8]) {
    if let Some(word) = words.last_mut() {
        word.extend_from_slice(text);
    }
}

/// A shell's text that takes its parameters into variables first, so that `set` and functions in the text do not change what is meant.
fn script(text: &[Part], seq: u64, args: &[Bytes], slot: u32) -> Invocation {
    let mut reader = Reader::new();
    let mut parameters: Vec<OsString> = Vec::new();
    let mut body = Vec::new();
    for part in text {
        let around = reader.around();
        if !matches!(part, Part::Text(_)) && reader.take_escape() {
            unescape(around, &mut body);
        }
        let Some((inputs, operation)) = part.inputs(args) else {
            match part {
                Part::Text(text) => {
                    reader.read(text);
                    body.extend_from_slice(text);
                }
                Part::Seq => body.extend_from_slice(seq.to_string().as_bytes()),
                _ => body.extend_from_slice(slot.to_string().as_bytes()),
            }
            continue;
        };
        for (at, input) in inputs.iter().enumerate() {
            if at > 0 {
                body.push(b' ');
            }
            let input = operation.apply(input);
            if around == Around::Arithmetic && !is_number(input) {
                return refuse("\\$((...)) takes numbers only, and this is none", input);
            }
            if around == Around::RawHereDocument {
                return refuse("no input can stand in a here-document whose end is quoted", input);
            }
            parameters.push(OsString::from_vec(input.to_vec()));
            let reference = format!("${{_dc{}}}", parameters.len());
            let reference = match around {
                Around::Nothing => format!("\"{reference}\""),
                Around::DoubleQuotes
                | Around::Arithmetic
                | Around::HereDocument
                | Around::RawHereDocument => reference,
                Around::SingleQuotes => format!("'\"{reference}\"'"),
            };
            body.extend_from_slice(reference.as_bytes());
        }
    }
    let mut script = Vec::with_capacity(body.len() + parameters.len() * 16);
    for number in 1..=parameters.len() {
        script.extend_from_slice(format!("_dc{number}=${{{number}}};").as_bytes());
    }
    if !parameters.is_empty() {
        script.extend_from_slice(format!("shift {};", parameters.len()).as_bytes());
    }
    script.extend_from_slice(&body);
    Invocation::Shell { script: shell_text(script), parameters }
}

/// A backslash before an input escapes nothing: without quotes it would have had no effect on the input's first character, and within them it is a backslash.
fn unescape(around: Around, text: &mut Vec<u8>) {
    match around {
        Around::Nothing | Around::Arithmetic => drop(text.pop()),
        Around::DoubleQuotes | Around::HereDocument => text.push(b'\\'),
        Around::SingleQuotes | Around::RawHereDocument => {}
    }
}

/// Whether this can stand in arithmetic: `7`, `-7`, `0x1f`, `16#1f`, `1.5e3`. Anything else could name a variable, or hold a command.
fn is_number(input: &[u8]) -> bool {
    let digits = input.strip_prefix(b"-").or_else(|| input.strip_prefix(b"+")).unwrap_or(input);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || b"#._".contains(byte))
}

/// What a job does whose input cannot stand where it does: it says so, and fails.
fn refuse(why: &str, input: &[u8]) -> Invocation {
    let script = format!(r#"printf '%s\n' "distchan: {why}: $1" >&2; exit 1"#);
    Invocation::Shell { script: OsString::from(script), parameters: vec![OsString::from_vec(input.to_vec())] }
}

/// A text that no shell takes for an option.
fn shell_text(mut text: Vec<u8>) -> OsString {
    if matches!(text.first(), Some(b'-' | b'+')) {
        text.insert(0, b' ');
    }
    OsString::from_vec(text)
}

/// What is shown of a part: the input in quotes of its own, whatever is around.
fn show(part: &Part, around: Around, (seq, args, slot): (u64, &[Bytes], Option<u32>), out: &mut Vec<u8>) {
    let Some((inputs, operation)) = part.inputs(args) else {
        match (part, slot) {
            (Part::Seq, _) => out.extend_from_slice(seq.to_string().as_bytes()),
            (_, Some(slot)) => out.extend_from_slice(slot.to_string().as_bytes()),
            (_, None) => out.extend_from_slice(b"{%}"),
        }
        return;
    };
    let fence: &[u8] = match around {
        Around::HereDocument | Around::RawHereDocument => {
            let words: Vec<&[u8]> = inputs.iter().map(|input| operation.apply(input)).collect();
            for byte in words.join(b" ".as_slice()) {
                out.extend(b"$`\\".contains(&byte).then_some(b'\\'));
                out.push(byte);
            }
            return;
        }
        Around::Nothing | Around::Arithmetic => b"",
        Around::SingleQuotes => b"'",
        Around::DoubleQuotes => b"\"",
    };
    out.extend_from_slice(fence);
    for (at, input) in inputs.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        quote(operation.apply(input), out);
    }
    out.extend_from_slice(fence);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Command {
        Command {
            words: words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect(),
            is_quoted: false,
            braces: Bytes::from_static(b"{}"),
            names: vec![Bytes::from_static(b"name")],
            appends: true,
        }
    }

    fn args(args: &[&str]) -> Vec<Bytes> {
        args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect()
    }

    fn composer(words: &[&str]) -> Composer {
        Composer::new(&command(words), |_| true)
    }

    #[test]
    fn a_command_without_shell_syntax_is_executed_as_it_is() {
        let check = |words: &[&str], inputs: &[&str], expected: &[&str]| {
            let expected = Invocation::Direct(expected.iter().map(OsString::from).collect());
            assert_eq!(composer(words).invocation(7, &args(inputs), 2), expected, "{words:?}");
        };
        check(&["echo"], &["a b"], &["echo", "a b"]);
        check(&["echo", "{}", "x{}y"], &["; rm"], &["echo", "; rm", "x; rmy"]);
        check(&["echo", "pre{}post"], &["a", "b"], &["echo", "prea", "bpost"]);
        check(
            &["echo", "{2}-{1}", "{-1/}", "{name.}", "{#}", "{%}"],
            &["a.x", "b/c"],
            &["echo", "b/c-a.x", "c", "a", "7", "2"],
        );
        check(&["echo", "{3}", "end"], &["a"], &["echo", "end"]);
        check(&["echo  a   b"], &["c"], &["echo", "a", "b", "c"]);
    }

    #[test]
    fn inputs_never_become_a_part_of_a_shells_text() {
        let evil = "'; touch evil; $(touch evil) `touch evil` \" \n #";
        for text in [
            "echo {} | cat",
            "echo '{}'",
            "echo \"{}\"",
            "echo \"$(echo {})\"",
            "echo `echo {}`",
            "cat <<E\n{}\nE",
            "# {}\ntrue",
            "cd {}",
        ] {
            let Invocation::Shell { script, parameters } = composer(&[text]).invocation(1, &args(&[evil]), 1)
            else {
                panic!("{text} needs a shell");
            };
            assert!(!script.to_string_lossy().contains("evil"), "{script:?}");
            assert_eq!(parameters, [OsString::from(evil)]);
        }
    }

    #[test]
    fn what_is_shown_can_be_pasted_into_a_shell() {
        let check = |words: &[&str], inputs: &[&str], expected: &str| {
            let text = composer(words).text(1, &args(inputs), Some(1));
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        };
        check(&["echo"], &["a b"], "echo 'a b'");
        check(&["echo", "{}", "|", "tr", "a", "b"], &["x'y"], "echo 'x'\"'\"'y' | tr a b");
        check(&["echo '{}' \"{}\""], &["a b"], "echo '''a b''' \"\"'a b'\"\"");
        check(&[], &["echo", "hi"], "echo hi");
    }
}
