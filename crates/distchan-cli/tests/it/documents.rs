//! What the documents say is so.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{distchan, finish};

const README: &str = include_str!("../../../../README.md");
const COMMAND: &str = include_str!("../../../../docs/command.md");

/// The lines of the first block of shell commands behind a heading.
fn commands(text: &'static str, heading: &str) -> Vec<&'static str> {
    let (_, section) = text.split_once(heading).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn the_readmes_one_liners_do_what_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bin = Path::new(env!("CARGO_BIN_EXE_distchan")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let lines = commands(README, "## The command");
    assert!(lines.len() >= 5, "{lines:?}");
    // Whichever shell the user has.
    for (line, shell) in lines.into_iter().flat_map(|line| [(line, "/bin/sh"), (line, "/bin/bash")]) {
        // `command # => what it prints`, where that is short.
        let (line, expected) =
            line.split_once("# => ").map_or((line, None), |(line, expected)| (line, Some(expected)));
        let mut command = Command::new("bash");
        command
            .args(["-o", "pipefail", "-c", line])
            .current_dir(&root)
            .env("PATH", &path)
            .env("SHELL", shell);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = finish(command, b"");
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{line}");
        match expected {
            Some(expected) => {
                assert_eq!(ended.out().trim_end().replace('\n', " "), expected.trim(), "{line}")
            }
            None => assert!(!ended.stdout.is_empty(), "{line}"),
        }
    }
}

#[test]
fn every_option_is_documented() {
    for command in ["run", "serve", "work", "top", "status", "explain"] {
        let ended = finish(distchan(&[command, "--help"]), b"").well();
        let words = ended.out().split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
            assert!(
                COMMAND.contains(&format!("`{option}")) || option == "--help",
                "docs/command.md: {command} {option}"
            );
        }
    }
}

#[test]
fn every_row_of_bad_input_has_a_test() {
    let (_, section) = COMMAND.split_once("## Bad input").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let tests: Vec<&str> = section
        .lines()
        .filter_map(|line| line.rsplit('|').nth(1)?.trim().strip_prefix('`')?.strip_suffix('`'))
        .collect();
    assert!(tests.len() >= 8, "{tests:?}");
    for test in tests {
        assert!(include_str!("bad_input.rs").contains(&format!("fn {test}()")), "{test}");
    }
}
