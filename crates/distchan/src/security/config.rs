//! How TLS is spoken here: version 1.3, nothing resumed, nothing sent early, by one provider. What makes the two ways of letting workers in
//! differ is the name of the protocol that is agreed on (ALPN), so that one is never taken for the other.

use std::io;
use std::sync::Arc;

use distchan_proto::proof::KeyHash;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use crate::security::identity::Identity;
use crate::security::mutual::MutualTls;
use crate::security::pin::Pin;

/// Workers show a ticket's secret.
pub(super) const WITH_TICKETS: &[u8] = b"distchan-ticket/1";

/// Workers show a certificate.
pub(super) const WITH_CERTIFICATES: &[u8] = b"distchan-mtls/1";

/// AES-128 first: AES-256 costs a quarter more, and protects no better what a secret of 128 bits opens.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    Arc::new(provider)
}

/// A server that is known by its key.
pub(super) fn server_with_tickets(identity: &Identity) -> io::Result<ServerConfig> {
    let (certificate, key) = identity.for_tls();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate], key).map_err(io::Error::other)?;
    Ok(harden_server(config, WITH_TICKETS))
}

/// A worker that knows the server's key.
pub(super) fn worker_with_ticket(key: KeyHash) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin::new(key, provider)))
        .with_no_client_auth();
    Ok(harden_worker(config, WITH_TICKETS))
}

/// A server whose workers have certificates.
pub(super) fn server_with_certificates(mutual: &MutualTls) -> io::Result<ServerConfig> {
    let provider = provider();
    let roots = Arc::clone(mutual.roots());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(io::Error::other)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier);
    let (chain, key) = mutual.for_tls();
    let config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
    Ok(harden_server(config, WITH_CERTIFICATES))
}

/// A worker that has a certificate, and wants to see one.
pub(super) fn worker_with_certificate(mutual: &MutualTls) -> Result<ClientConfig, rustls::Error> {
    let (chain, key) = mutual.for_tls();
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(Arc::clone(mutual.roots()))
        .with_client_auth_cert(chain, key)?;
    Ok(harden_worker(config, WITH_CERTIFICATES))
}

fn harden_server(mut config: ServerConfig, protocol: &[u8]) -> ServerConfig {
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

fn harden_worker(mut config: ClientConfig, protocol: &[u8]) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![protocol.to_vec()];
    // Where a server is, is nobody's business on the way.
    config.enable_sni = false;
    config
}
