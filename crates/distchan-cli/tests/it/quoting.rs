//! Whatever an input holds, it is never a command.

use crate::program::{distchan, finish, run_in, run_on};

/// What somebody would put into a file's name.
const EVIL: [&str; 8] = [
    "; touch hit",
    "$(touch hit)",
    "`touch hit`",
    "'; touch hit; '",
    "\"; touch hit; \"",
    "x' \"$(touch hit)\" `touch hit` #",
    "a\nb; touch hit\n",
    "\\'; touch hit",
];

#[test]
fn an_input_is_never_a_command() {
    let directory = tempfile::tempdir().unwrap();
    for template in [
        "printf %s {}",
        "printf %s {} | cat",
        "printf %s '{}'",
        "printf %s \"{}\"",
        "printf %s \"$(printf %s {}; printf x)\" | head -c -1",
        "printf %s `printf %s {}x`",
        "f() { printf %s {}; }; f other",
        "set -- other; printf %s {}",
        "case {} in *) printf %s {};; esac",
        "printf '' # {}",
        "x={}; printf %s \"$x\"",
    ] {
        let mut args = vec!["-k", "-0", template, ":::"];
        args.extend(EVIL);
        let ended = run_in(directory.path(), &args);
        assert!(!directory.path().join("hit").exists(), "{template}: {ended:?}");
        if !template.contains('`') && !template.contains('#') {
            assert_eq!(ended.out(), EVIL.concat(), "{template}");
        }
    }
}

#[test]
fn arithmetic_takes_numbers_only() {
    // `_dc2` is what a script of ours calls the second input.
    let evil = ["a[$(touch hit)]", "_dc2", "x", "", "1 + 1", "$(touch hit)", "1;touch hit"];
    for shell in ["sh", "bash", "dash"] {
        for template in ["echo $(({1} * {1})) {2}", "echo \"$((1 + ({1})))\" {2}", "echo $(( \"{1}\" )) {2}"]
        {
            let directory = tempfile::tempdir().unwrap();
            let run = |inputs: &[&str]| {
                let mut command = distchan(&["run", "-k", template, ":::"]);
                command.args(inputs).args([":::", "a[$(touch hit)]"]);
                command.env("DISTCHAN_SHELL", shell).current_dir(directory.path());
                finish(command, b"")
            };
            let ended = run(&evil);
            assert_eq!(
                (ended.code, ended.out()),
                (i32::try_from(evil.len()).unwrap(), ""),
                "{template}: {ended:?}"
            );
            assert_eq!(ended.stderr.matches("takes numbers only").count(), evil.len(), "{ended:?}");
            assert!(!directory.path().join("hit").exists(), "{template}: {ended:?}");
            if !template.contains("\"{") {
                let ended = run(&["3", "-3", "0x10"]);
                assert_eq!(
                    (ended.code, ended.stdout.split(|byte| *byte == b'\n').count()),
                    (0, 4),
                    "{ended:?}"
                );
            }
        }
    }
    let ended = run_on(&["-k", "echo $(({} * {}))", ":::", "3", "-4", "0x10"], b"").well();
    assert_eq!(ended.out(), "9\n16\n256\n");
}

#[test]
fn an_input_in_a_here_document_is_text() {
    let evil = "it's $(touch hit) `touch hit` \\ \"";
    let directory = tempfile::tempdir().unwrap();
    for shell in ["sh", "bash", "dash"] {
        for (template, expected) in [
            ("cat <<E\n<{}>\nE", format!("<{evil}>\n")),
            ("cat <<-E | tr x y\n\t{} it's\n\tE\nprintf %s \"{}\"", format!("{evil} it's\n{evil}")),
            ("cat <<<{}", format!("{evil}\n")),
        ] {
            if template.contains("<<<") && shell != "bash" {
                continue;
            }
            let mut command = distchan(&["run", template, ":::", evil]);
            command.env("DISTCHAN_SHELL", shell).current_dir(directory.path());
            assert_eq!(finish(command, b"").well().out(), expected, "{shell}: {template}");
            let shown = run_on(&["--dry-run", template, ":::", evil], b"").well();
            let pasted = std::process::Command::new(shell)
                .args(["-c", shown.out()])
                .current_dir(directory.path())
                .output();
            assert_eq!(
                String::from_utf8(pasted.unwrap().stdout).unwrap(),
                expected,
                "{shell}: {}",
                shown.out()
            );
        }
    }
    assert!(!directory.path().join("hit").exists());
    let refused = run_on(&["cat <<'E'\n{}\nE", ":::", "a"], b"");
    assert_eq!((refused.code, refused.out()), (1, ""));
    assert!(refused.stderr.contains("no input can stand in a here-document whose end is quoted: a"));
}

#[test]
fn a_backslash_before_an_input_opens_nothing() {
    let evil = "x; $(touch hit)";
    let directory = tempfile::tempdir().unwrap();
    for (template, expected) in [
        ("printf %s \\{} | cat", evil.to_owned()),
        ("printf %s \"\\{}\" | cat", format!("\\{evil}")),
        ("cat <<E\n\\{}\nE", format!("\\{evil}\n")),
    ] {
        let ended = run_in(directory.path(), &[template, ":::", evil]).well();
        assert_eq!(ended.out(), expected, "{template}");
    }
    assert!(!directory.path().join("hit").exists());
}

#[test]
fn a_command_that_looks_like_an_option_is_none() {
    for input in ["-k", "+x", "-c 'touch hit'"] {
        let directory = tempfile::tempdir().unwrap();
        let ended = run_in(directory.path(), &[":::", input]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains("not found"), "{ended:?}");
        assert!(!directory.path().join("hit").exists());
    }
}

#[test]
fn every_byte_goes_through() {
    let all: Vec<u8> = (1..=255).collect();
    for template in ["printf %s {}", "printf %s {} | cat", "printf %s \"{}\""] {
        let ended = run_on(&["-0", template], &all);
        assert_eq!((ended.code, &ended.stdout), (0, &all), "{template}");
    }
}

#[test]
fn what_is_shown_does_the_same_in_a_shell() {
    for input in EVIL.iter().filter(|input| !input.contains('\n')) {
        for template in ["printf %s {}", "printf %s '{}'", "printf %s \"{}\" | cat"] {
            let shown = run_on(&["--dry-run", template, ":::", input], b"").well();
            let directory = tempfile::tempdir().unwrap();
            let shell = std::process::Command::new("sh")
                .args(["-c", shown.out()])
                .current_dir(directory.path())
                .output();
            assert_eq!(shell.unwrap().stdout, input.as_bytes(), "{}", shown.out());
            assert!(!directory.path().join("hit").exists(), "{}", shown.out());
        }
    }
}

#[test]
fn quoted_words_reach_the_program_as_they_are() {
    assert_eq!(
        run_on(&["-q", "printf", "%s|", "a  b", "$HOME", "{}", ":::", "c  d"], b"").well().out(),
        "a  b|$HOME|c  d|"
    );
}
