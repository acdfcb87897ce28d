//! Certificates of an organisation's own authority, in both directions, instead of tickets. Nothing here decides who is let in: TLS does.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::security::private_file;

/// Mutual TLS: a certificate and its key for this side, and the authority whose certificates the other side may have.
///
/// A server takes workers whose certificate the authority has signed (for client authentication). A worker takes a server whose certificate
/// it has signed for the host name or IP address to which the worker connects.
#[derive(Clone)]
pub struct MutualTls(Arc<Parts>);

struct Parts {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl MutualTls {
    /// From PEM: the certificates of the authority, this side's own with those between, and the own one's private key.
    ///
    /// # Errors
    /// One of them holds no such thing.
    pub fn from_pem(authority: &[u8], chain: &[u8], key: &[u8]) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority, "the authority")? {
            roots.add(certificate).map_err(|error| invalid("the authority", &error))?;
        }
        let chain = certificates(chain, "the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("the private key", &error))?;
        Ok(Self(Arc::new(Parts { roots: Arc::new(roots), chain, key })))
    }

    /// From files with PEM in them, in the order of [`MutualTls::from_pem`].
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; the text says which.
    pub fn from_files(
        authority: impl AsRef<Path>,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> io::Result<Self> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
            })
        };
        let (authority, chain) = (read(authority.as_ref())?, read(chain.as_ref())?);
        Self::from_pem(&authority, &chain, private_file::read(key.as_ref())?.as_bytes())
    }

    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.0.roots
    }

    pub(super) fn for_tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.0.chain.clone(), self.0.key.clone_key())
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutualTls").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8], what: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| invalid(what, &error))?;
    if found.is_empty() {
        return Err(invalid(what, &"no certificate in it"));
    }
    Ok(found)
}

fn invalid(what: &str, error: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} cannot be read: {error}"))
}
