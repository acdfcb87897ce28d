//! Somebody between a worker and its server: gets nothing by listening, nothing by repeating, and nothing by pretending.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use distchan::{SecurityError, Server, Worker};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::helpers::run;
use crate::place::place;
use crate::security::{distrust, served, work};

/// What the worker sent, and the server.
type Heard = (Vec<u8>, Vec<u8>);

/// Passes one connection on, and returns what was heard of it.
fn listen_in(server: &Server) -> (u16, JoinHandle<Heard>) {
    let (there, listener) = (server.local_addr().to_string(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let passing = thread::spawn(move || {
        let (worker, _) = listener.accept().unwrap();
        let server = TcpStream::connect(there).unwrap();
        let back = {
            let (server, worker) = (server.try_clone().unwrap(), worker.try_clone().unwrap());
            thread::spawn(move || pass(server, worker))
        };
        let sent = pass(worker, server);
        (sent, back.join().unwrap())
    });
    (port, passing)
}

fn pass(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        all.extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    all
}

#[test]
fn who_listens_hears_nothing_and_who_repeats_it_ten_thousand_times_gets_nothing() {
    run(async {
        let server = Server::builder().secure().bind(place()).await.unwrap();
        let (jobs, _results) = server.channel::<String, String>("work").open().unwrap();
        let (port, listening) = listen_in(&server);
        let ticket = server.ticket().unwrap().with_address(format!("127.0.0.1:{port}").as_str()).unwrap();
        let worker = Worker::connect(ticket).await.unwrap();
        let serving = worker.clone();
        tokio::spawn(async move { serving.serve("work", |job: String| async move { job + "!" }).await });
        assert_eq!(jobs.call("a secret of the trade".to_owned()).await.unwrap(), "a secret of the trade!");
        worker.close().await.unwrap();
        let (sent, answered) = tokio::task::spawn_blocking(|| listening.join().unwrap()).await.unwrap();
        for heard in [&sent, &answered] {
            for word in [b"secret of".as_slice(), b"work", b"distchan\x01"] {
                assert!(!heard.windows(word.len()).any(|window| window == word), "{word:?} was heard");
            }
        }
        let address = server.local_addr().to_string();
        let before = server.workers().len();
        tokio::task::spawn_blocking(move || {
            for _ in 0..10_000 {
                let mut replayed = TcpStream::connect(&address).unwrap();
                let _ = replayed.write_all(&sent);
                let _ = replayed.shutdown(Shutdown::Write);
                let mut said = Vec::new();
                let _ = replayed.read_to_end(&mut said);
                // The server's own half of a handshake, and an alert: no more than it says to anybody.
                assert!(said.len() < 2_000, "{} bytes for a recording", said.len());
            }
        })
        .await
        .unwrap();
        assert_eq!(server.workers().len(), before, "no recording has become a worker");
        let refusal = server.next_refusal().await;
        assert!(refusal.reason.starts_with("the TLS handshake failed"), "{}", refusal.reason);
        work_again(&server).await;
    });
}

async fn work_again(server: &Server) {
    let worker = Worker::connect(server.ticket().unwrap()).await.unwrap();
    server.channel::<u32, u32>("again").open().map(drop).unwrap();
    worker.close().await.unwrap();
}

#[test]
fn who_pretends_to_be_the_server_with_its_own_certificate_gets_nothing() {
    run(async {
        let (server, jobs) = served().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let pretending = thread::spawn(move || pretend(&listener));
        let ticket = server.ticket().unwrap().with_address(format!("127.0.0.1:{port}").as_str()).unwrap();
        assert_eq!(distrust(Worker::connect(ticket).await), SecurityError::WrongKey);
        let (plain, error) = tokio::task::spawn_blocking(|| pretending.join().unwrap()).await.unwrap();
        assert!(plain.is_empty(), "it was told {plain:?}");
        assert!(error.contains("alert"), "{error}");
        work(&Worker::connect(server.ticket().unwrap()).await.unwrap());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

/// Speaks TLS like a server, with a key of its own; returns what it was told, and how that ended.
fn pretend(listener: &TcpListener) -> (Vec<u8>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["distchan.invalid".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"distchan-ticket/1".to_vec()];
    let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
    let (mut worker, _) = listener.accept().unwrap();
    let mut plain = Vec::new();
    let mut stream = rustls::Stream::new(&mut tls, &mut worker);
    let error = stream.read_to_end(&mut plain).unwrap_err();
    (plain, error.to_string())
}
