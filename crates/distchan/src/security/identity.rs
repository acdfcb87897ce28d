//! A server's own key, and the certificate that TLS wants for it. The key is known by its hash alone: nothing else in the certificate means
//! anything.

use std::io;

use distchan_proto::proof::KeyHash;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use zeroize::Zeroizing;

/// A key pair, P-256.
pub(super) struct Identity {
    /// PKCS #8.
    key: Zeroizing<Vec<u8>>,
    certificate: CertificateDer<'static>,
    hash: KeyHash,
}

impl Identity {
    /// A new one.
    pub(super) fn generate() -> io::Result<Self> {
        Self::of(&KeyPair::generate().map_err(other)?)
    }

    /// The one with this key, in PKCS #8.
    pub(super) fn with_key(pkcs8: &[u8]) -> io::Result<Self> {
        Self::of(&KeyPair::try_from(pkcs8).map_err(other)?)
    }

    fn of(pair: &KeyPair) -> io::Result<Self> {
        let params = CertificateParams::new(vec![NAME.to_owned()]).map_err(other)?;
        let certificate = params.self_signed(pair).map_err(other)?.der().clone();
        let hash = hash_of(&certificate).map_err(other)?;
        Ok(Self { key: Zeroizing::new(pair.serialize_der()), certificate, hash })
    }

    /// The key, for whoever keeps it.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) const fn hash(&self) -> KeyHash {
        self.hash
    }

    /// What TLS takes.
    pub(super) fn for_tls(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.to_vec());
        (self.certificate.clone(), key.into())
    }
}

/// What the certificate says that it is for: nobody asks.
pub(super) const NAME: &str = "distchan.invalid";

/// The hash of a certificate's public key.
pub(super) fn hash_of(certificate: &CertificateDer<'_>) -> Result<KeyHash, rustls::Error> {
    Ok(KeyHash::of(&ParsedCertificate::try_from(certificate)?.subject_public_key_info()))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
