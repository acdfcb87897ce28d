//! Numbers as people type them: sizes, times, how many at once, characters.

use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// What `-j 0`, as many as possible, comes to.
const AS_MANY_AS_POSSIBLE: usize = 252;

/// The most that `-j` takes: each slot is a thread.
const MOST_SLOTS: usize = 4096;

/// A size in bytes: `K`, `M`, `G`, `T` are powers of 1024, and small letters powers of 1000, as in GNU parallel.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: 512, 64k, 1M, 2G");
    let (number, unit) = match text.char_indices().last() {
        Some((at, letter)) if !letter.is_ascii_digit() => {
            let place = "kmgt".find(letter.to_ascii_lowercase()).ok_or_else(wrong)?;
            let base: f64 = if letter.is_ascii_uppercase() { 1024.0 } else { 1000.0 };
            (text.get(..at).unwrap_or_default(), base.powi(i32::try_from(place).unwrap_or(0) + 1))
        }
        _ => (text, 1.0),
    };
    let size = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if !(0.0..9e15).contains(&size) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as was just seen")]
    Ok(size as u64)
}

/// A time: seconds, or a number with `s`, `m`, `h` or `d`, or several of these one after the other.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: 10, 0.5, 2m, 1h30m, 1d");
    let (mut seconds, mut rest) = (0.0, text);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let mut letters = after.chars();
        seconds += number
            * match letters.next() {
                None | Some('s') => 1.0,
                Some('m') => 60.0,
                Some('h') => 3600.0,
                Some('d') => 86400.0,
                Some(_) => return Err(wrong()),
            };
        rest = letters.as_str();
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// How many jobs at once; cores where nothing is said.
pub(super) fn slots(text: Option<&str>) -> Result<usize, String> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let Some(text) = text else { return Ok(cores) };
    let wrong = || format!("{text:?} is not a number of jobs: 4, +1, -1, 50%, or 0 for as many as possible");
    let number = |digits: &str| digits.parse::<usize>().map_err(|_| wrong());
    let slots = if let Some(more) = text.strip_prefix('+') {
        cores.saturating_add(number(more)?)
    } else if let Some(fewer) = text.strip_prefix('-') {
        cores.saturating_sub(number(fewer)?)
    } else if let Some(percent) = text.strip_suffix('%') {
        cores.saturating_mul(number(percent)?) / 100
    } else {
        match number(text)? {
            0 => AS_MANY_AS_POSSIBLE,
            slots => slots,
        }
    };
    Ok(slots.clamp(1, MOST_SLOTS))
}

/// One character that ends an input.
pub(super) fn delimiter(text: &OsStr) -> Result<u8, String> {
    let wrong = || format!("{text:?} is not one character: give one, or \\n, \\t, \\0 or \\xHH");
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\n" => Ok(b'\n'),
        b"\\t" => Ok(b'\t'),
        b"\\r" => Ok(b'\r'),
        b"\\0" => Ok(0),
        [b'\\', b'x', hex @ ..] => {
            std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A separator of records: `\n`, `\t`, `\r`, `\0` and `\\` are understood, as in GNU parallel.
pub(super) fn separator(text: &OsStr) -> Vec<u8> {
    let mut bytes = text.as_bytes().iter().copied();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'0') => out.push(0),
            Some(b'\\') | None => out.push(b'\\'),
            Some(other) => out.extend([b'\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_slots_are_read_as_people_type_them() {
        assert_eq!(size("1M"), Ok(1 << 20));
        assert_eq!(size("1m"), Ok(1_000_000));
        assert_eq!(size("1.5k"), Ok(1500));
        assert_eq!(size("7"), Ok(7));
        for wrong in ["", "x", "-1", "1Q", "M"] {
            size(wrong).unwrap_err();
        }
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("1d3.5h"), Ok(Duration::from_secs(86400 + 12600)));
        for wrong in ["", "h", "1x", "1..2", "-1"] {
            time(wrong).unwrap_err();
        }
        assert_eq!(slots(Some("3")), Ok(3));
        assert_eq!(slots(Some("0")), Ok(AS_MANY_AS_POSSIBLE));
        assert_eq!(slots(Some("-1000")), Ok(1));
        slots(Some("many")).unwrap_err();
    }

    #[test]
    fn delimiters_may_be_escaped() {
        assert_eq!(delimiter(OsStr::new(",")), Ok(b','));
        assert_eq!(delimiter(OsStr::new("\\0")), Ok(0));
        assert_eq!(delimiter(OsStr::new("\\x41")), Ok(b'A'));
        delimiter(OsStr::new("ab")).unwrap_err();
        assert_eq!(separator(OsStr::new("a\\n\\\\b")), b"a\n\\b");
    }
}
