//! Certificates of an authority of one's own, both ways.

use distchan::{ConnectError, MutualTls, Security, SecurityError, Server, Worker};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use crate::helpers::run;
use crate::security::{distrust, served, work};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a side has whose certificate `by` has signed, and which takes those that `takes` has signed.
fn side(by: &Authority, takes: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> MutualTls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, by).unwrap();
    let (takes, chain, key) = (takes.pem(), certificate.pem(), key.serialize_pem());
    MutualTls::from_pem(takes.as_bytes(), chain.as_bytes(), key.as_bytes()).unwrap()
}

fn worker_of(by: &Authority, takes: &Authority) -> MutualTls {
    side(by, takes, "worker-7", ExtendedKeyUsagePurpose::ClientAuth)
}

async fn server_of(by: &Authority, name: &str) -> Server {
    let mutual = side(by, by, name, ExtendedKeyUsagePurpose::ServerAuth);
    Server::builder().security(Security::mutual_tls(mutual)).bind("127.0.0.1:0").await.unwrap()
}

async fn connect(server: &Server, mutual: MutualTls) -> Result<Worker, ConnectError> {
    Worker::builder().mutual_tls(mutual).connect(server.local_addr()).await
}

fn certificate_error(result: Result<Worker, ConnectError>) -> String {
    match distrust(result) {
        SecurityError::Certificate(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_has_a_certificate_of_the_authority_works_and_nobody_else_comes_in() {
    run(async {
        let (ours, theirs) = (authority(), authority());
        let server = server_of(&ours, "127.0.0.1").await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        work(&connect(&server, worker_of(&ours, &ours)).await.unwrap());
        assert_eq!(jobs.call(1).await.unwrap(), 2);

        let text = certificate_error(connect(&server, worker_of(&theirs, &ours)).await);
        assert!(text.starts_with("the server does not take this worker's certificate"), "{text}");
        let text = certificate_error(connect(&server, worker_of(&ours, &theirs)).await);
        assert!(text.starts_with("the server's certificate is not taken"), "{text}");
        let of_a_server = side(&ours, &ours, "x", ExtendedKeyUsagePurpose::ServerAuth);
        certificate_error(connect(&server, of_a_server).await);
        let other_host = server_of(&ours, "example.org").await;
        let text = certificate_error(connect(&other_host, worker_of(&ours, &ours)).await);
        assert!(text.contains("not valid for name"), "{text}");
        assert_eq!(jobs.call(2).await.unwrap(), 3);
    });
}

#[test]
fn a_ticket_and_a_certificate_are_not_taken_for_each_other() {
    run(async {
        let ours = authority();
        let with_certificates = server_of(&ours, "127.0.0.1").await;
        let (with_tickets, _jobs) = served().await;
        let ticket = with_tickets.ticket().unwrap().with_address(with_certificates.local_addr()).unwrap();
        assert_eq!(distrust(Worker::connect(ticket).await), SecurityError::OtherMeans);
        let refused = connect(&with_tickets, worker_of(&ours, &ours)).await;
        assert_eq!(distrust(refused), SecurityError::OtherMeans);
        let error = with_certificates.ticket().unwrap_err();
        assert!(error.to_string().contains("no tickets"), "{error}");
    });
}

#[test]
fn what_is_no_certificate_is_an_error_that_says_which() {
    let pem = authority().pem();
    let error = MutualTls::from_pem(b"", pem.as_bytes(), b"").unwrap_err().to_string();
    assert!(error.starts_with("the authority cannot be read"), "{error}");
    let error = MutualTls::from_pem(pem.as_bytes(), pem.as_bytes(), b"no key").unwrap_err().to_string();
    assert!(error.starts_with("the private key cannot be read"), "{error}");
    let error = MutualTls::from_files("/no/such/ca.pem", "x", "y").unwrap_err().to_string();
    assert!(error.contains("/no/such/ca.pem"), "{error}");
}
