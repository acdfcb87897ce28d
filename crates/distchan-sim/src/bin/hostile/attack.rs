//! What one stranger does: chosen by the seed and the connection's number, and by nothing else. It does nothing itself.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::forge::{self, Frame};
use crate::hellos::{HELLOS, client_hello, record};
use crate::mutate::{mutate, noise};

/// The longest that a stranger says nothing.
const STALL_MS: u64 = 400;

/// What strangers do, in words.
pub(crate) const KINDS: [&str; 7] =
    ["noise", "preambles", "other protocols", "recordings", "mutations", "forgeries", "silence"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attack {
    /// An index into [`KINDS`].
    pub(crate) kind: usize,
    pub(crate) steps: Vec<Step>,
    /// Whether what the server says is read at all; what is not read when a connection is closed resets it.
    pub(crate) reads: bool,
    pub(crate) end: End,
}

/// One thing after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Say(Vec<u8>),
    /// Waits until the server has said something, but not for ever.
    Hear,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At once.
    Close,
    /// Says that nothing more will come, and waits for the server.
    Finish,
    /// Says nothing for a while.
    Stall(Duration),
}

/// What strangers have to choose from.
#[derive(Debug)]
pub(crate) struct Arsenal {
    pub(crate) seed: u64,
    /// What an honest worker said on its connection.
    pub(crate) recording: Vec<u8>,
    /// Its frames, where they can be seen.
    pub(crate) frames: Vec<Frame>,
}

impl Arsenal {
    /// The connection with this number.
    pub(crate) fn attack(&self, number: u64) -> Attack {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let rng = &mut rng;
        let (kind, said) = match rng.random_range(0..100) {
            0..14 => (0, vec![noise(rng, 600)]),
            14..26 => (1, preamble(rng)),
            26..38 => (2, vec![other_protocol(rng)]),
            38..44 => (3, vec![self.recording.clone()]),
            44..68 => {
                let mut bytes = self.recording.clone();
                mutate(rng, &mut bytes);
                (4, vec![bytes])
            }
            68..95 => (5, self.forgery(rng)),
            _ => (6, Vec::new()),
        };
        let mut steps = Vec::new();
        for bytes in said {
            if !steps.is_empty() {
                steps.push(Step::Hear);
            }
            // In one piece, or in two.
            let middle = if rng.random_bool(0.3) { rng.random_range(0..=bytes.len()) } else { 0 };
            let (first, second) = bytes.split_at(middle);
            let parts = [first, second].into_iter().filter(|part| !part.is_empty());
            steps.extend(parts.map(|part| Step::Say(part.to_vec())));
        }
        let end = match rng.random_range(0..10) {
            0..5 => End::Close,
            5..9 => End::Finish,
            _ => End::Stall(Duration::from_millis(rng.random_range(0..STALL_MS))),
        };
        Attack { kind, steps, reads: rng.random_bool(0.8), end }
    }

    /// Without TLS, lies behind an honest handshake; with it, lies about TLS, since nobody gets further.
    fn forgery(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
        if self.frames.is_empty() {
            let hello = client_hello(&rng.random());
            let lies = (0..rng.random_range(1..6)).flat_map(|_| {
                let kind = rng.random_range(19..25);
                record(kind, &noise(rng, 1_000))
            });
            let lies = lies.collect();
            return vec![hello, lies];
        }
        let resumes = rng.random_bool(0.2);
        vec![forge::handshake(rng, resumes), forge::frames(rng, &self.frames)]
    }
}

/// A whole preamble, a half one, one of other versions, and what cannot stand behind it.
fn preamble(rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    let mut bytes = forge::PREAMBLE.to_vec();
    match rng.random_range(0..4) {
        0 => bytes.truncate(rng.random_range(0..12)),
        1 => bytes[8..].copy_from_slice(&rng.random::<[u8; 4]>()),
        2 => return vec![bytes, noise(rng, 5_000)],
        _ => {}
    }
    vec![bytes]
}

fn other_protocol(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = match HELLOS.get(rng.random_range(0..2 * HELLOS.len())) {
        Some(hello) => hello.to_vec(),
        None => client_hello(&rng.random()),
    };
    if rng.random_bool(0.3) {
        mutate(rng, &mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_and_the_number_decide() {
        let frames = vec![Frame { kind: 0x10, flags: 0, channel: 1, body: b"\x04bait\0".to_vec() }];
        let arsenal = |seed| Arsenal { seed, recording: vec![7; 500], frames: frames.clone() };
        let all = |seed| (0..500).map(|number| arsenal(seed).attack(number)).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        for (kind, name) in KINDS.iter().enumerate() {
            assert!(all(1).iter().any(|attack| attack.kind == kind), "{name}");
        }
    }
}
