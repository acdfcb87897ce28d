//! What is left of an input that is a path.

/// What is done to an input before it takes a replacement string's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `{}`: nothing.
    Whole,
    /// `{.}`: without extension.
    Stem,
    /// `{/}`: without directory.
    Base,
    /// `{//}`: the directory.
    Directory,
    /// `{/.}`: without directory and extension.
    BaseStem,
}

impl Operation {
    /// What stands between the braces, behind a position or a name.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"" => Self::Whole,
            b"." => Self::Stem,
            b"/" => Self::Base,
            b"//" => Self::Directory,
            b"/." => Self::BaseStem,
            _ => return None,
        })
    }

    pub(super) fn apply(self, input: &[u8]) -> &[u8] {
        match self {
            Self::Whole => input,
            Self::Stem => stem(input),
            Self::Base => base(input),
            Self::Directory => directory(input),
            Self::BaseStem => stem(base(input)),
        }
    }
}

fn stem(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| matches!(byte, b'.' | b'/')) {
        Some(at) if path.get(at) == Some(&b'.') => path.get(..at).unwrap_or_default(),
        Some(_) | None => path,
    }
}

fn base(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |at| path.get(at + 1..).unwrap_or_default())
}

/// As Perl's `dirname`, which GNU parallel uses: slashes at the end do not count.
fn directory(path: &[u8]) -> &[u8] {
    let trimmed = |path: &[u8]| path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let without_slashes = path.get(..trimmed(path)).unwrap_or_default();
    if without_slashes.is_empty() {
        return if path.is_empty() { b"." } else { b"/" };
    }
    match without_slashes.iter().rposition(|byte| *byte == b'/') {
        None => b".",
        Some(at) => {
            let parent = without_slashes.get(..at).unwrap_or_default();
            let parent = parent.get(..trimmed(parent)).unwrap_or_default();
            if parent.is_empty() { b"/" } else { parent }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_gnu_parallel_does() {
        let check = |path: &str, expected: [&str; 4]| {
            let operations = [Operation::Stem, Operation::Base, Operation::Directory, Operation::BaseStem];
            let found =
                operations.map(|operation| std::str::from_utf8(operation.apply(path.as_bytes())).unwrap());
            assert_eq!(found, expected, "{path}");
        };
        check("a/b.c", ["a/b", "b.c", "a", "b"]);
        check("d.e.f", ["d.e", "d.e.f", ".", "d.e"]);
        check("/x/", ["/x/", "", "/", ""]);
        check("/x", ["/x", "x", "/", "x"]);
        check("x.d/y", ["x.d/y", "y", "x.d", "y"]);
        check("", ["", "", ".", ""]);
        check(".bashrc", ["", ".bashrc", ".", ""]);
    }
}
