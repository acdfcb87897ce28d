//! TLS for tonic, as its documentation sets it up: a certificate of the server's own, which the worker takes as its authority.

use std::net::SocketAddr;

use anyhow::Result;
use tonic::transport::{Certificate, ClientTlsConfig, Identity as Pem, ServerTlsConfig};

/// The name in the certificate.
const NAME: &str = "localhost";

/// A server's key, and its certificate.
pub(super) struct Identity {
    key: String,
    certificate: String,
}

impl Identity {
    pub(super) fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        Ok(Self { key: made.signing_key.serialize_pem(), certificate: made.cert.pem() })
    }

    pub(super) fn of_server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(Pem::from_pem(&self.certificate, &self.key))
    }

    /// What a worker is told: where, and behind it the certificate, which is no secret.
    pub(super) fn tell(&self, address: SocketAddr) -> String {
        format!("https://{address}\n{}", self.certificate)
    }
}

/// What a worker makes of it.
pub(super) fn read(told: &str) -> (String, Option<ClientTlsConfig>) {
    match told.split_once('\n') {
        None => (told.to_owned(), None),
        Some((address, certificate)) => {
            let trust = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certificate));
            (address.to_owned(), Some(trust.domain_name(NAME)))
        }
    }
}
