//! What happened in a run, as one number, and as text where someone wants to read it. It never changes a run.

use std::fmt;

use distchan_proto::time::Time;

/// The history of a run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A history that keeps its lines, or only their hash.
    #[must_use]
    pub const fn new(keep: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: if keep { Some(Vec::new()) } else { None } }
    }

    /// Notes bytes that a machine wrote.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.word(u64::from(*byte));
        }
        self.word(bytes.len() as u64);
    }

    /// Notes that something happened, to whom, and how much of it.
    pub(crate) fn note(&mut self, now: Time, what: &'static str, who: u64, much: u64) {
        let time = now.since_origin();
        self.word(time.as_secs() << 30 | u64::from(time.subsec_nanos()));
        self.word(what.len() as u64 ^ what.bytes().fold(0, |sum, byte| sum << 5 ^ u64::from(byte)));
        self.word(who << 32 ^ much);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6} {what} {who} {much}", time.as_secs_f64()));
        }
    }

    /// Adds a remark for whoever reads the lines; it takes no part in the hash, and is not made where nobody reads.
    pub(crate) fn remark(&mut self, now: Time, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6}   {}", now.since_origin().as_secs_f64(), text()));
        }
    }

    /// One number for everything that happened.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, where they were kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    const fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}
