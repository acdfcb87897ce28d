//! Holds `SECURITY.md` and the tests together: every limit in its table is one, and every test that it names is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Whether a file has this test, and lies where the name says, or has the module inside.
fn has(path: &Path, text: &str, name: &str) -> bool {
    let (modules, test) = name.rsplit_once("::").unwrap();
    let place = path.with_extension("");
    let is_in_place = |module: &str| {
        place.components().any(|part| part.as_os_str() == module) || text.contains(&format!(" {module}"))
    };
    let is_test = text.split("#[test]").skip(1).any(|behind| {
        let head = behind.trim_start().lines().find(|line| line.contains("fn "));
        head.is_some_and(|head| head.contains(&format!("fn {test}(")))
    });
    is_test && modules.split("::").all(is_in_place)
}

/// The rows of the table of limits: what is limited, and what is said of who reaches it.
fn rows(document: &str) -> Vec<(String, String)> {
    let (_, table) = document.split_once("| limit | what it bounds | reached by |\n|---|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [limit, _, reached] = cells[..] else { panic!("{line}") };
        (limit.to_owned(), reached.to_owned())
    })
    .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_limit_has_a_test_that_reaches_it() {
    let rows = rows(&fs::read_to_string(root().join("SECURITY.md")).unwrap());
    assert!(rows.len() > 25);
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let limits = fs::read_to_string(root().join("crates/distchan-proto/src/limits.rs")).unwrap();
    for (limit, reached) in rows {
        for constant in quoted(&limit) {
            assert!(limits.contains(&format!("pub const {constant}:")), "there is no limit {constant}");
        }
        let tests: Vec<&str> = quoted(&reached).filter(|name| name.contains("::")).collect();
        assert!(!tests.is_empty(), "nothing reaches {limit}");
        for test in tests {
            assert!(files.iter().any(|(path, text)| has(path, text, test)), "there is no test {test}");
        }
    }
}
