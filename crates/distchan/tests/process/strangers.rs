//! What strangers cost a server: its resident memory, before and while as many as it speaks with at once have stopped at the dearest moment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use crate::place::place;
use crate::program::Program;

/// As many as a server has places for, but for a few.
const STRANGERS: usize = 250;

/// What a stranger may cost, from accept to `WELCOME`.
const MOST: u64 = 64 * 1024;

/// Resident, in bytes, once that does not change any more.
fn resident(server: &Program) -> u64 {
    let read = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let (mut last, mut same) = (read(), 0);
    while same < 5 {
        sleep(Duration::from_millis(50));
        let now = read();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// The bytes that each of as many strangers costs, each of which has come so far.
fn cost(what: &str, role: &str, mut come: impl FnMut(&str) -> TcpStream) {
    let server = Program::start(role, &place(), "server", 1);
    let address = server.says("bound");
    // Whatever the first ones need once and for all.
    let first: Vec<TcpStream> = (0..2).map(|_| come(&address)).collect();
    let before = resident(&server);
    let crowd: Vec<TcpStream> = (0..STRANGERS - first.len()).map(|_| come(&address)).collect();
    let after = resident(&server);
    let each = after.saturating_sub(before) / crowd.len() as u64;
    println!("{what}: {each} bytes for each of {} strangers", crowd.len());
    assert!(each <= MOST, "{what}: {each} bytes each");
    // They are all still there: nobody was turned away, and then cost nothing.
    for mut stranger in first.into_iter().chain(crowd) {
        stranger.set_nonblocking(true).unwrap();
        let still = loop {
            match stranger.read(&mut [0; 4096]) {
                Ok(0) => break false,
                Ok(_) => {}
                Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
            }
        };
        assert!(still, "{what}: a stranger was turned away: {}", server.says("refused"));
    }
}

fn say(address: &str, words: &[u8]) -> TcpStream {
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(words).unwrap();
    stranger
}

/// The longest greeting that may be, but for its last byte.
fn greeting() -> Vec<u8> {
    let head = [0x00, 0x10, 0, 0, 0, 0, 0, 0, 0x01, 0, 0, 0];
    [b"distchan\x01\0\x01\0".as_slice(), &head, &[0; 4095]].concat()
}

/// The longest `ClientHello` that may be, but for its last byte, in records of 16,000 bytes.
fn client_hello() -> Vec<u8> {
    let message = [&[1, 0, 0x78, 0], [0; 0x7800].as_slice()].concat();
    let records = message.chunks(16_000).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], length.as_slice(), part].concat()
    });
    let mut records: Vec<u8> = records.collect();
    records.pop();
    records
}

/// Has TLS, and says all but the last byte of a proof.
fn half_proof(address: &str, config: &Arc<ClientConfig>) -> TcpStream {
    let mut stranger = TcpStream::connect(address).unwrap();
    let name = ServerName::try_from("distchan.invalid").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stranger).unwrap();
    }
    rustls::Stream::new(&mut tls, &mut stranger).write_all(&[1; 40]).unwrap();
    stranger
}

fn trusting() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"distchan-ticket/1".to_vec()];
    Arc::new(config)
}

/// Takes every certificate for the right one.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn a_stranger_costs_at_most_64_kibibytes_wherever_it_stops() {
    cost("nothing said", "server", |address| say(address, b""));
    cost("a greeting but for its last byte", "server", |address| say(address, &greeting()));
    cost("a ClientHello but for its last byte", "secured server", |address| say(address, &client_hello()));
    let config = trusting();
    cost("a proof but for its last byte", "secured server", |address| half_proof(address, &config));
}
