//! What happened in a run, as one number, and as text where someone wants to read it. It never changes a run.

use std::fmt;

/// The history of a run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    /// The last lines, where they are kept.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A history that keeps its lines, or only their hash.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keep.then(Vec::new) }
    }

    /// Notes bytes that a machine wrote.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }

    /// Notes that something happened, to whom, and how much of it.
    pub fn note(&mut self, what: &str, who: u64, much: u64) {
        what.bytes().for_each(|byte| self.word(u64::from(byte)));
        self.word(who);
        self.word(much);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{what} {who} {much}"));
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
