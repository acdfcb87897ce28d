//! Which shell, whether one is needed, and whether a program is there.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Shells whose grammar is POSIX's, as far as commands here need it.
const POSIX: [&str; 8] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"];

/// Words that are a shell's own business, though a program of the same name may be there.
const BUILTINS: [&[u8]; 53] = [
    b"!",
    b".",
    b":",
    b"alias",
    b"bg",
    b"break",
    b"builtin",
    b"case",
    b"cd",
    b"command",
    b"continue",
    b"declare",
    b"do",
    b"done",
    b"elif",
    b"else",
    b"esac",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"fc",
    b"fg",
    b"fi",
    b"for",
    b"function",
    b"getopts",
    b"hash",
    b"if",
    b"jobs",
    b"let",
    b"local",
    b"read",
    b"readonly",
    b"return",
    b"select",
    b"set",
    b"shift",
    b"source",
    b"then",
    b"time",
    b"times",
    b"trap",
    b"type",
    b"typeset",
    b"ulimit",
    b"umask",
    b"unalias",
    b"unset",
    b"until",
    b"wait",
    b"while",
    b"coproc",
];

/// The shell that commands are run with: `$DISTCHAN_SHELL`, or `$SHELL` where its grammar is POSIX's, or `/bin/sh`.
pub(crate) fn shell() -> PathBuf {
    let named = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| is_posix(path));
    named("DISTCHAN_SHELL").or_else(|| named("SHELL")).unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

fn is_posix(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| POSIX.contains(&name))
}

/// Whether this text means something to a shell, beyond words between blanks.
pub(super) fn has_syntax(text: &[u8]) -> bool {
    text.iter().any(|byte| b"|&;<>()$`\\\"'*?[]{}#~!^\n\r=".contains(byte) || *byte == 0x0b || *byte == 0x0c)
}

/// Whether a shell would do something else with this command than run a program.
pub(super) fn is_shells_own(name: &[u8]) -> bool {
    BUILTINS.contains(&name) || is_exported_function(name)
}

/// What `export -f` of bash leaves in the environment.
fn is_exported_function(name: &[u8]) -> bool {
    env::var_os(OsStr::from_bytes(&[b"BASH_FUNC_", name, b"%%"].concat())).is_some()
}

/// Whether a program can be found that would run under this name.
pub(crate) fn find_program(name: &[u8]) -> bool {
    let is_executable = |path: &Path| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.is_empty() {
        return false;
    }
    let name = Path::new(OsStr::from_bytes(name));
    if name.as_os_str().as_bytes().contains(&b'/') {
        return is_executable(name);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    env::split_paths(&path).any(|directory| is_executable(&directory.join(name)))
}
