//! What a ticket holds: a secret, and the hash of a public key.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::proof::Exporter;

/// 128 random bits that both sides have. Not shown by `Debug`; wiped when it is dropped.
#[derive(Clone)]
pub struct Secret([u8; Self::LENGTH]);

impl Secret {
    /// In bytes.
    pub const LENGTH: usize = 16;

    /// From random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes, for whoever keeps them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Which secret this is, without saying what it is.
    #[must_use]
    pub fn id(&self) -> TicketId {
        let digest = Sha256::new().chain_update(b"distchan ticket id 1\0").chain_update(self.0).finalize();
        let mut id = [0; TicketId::LENGTH];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        TicketId(id)
    }

    /// The authenticator of one side, in one TLS session.
    pub(super) fn authenticate(&self, side: Side, exporter: &Exporter) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"distchan ticket proof 1\0");
        mac.update(&[side as u8]);
        mac.update(exporter);
        mac
    }
}

/// Who proves something: a proof of one side is none of the other.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Side {
    Worker = b'w',
    Server = b's',
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Which ticket is meant: a hash of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub [u8; Self::LENGTH]);

impl TicketId {
    /// In bytes.
    pub const LENGTH: usize = 8;
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The SHA-256 of a public key, in the form of a certificate's `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; Self::LENGTH]);

impl KeyHash {
    /// In bytes.
    pub const LENGTH: usize = 32;

    /// Of a `SubjectPublicKeyInfo`, in DER.
    #[must_use]
    pub fn of(subject_public_key_info: &[u8]) -> Self {
        Self(Sha256::digest(subject_public_key_info).into())
    }
}
