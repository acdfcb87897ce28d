//! The two messages of a proof, which have a fixed form and a fixed length.

use std::fmt;

use hmac::Mac;

use crate::proof::Exporter;
use crate::proof::secret::{Secret, Side, TicketId};

/// The form of these messages.
const VERSION: u8 = 1;

const MAC: usize = 32;

/// A worker has a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProof {
    ticket: TicketId,
    mac: [u8; MAC],
}

impl WorkerProof {
    /// In bytes.
    pub const LENGTH: usize = 1 + TicketId::LENGTH + MAC;

    /// That of this secret, in the TLS session with this exporter.
    #[must_use]
    pub fn new(secret: &Secret, exporter: &Exporter) -> Self {
        let mac = secret.authenticate(Side::Worker, exporter).finalize().into_bytes().into();
        Self { ticket: secret.id(), mac }
    }

    /// As it is written.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [VERSION; Self::LENGTH];
        let fields = self.ticket.0.iter().chain(&self.mac);
        bytes.iter_mut().skip(1).zip(fields).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads what was written. It says nothing yet.
    ///
    /// # Errors
    /// Another version of the form.
    pub fn parse(bytes: &[u8; Self::LENGTH]) -> Result<Self, Malformed> {
        let [VERSION, rest @ ..] = bytes else {
            return Err(Malformed);
        };
        let (ticket, mac) = rest.split_first_chunk().ok_or(Malformed)?;
        Ok(Self { ticket: TicketId(*ticket), mac: mac.try_into().map_err(|_| Malformed)? })
    }

    /// Which ticket the worker says that it has.
    #[must_use]
    pub const fn ticket(&self) -> TicketId {
        self.ticket
    }

    /// Whether the worker has this secret. In constant time.
    #[must_use]
    pub fn is_of(&self, secret: &Secret, exporter: &Exporter) -> bool {
        secret.authenticate(Side::Worker, exporter).verify_slice(&self.mac).is_ok()
    }
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    /// It has the secret too: 32 further bytes follow, for [`ServerAnswer::is_proof_of`].
    Accepted,
    /// The worker may not come in. Nothing follows.
    Refused(Refusal),
}

impl ServerAnswer {
    /// What follows an accepting answer, in bytes.
    pub const PROOF: usize = MAC;

    /// An accepting answer, as it is written.
    #[must_use]
    pub fn accepting(secret: &Secret, exporter: &Exporter) -> [u8; 1 + MAC] {
        let mac = secret.authenticate(Side::Server, exporter).finalize().into_bytes();
        let mut bytes = [0; 1 + MAC];
        bytes.iter_mut().skip(1).zip(mac).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads the answer's first byte.
    #[must_use]
    pub const fn parse(byte: u8) -> Self {
        match Refusal::from_wire(byte) {
            None => Self::Accepted,
            Some(refusal) => Self::Refused(refusal),
        }
    }

    /// Whether what follows an accepting answer shows that the server has the secret. In constant time.
    #[must_use]
    pub fn is_proof_of(proof: &[u8; MAC], secret: &Secret, exporter: &Exporter) -> bool {
        secret.authenticate(Side::Server, exporter).verify_slice(proof).is_ok()
    }
}

/// Why a worker may not come in: the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Refusal {
    /// The server has no such ticket, or the proof is not that ticket's.
    Unknown = 1,
    /// The ticket has expired.
    Expired = 2,
    /// The ticket was revoked.
    Revoked = 3,
    /// The server does not know this form of the proof, or this version does not know the number.
    Other = 255,
}

impl Refusal {
    /// As it is written.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            0 => None,
            1 => Some(Self::Unknown),
            2 => Some(Self::Expired),
            3 => Some(Self::Revoked),
            _ => Some(Self::Other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the server does not know this ticket",
            Self::Expired => "this ticket has expired",
            Self::Revoked => "this ticket was revoked",
            Self::Other => "the server does not take this form of a proof",
        })
    }
}

impl std::error::Error for Refusal {}

/// Bytes that are no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTER: Exporter = [7; 32];

    #[test]
    fn a_proof_is_one_of_its_secret_in_its_session_by_its_side() {
        let (secret, other) = (Secret::new([1; 16]), Secret::new([2; 16]));
        let proof = WorkerProof::parse(&WorkerProof::new(&secret, &EXPORTER).to_bytes()).unwrap();
        assert_eq!(proof.ticket(), secret.id());
        assert!(proof.is_of(&secret, &EXPORTER));
        assert!(!proof.is_of(&other, &EXPORTER), "another secret");
        assert!(!proof.is_of(&secret, &[8; 32]), "another session: a recording, or somebody between");
        let answer = ServerAnswer::accepting(&secret, &EXPORTER);
        let (first, mac) = answer.split_first().unwrap();
        let mac: [u8; 32] = mac.try_into().unwrap();
        assert_eq!(ServerAnswer::parse(*first), ServerAnswer::Accepted);
        assert!(ServerAnswer::is_proof_of(&mac, &secret, &EXPORTER));
        assert!(!ServerAnswer::is_proof_of(&mac, &secret, &[8; 32]));
        assert!(!ServerAnswer::is_proof_of(&mac, &other, &EXPORTER));
        assert!(!ServerAnswer::is_proof_of(&proof.mac, &secret, &EXPORTER), "the worker's own, sent back");
    }

    #[test]
    fn no_bit_of_a_proof_can_change() {
        let secret = Secret::new(*b"0123456789abcdef");
        let bytes = WorkerProof::new(&secret, &EXPORTER).to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            let is_taken = WorkerProof::parse(&changed)
                .is_ok_and(|proof| proof.ticket() == secret.id() && proof.is_of(&secret, &EXPORTER));
            assert!(!is_taken, "bit {bit}");
        }
    }

    #[test]
    fn the_secret_is_nowhere_in_what_is_sent_or_shown() {
        let secret = Secret::new(*b"a secret, hush !");
        let sent = WorkerProof::new(&secret, &EXPORTER).to_bytes();
        let answered = ServerAnswer::accepting(&secret, &EXPORTER);
        for text in [&sent[..], &answered[..]] {
            assert!(!text.windows(8).any(|window| secret.expose().windows(8).any(|part| part == window)));
        }
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn every_byte_is_an_answer() {
        for byte in 0..=u8::MAX {
            match ServerAnswer::parse(byte) {
                ServerAnswer::Accepted => assert_eq!(byte, 0),
                ServerAnswer::Refused(Refusal::Other) => assert!(byte > 3),
                ServerAnswer::Refused(refusal) => assert_eq!(refusal.to_wire(), byte),
            }
        }
    }
}
